#include "key.h"

#include <string.h>

#include "wire.h"

#define LETTER(c) [c] = c, [c - 32] = c
#define ITSELF(c) [c] = c

/* What a byte of a name folds to; 0: it ends the name. The rule of identity.ParseName. */
static const unsigned char folded[256] = {
	LETTER('a'), LETTER('b'), LETTER('c'), LETTER('d'), LETTER('e'), LETTER('f'), LETTER('g'), LETTER('h'),
	LETTER('i'), LETTER('j'), LETTER('k'), LETTER('l'), LETTER('m'), LETTER('n'), LETTER('o'), LETTER('p'),
	LETTER('q'), LETTER('r'), LETTER('s'), LETTER('t'), LETTER('u'), LETTER('v'), LETTER('w'), LETTER('x'),
	LETTER('y'), LETTER('z'), ITSELF('0'), ITSELF('1'), ITSELF('2'), ITSELF('3'), ITSELF('4'), ITSELF('5'),
	ITSELF('6'), ITSELF('7'), ITSELF('8'), ITSELF('9'), ITSELF('_'), ITSELF('-'), ITSELF('.'),
};

static bool realm_possible(const char *s)
{
	size_t n = 0;

	while (n <= KEY_MAX_REALM && folded[(unsigned char)s[n]] != 0)
		n++;
	return n > 0 && n <= KEY_MAX_REALM && s[n] == '\0';
}

bool key_by_name(struct key *k, const char *typed)
{
	unsigned char differs = 0;
	bool digits = true;
	size_t n = 0;

	for (;; n++) {
		unsigned char c = (unsigned char)typed[n], f = folded[c];

		if (f == 0)
			break;
		if (n == KEY_MAX_NAME)
			return false;
		k->name[n] = (char)f;
		differs |= c ^ f;
		digits &= f >= '0' && f <= '9';
	}
	if (n == 0 || digits || typed[0] == '-' || typed[0] == '.')
		return false;
	k->typed = typed;
	k->realm = NULL;
	k->len = n;
	k->id = 0;
	k->alias = differs != 0;
	if (typed[n] == '\0')
		return true;
	k->realm = typed + n + 1;
	k->alias = true;
	return typed[n] == '@' && realm_possible(k->realm);
}

bool key_by_id(struct key *k, uint32_t id)
{
	k->typed = NULL;
	k->id = id;
	return wire_id_ok(id);
}

static unsigned char lower(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

bool key_alias(const struct key *k, bool allowed, const char *realm, size_t len)
{
	if (!allowed)
		return false;
	if (k->realm == NULL)
		return true;
	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (k->realm[i] == '\0' || lower(k->realm[i]) != lower(realm[i]))
			return false;
	return k->realm[len] == '\0';
}
