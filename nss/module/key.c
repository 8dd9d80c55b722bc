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

bool key_formed(const char *p, size_t n)
{
	const char *at = memchr(p, '@', n);
	size_t len = at == NULL ? n : (size_t)(at - p);

	return (at == NULL || memchr(at + 1, '@', n - len - 1) == NULL) && key_parts(p, len, n);
}

/* Folds what follows the '@', up to the end. */
static bool realm(struct key *k, const char *typed, unsigned char *differs)
{
	size_t n = k->at + 1;

	k->name[k->at] = '@';
	if (!key_begins(typed[n]))
		return false;
	for (; typed[n] != '\0'; n++) {
		unsigned char c = (unsigned char)typed[n], f = folded[c];

		if (f == 0 || n == KEY_MAX_QUALIFIED)
			return false;
		k->name[n] = (char)f;
		*differs |= c ^ f;
	}
	k->len = n;
	return n > k->at + 1;
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
	if (n == 0 || digits || !key_begins(typed[0]))
		return false;
	k->typed = typed;
	k->len = k->at = n;
	k->id = 0;
	if (typed[n] != '\0' && (typed[n] != '@' || !realm(k, typed, &differs)))
		return false;
	k->folded = differs != 0;
	return true;
}

bool key_by_id(struct key *k, uint32_t id)
{
	k->typed = NULL;
	k->id = id;
	return wire_id_ok(id);
}
