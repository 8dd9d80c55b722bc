/* What is looked for: a name as somebody typed it, or an id. */
#ifndef SALLYPORT_KEY_H
#define SALLYPORT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEY_MAX_NAME = 64,	 /* identity.MaxNameLen */
	KEY_MAX_QUALIFIED = 255, /* identity.MaxQualifiedLen */
};

struct key {
	const char *typed; /* NULL: asked for by id */
	size_t len;	   /* of name */
	size_t at;	   /* where its '@' is; len: it has none */
	uint32_t id;
	bool folded;			/* typed has upper case */
	char name[KEY_MAX_QUALIFIED];	/* typed, folded */
};

/*
 * False for what can be none of ours: it costs no question. The programs that ask
 * for "+@netgroup", a terminal's path or a system's id are many.
 */
bool key_by_name(struct key *k, const char *typed);
bool key_by_id(struct key *k, uint32_t id);

/* Either side of the '@' begins so. */
static inline bool key_begins(char c)
{
	return c != '-' && c != '.';
}

/* The same rule where it is known that the one '@' is behind the first len bytes, or, with len = n, that there is none. */
static inline bool key_parts(const char *p, size_t len, size_t n)
{
	size_t i = 0;

	if (len == 0 || len > KEY_MAX_NAME || n > KEY_MAX_QUALIFIED || !key_begins(*p))
		return false;
	if (len < n && (n == len + 1 || !key_begins(p[len + 1])))
		return false;
	while (i < len && p[i] >= '0' && p[i] <= '9')
		i++;
	return i < len;
}

/*
 * Whether n bytes, all of them such as names have or '@', are a name: the rest of the
 * rule of identity.ParseName.
 */
bool key_formed(const char *p, size_t n);

#endif
