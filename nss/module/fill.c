#include "fill.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "key.h"
#include "wire.h"

/* Sixteen bytes at a time, with the compiler's own vectors. */
typedef uint8_t block __attribute__((vector_size(16)));

enum { BLOCK = sizeof(block) };

static const block position = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static inline block load(const char *p)
{
	block b;

	memcpy(&b, p, sizeof b);
	return b;
}

static inline bool any(block b)
{
	uint64_t w[2];

	memcpy(w, &b, sizeof w);
	return (w[0] | w[1]) != 0;
}

/* One bit for each byte that is not zero: each of them is 0xff. */
static inline uint64_t bits(block b)
{
#ifdef __SSE2__
	return (uint64_t)(uint32_t)_mm_movemask_epi8((__m128i)b);
#else
	const uint64_t one = UINT64_C(0x8040201008040201), all = UINT64_C(0x0101010101010101);
	uint64_t w[2];

	memcpy(w, &b, sizeof w);
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	w[0] = __builtin_bswap64(w[0]);
	w[1] = __builtin_bswap64(w[1]);
#endif
	return (w[0] & one) * all >> 56 | (w[1] & one) * all >> 56 << 8;
#endif
}

/* The sum of sixteen bytes. */
static inline size_t add(block b)
{
	const uint64_t even = UINT64_C(0x00ff00ff00ff00ff);
	uint64_t w[2];

	memcpy(w, &b, sizeof w);
	return (((w[0] & even) + (w[0] >> 8 & even) + (w[1] & even) + (w[1] >> 8 & even)) * UINT64_C(0x0001000100010001)) >> 48;
}

/* What would break a line of passwd(5), or a terminal; NUL is counted apart. */
static inline block evil(block b)
{
	return (block)((block)(b - 1) < 0x1f) | (block)(b == ':') | (block)(b == 0x7f);
}

/* What no name has, NUL but for its end. */
static inline block unnamable(block b)
{
	return ~((block)(b - 'a' < 26) | (block)(b - '0' < 10) | (block)(b == '_') | (block)(b == '-') |
		 (block)(b == '.') | (block)(b == '@') | (block)(b == 0));
}

/*
 * The last block of n bytes, n at least BLOCK, holds bytes that the one before had
 * too: this leaves those out.
 */
static inline block fresh(size_t n)
{
	return (block)(position >= (uint8_t)((BLOCK - n % BLOCK) % BLOCK));
}

static inline void store(char *p, block b)
{
	memcpy(p, &b, sizeof b);
}

/*
 * Copies n bytes of texts, which may be copied onto themselves; true if nothing is
 * evil in them but so many NULs. What is checked is what is stored, and not read
 * from the source again.
 */
static inline bool copy_texts(char *to, const char *from, size_t n, size_t nuls)
{
	size_t have = 0, i = 0;
	block bad = {0}, b;

	if (n < BLOCK) {
		for (; i < n; i++) {
			to[i] = from[i];
			if ((unsigned char)to[i] >= 0x20 && to[i] != ':' && to[i] != 0x7f)
				continue;
			if (to[i] != '\0')
				return false;
			have++;
		}
		return have == nuls;
	}
	while (i + BLOCK < n) {
		size_t stop = n - i > 128 * BLOCK ? i + 128 * BLOCK : n; /* no byte of the sum can overflow */
		block sum = {0};

		for (; i + BLOCK < stop; i += BLOCK) {
			b = load(from + i);
			bad |= evil(b);
			sum -= (block)(b == 0);
			store(to + i, b);
		}
		have += add(sum);
	}
	b = load(from + n - BLOCK);
	bad |= evil(b);
	store(to + n - BLOCK, b);
	return !any(bad) && have + add(-((block)(b == 0) & fresh(n))) == nuls;
}

/* What bytes are that should be those of names, and the NULs behind them. */
enum namable { NEVER, SHORT, QUALIFIED /* there is an '@' */ };

static inline enum namable judged(block bad, block at)
{
	if (any(bad))
		return NEVER;
	return any(at) ? QUALIFIED : SHORT;
}

/* The first n of at least BLOCK bytes. */
static inline enum namable namable_start(const char *p, size_t n)
{
	block b = load(p), first = (block)(position < (uint8_t)n);

	return judged(unnamable(b) & first, (block)(b == '@') & first);
}

static inline enum namable namable(const char *p, size_t n)
{
	block bad = {0}, at = {0}, b;
	size_t i = 0;

	if (n < BLOCK) {
		char padded[BLOCK] = {0};

		memcpy(padded, p, n);
		b = load(padded);
		return judged(unnamable(b), (block)(b == '@'));
	}
	for (; i + BLOCK < n; i += BLOCK) {
		b = load(p + i);
		bad |= unnamable(b);
		at |= (block)(b == '@');
	}
	b = load(p + n - BLOCK);
	return judged(bad | unnamable(b), at | (block)(b == '@'));
}

/* Whether n bytes of that judgement, none of them NUL, are a name. */
static inline bool name_formed(const char *p, size_t n, enum namable is)
{
	if (is == QUALIFIED)
		return key_formed(p, n);
	return is != NEVER && key_parts(p, n, n);
}

