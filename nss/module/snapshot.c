/*
 * Finds records in a mapped snapshot and copies them out. No call into the system,
 * no allocation, nothing written but to the caller's memory.
 *
 * A hit is proved by its record: the check covers where it lies and what it says.
 * An absence is proved by every line that was looked at. So a line's check is
 * computed only when a line had nothing.
 */
#include "snapshot.h"

#include "record.h"

enum {
	MAX_AHEAD = 3600, /* seconds; further was written by another clock */
};

enum found { ABSENT, DAMAGED, FOUND };

/* A search in a table: the offsets of records that may be meant, one by one. */
struct probe {
	const struct snapshot *s;
	const struct snapshot_section *t;
	uint64_t line, lines, seen;
	uint32_t tag;
	unsigned int matches;
	bool damaged;
};

static inline const uint8_t *probe_line(const struct probe *p)
{
	return p->s->base + p->t->offset + p->line * SNAPSHOT_LINE;
}

/* One bit for each pair with the tag. */
static inline unsigned int probe_tags(const struct probe *p)
{
	const uint8_t *l = probe_line(p) + 8;

#define TAG(i) (unsigned int)(hash_r32(l + 8 * i) == p->tag) << i
	return TAG(0) | TAG(1) | TAG(2) | TAG(3) | TAG(4) | TAG(5) | TAG(6);
#undef TAG
}

ALWAYS_INLINE void probe_begin(struct probe *p, const struct snapshot *s, const struct snapshot_section *t, uint64_t hash)
{
	p->s = s;
	p->t = t;
	p->lines = t->len / SNAPSHOT_LINE;
	p->line = (hash >> 32) * p->lines >> 32;
	p->tag = (uint32_t)hash;
	p->seen = 0;
	p->damaged = false;
	p->matches = p->lines > 0 ? probe_tags(p) : 0;
}

/* To the next line, if entries of this one live further on and all of it holds. */
static __attribute__((noinline)) bool probe_on(struct probe *p)
{
	if (p->lines == 0)
		return false; /* and its offset says nothing */
	const uint8_t *l = probe_line(p);
	uint32_t further = record_u32(l + 4);

	if (hash_r32(l) != record_check(p->s, p->t->offset + p->line * SNAPSHOT_LINE, l + 4, SNAPSHOT_LINE - 4)) {
		p->damaged = true;
		return false;
	}
	if (further == 0 || ++p->seen == p->lines)
		return false;
	if (++p->line == p->lines)
		p->line = 0;
	p->matches = probe_tags(p);
	return true;
}

ALWAYS_INLINE bool probe_next(struct probe *p, uint64_t *offset)
{
	for (;;) {
		while (p->matches != 0) {
			unsigned int i = (unsigned int)__builtin_ctz(p->matches);
			uint64_t o = (uint64_t)record_u32(probe_line(p) + 12 + 8 * i) * 8;

			p->matches &= p->matches - 1;
			if (o != 0) {
				*offset = o;
				return true;
			}
		}
		if (!probe_on(p))
			return false;
	}
}

ALWAYS_INLINE bool same(const uint8_t *p, size_t n, const struct key *k)
{
	return n == k->len && memcmp(p, k->name, n) == 0;
}

/* Whether the file can have what was typed, and which hash that has. */
ALWAYS_INLINE bool key_hash(const struct snapshot *s, const struct key *k, uint64_t *hash)
{
	if (k->typed == NULL) {
		*hash = hash_id(s->seed0, s->seed1, k->id);
		return true;
	}
	*hash = hash_bytes(s->seed0, s->seed1, (const uint8_t *)k->name, k->len);
	return !k->alias || key_alias(k, (s->flags & SNAPSHOT_ALIASES) != 0, s->realm, s->realm_len);
}

ALWAYS_INLINE enum found find_account(const struct snapshot *s, const struct key *k, struct account_record *a)
{
	struct probe p;
	uint64_t hash, offset;

	if (!key_hash(s, k, &hash))
		return ABSENT;
	probe_begin(&p, s, k->typed != NULL ? &s->account_names : &s->account_uids, hash);
	while (probe_next(&p, &offset)) {
		if (!record_account(s, offset, a))
			return DAMAGED;
		if (k->typed != NULL ? same(a->at + ACCOUNT_HEAD, a->h.name, k) : a->h.uid == k->id)
			return FOUND;
	}
	return p.damaged ? DAMAGED : ABSENT;
}

ALWAYS_INLINE enum found find_group(const struct snapshot *s, const struct key *k, struct group_record *g)
{
	struct probe p;
	uint64_t hash, offset;

	if (!key_hash(s, k, &hash))
		return ABSENT;
	probe_begin(&p, s, k->typed != NULL ? &s->group_names : &s->group_gids, hash);
	while (probe_next(&p, &offset)) {
		if (!record_group(s, offset, g))
			return DAMAGED;
		if (k->typed != NULL ? same(g->at + GROUP_HEAD, g->h.name, k) : g->h.gid == k->id)
			return FOUND;
	}
	return p.damaged ? DAMAGED : ABSENT;
}

/* What it means that a record is not there. */
static enum lookup_status missing(const struct snapshot_hold *h, enum found f)
{
	uint64_t until = snapshot_absent_until(h->s), now = snapshot_now();

	if (f == ABSENT && !h->outdated && now < until && until - now <= MAX_AHEAD)
		return LOOKUP_NOT_FOUND;
	return LOOKUP_UNAVAILABLE;
}

enum lookup_status snapshot_passwd(const struct snapshot_hold *h, const struct key *k, struct passwd *out, struct room *r)
{
	struct account_record a;
	enum found f = find_account(h->s, k, &a);

	return f == FOUND ? record_give_passwd(&a, out, r) : missing(h, f);
}

enum lookup_status snapshot_group(const struct snapshot_hold *h, const struct key *k, struct group *out, struct room *r)
{
	struct group_record g;
	struct account_record a;
	enum found f = find_group(h->s, k, &g), of;

	if (f == FOUND)
		return record_give_group(h->s, &g, out, r);
	of = find_account(h->s, k, &a);
	if (of == FOUND && record_has_own_group(&a))
		return record_give_own_group(&a, out, r);
	return missing(h, f == DAMAGED || of == DAMAGED ? DAMAGED : ABSENT);
}

bool snapshot_knows_gid(const struct snapshot_hold *h, uint32_t gid)
{
	struct group_record g;
	struct account_record a;
	struct key k;

	if (!key_by_id(&k, gid))
		return false;
	return find_account(h->s, &k, &a) == FOUND ? record_has_own_group(&a) || find_group(h->s, &k, &g) == FOUND
						   : find_group(h->s, &k, &g) == FOUND;
}

enum lookup_status snapshot_gids(const struct snapshot_hold *h, const struct key *k, struct lookup_gids *l)
{
	struct account_record a;
	enum found f = find_account(h->s, k, &a);

	if (f != FOUND)
		return missing(h, f);
	uint64_t at = (ACCOUNT_HEAD + a.texts + 3) & ~(size_t)3, n = (uint64_t)a.h.gids + a.h.locals;

	if (at > a.room || 4 * n > a.room - at || a.h.gids > MAX_GIDS ||
	    a.h.lists_check != record_check(h->s, a.offset + at, a.at + at, 4 * n))
		return LOOKUP_UNAVAILABLE;
	l->own = a.h.gid;
	l->gids = a.at + at;
	l->n = a.h.gids;
	l->local = l->gids + 4 * l->n;
	l->locals = a.h.locals;
	return LOOKUP_DONE;
}
