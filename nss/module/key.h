/* What is looked for: a name as somebody typed it, or an id. */
#ifndef SALLYPORT_KEY_H
#define SALLYPORT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEY_MAX_NAME = 64,   /* identity.MaxNameLen */
	KEY_MAX_REALM = 255, /* what may follow an '@' */
};

struct key {
	const char *typed; /* NULL: asked for by id */
	const char *realm; /* what follows the '@' in typed; NULL: nothing does */
	size_t len;
	uint32_t id;
	bool alias;		 /* typed has upper case or a realm */
	char name[KEY_MAX_NAME]; /* typed, folded, without the realm */
};

/*
 * False for what can be none of ours: it costs no question. The programs that ask
 * for "+@netgroup", a terminal's path or a system's id are many.
 */
bool key_by_name(struct key *k, const char *typed);
bool key_by_id(struct key *k, uint32_t id);

/*
 * Whether a directory in which other spellings find an account, or do not, would
 * take an alias for the name: its realm must be that of the directory.
 */
bool key_alias(const struct key *k, bool allowed, const char *realm, size_t len);

#endif