bool fill_passwd(const struct fill_passwd *p, struct passwd *out, char *texts, const char *from)
{
	char *x = texts + p->name + 1, *full_name = x + 2, *home = full_name + p->full_name + 1;
	char *shell = home + p->home + 1, *end = shell + p->shell;

	/* Five NULs, all where they belong: then there is no other. */
	if (!copy_texts(texts, from, (size_t)(end + 1 - texts), 5) || (x[-1] | x[1] | home[-1] | shell[-1] | *end) != 0)
		return false;
	/*
	 * "x", and never "*" or "!": it says that the password is in shadow(5), where
	 * this account has no entry, so pam_unix cannot decide about it. Of any other
	 * account without an entry its account check says that it is in good standing,
	 * and the stack asks it when we cannot decide.
	 */
	if (*x != 'x' || *home != '/' || *shell != '/')
		return false;
	enum namable is = p->name < BLOCK && end - texts >= BLOCK ? namable_start(texts, p->name) : namable(texts, p->name);

	if (!name_formed(texts, p->name, is) || !wire_id_ok(p->uid) || !wire_id_ok(p->gid))
		return false;
	out->pw_name = texts;
	out->pw_passwd = x;
	out->pw_uid = p->uid;
	out->pw_gid = p->gid;
	out->pw_gecos = full_name;
	out->pw_dir = home;
	out->pw_shell = shell;
	return true;
}

/* A list of names that is being read, and where the next of them begins. */
struct names {
	char *start, *at; /* at: its '@', NULL before there is one */
	char **list;
	size_t n, count;
};

/* The common case of names_in: there is no '@'. */
static inline bool short_names_in(struct names *l, char *bytes, uint64_t nul)
{
	char *start = l->start, **list = l->list + l->n, **end = l->list + l->count;

	for (; nul != 0; nul &= nul - 1) {
		char *p = bytes + __builtin_ctzll(nul);
		size_t n = (size_t)(p - start);
		bool plain = n - 1 < KEY_MAX_NAME && (unsigned char)(*start - 'a') < 26;

		if (list == end || (!plain && !key_parts(start, n, n)))
			return false;
		*list++ = start;
		start = p + 1;
	}
	l->start = start;
	l->n = (size_t)(list - l->list);
	return true;
}

/* What ends names, and what parts them, among 64 bytes. */
static inline bool names_in(struct names *l, char *bytes, uint64_t nul, uint64_t at)
{
	if (at == 0 && l->at == NULL)
		return short_names_in(l, bytes, nul);
	for (uint64_t marks = nul | at; marks != 0; marks &= marks - 1) {
		char *p = bytes + __builtin_ctzll(marks);

		if ((at & marks & -marks) != 0) {
			if (l->at != NULL)
				return false;
			l->at = p;
			continue;
		}
		size_t n = (size_t)(p - l->start), len = l->at == NULL ? n : (size_t)(l->at - l->start);

		if (l->n == l->count || !key_parts(l->start, len, n))
			return false;
		l->list[l->n++] = l->start;
		l->start = p + 1;
		l->at = NULL;
	}
	return true;
}

/*
 * Copies n bytes, which may be copied onto themselves, and points at the names in them,
 * all in one pass; false unless they are so many names as said, each ended by NUL. What is
 * checked is what is stored.
 */
static bool copy_names(char *to, const char *from, size_t n, char **list, size_t count)
{
	struct names l = {.start = to, .list = list, .count = count};
	block bad = {0}, b;
	size_t i = 0;

	for (; n - i >= 4 * BLOCK; i += 4 * BLOCK) {
		uint64_t nul = 0, at = 0;

#pragma GCC unroll 4
		for (size_t j = 0; j < 4; j++) {
			b = load(from + i + j * BLOCK);
			store(to + i + j * BLOCK, b);
			bad |= unnamable(b);
			nul |= bits((block)(b == 0)) << j * BLOCK;
			at |= bits((block)(b == '@')) << j * BLOCK;
		}
		if (!names_in(&l, to + i, nul, at))
			return false;
	}
	for (size_t k; i < n; i += k) {
		char padded[BLOCK] = {0};

		k = n - i < BLOCK ? n - i : BLOCK;
		memcpy(padded, from + i, k);
		memcpy(to + i, padded, k);
		b = load(padded);
		bad |= unnamable(b);
		if (!names_in(&l, to + i, bits((block)(b == 0)) & ((UINT64_C(1) << k) - 1), bits((block)(b == '@'))))
			return false;
	}
	l.list[l.n] = NULL;
	return !any(bad) && l.n == count && l.start == to + n;
}

bool fill_group(const struct fill_group *g, struct group *out, char *texts, const char *members)
{
	char **list = (char **)(void *)(texts - (g->count + 1) * sizeof(char *));
	char *x = texts + g->name + 1;

	if (!wire_id_ok(g->gid) || memchr(texts, '\0', g->name) != NULL || x[-1] != '\0' || *x != 'x' || x[1] != '\0')
		return false;
	if (!name_formed(texts, g->name, namable(texts, g->name)) || !copy_names(x + 2, members, g->bytes, list, g->count))
		return false;
	out->gr_name = texts;
	out->gr_passwd = x;
	out->gr_gid = g->gid;
	out->gr_mem = list;
	return true;
}
