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
#include "wire.h"

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

	if (!record_holds(p->s, p->t->offset + p->line * SNAPSHOT_LINE, l + 4, SNAPSHOT_LINE - 4, hash_r32(l))) {
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

/* One name that may be meant, or an id. */
struct wanted {
	const char *name; /* NULL: the id */
	size_t len;
	uint32_t realm, id;
};

enum { ANY_REALM = UINT32_MAX };

ALWAYS_INLINE bool meant(const struct wanted *w, const uint8_t *name, size_t len, uint8_t realm, uint32_t id)
{
	if (w->name == NULL)
		return id == w->id;
	return len == w->len && memcmp(name, w->name, len) == 0 && (w->realm == ANY_REALM || w->realm == realm);
}

ALWAYS_INLINE uint64_t wanted_hash(const struct snapshot *s, const struct wanted *w)
{
	return w->name == NULL ? hash_id(s->seed0, s->seed1, w->id)
			       : hash_bytes(s->seed0, s->seed1, (const uint8_t *)w->name, w->len);
}

ALWAYS_INLINE enum found find_account(const struct snapshot *s, const struct wanted *w, struct account_record *a)
{
	struct probe p;
	uint64_t offset;

	probe_begin(&p, s, w->name != NULL ? &s->account_names : &s->account_uids, wanted_hash(s, w));
	while (probe_next(&p, &offset)) {
		if (!record_account(s, offset, a))
			return DAMAGED;
		if (meant(w, a->at + ACCOUNT_HEAD, a->h.name, a->h.realm, a->h.uid))
			return FOUND;
	}
	return p.damaged ? DAMAGED : ABSENT;
}

ALWAYS_INLINE enum found find_group(const struct snapshot *s, const struct wanted *w, struct group_record *g)
{
	struct probe p;
	uint64_t offset;

	probe_begin(&p, s, w->name != NULL ? &s->group_names : &s->group_gids, wanted_hash(s, w));
	while (probe_next(&p, &offset)) {
		if (!record_group(s, offset, g))
			return DAMAGED;
		if (meant(w, g->at + GROUP_HEAD, g->h.name, g->h.realm, g->h.gid))
			return FOUND;
	}
	return p.damaged ? DAMAGED : ABSENT;
}

/* What is looked for, and what was found: one kind of record or the other. */
struct search {
	struct account_record a;
	struct group_record g;
	bool own;   /* of groups: it is that of the account */
	bool alias; /* it was found under another spelling */
};

typedef enum found find_fn(const struct snapshot *s, const struct wanted *w, struct search *q);

ALWAYS_INLINE enum found any_account(const struct snapshot *s, const struct wanted *w, struct search *q)
{
	return find_account(s, w, &q->a);
}

ALWAYS_INLINE enum found any_group(const struct snapshot *s, const struct wanted *w, struct search *q)
{
	enum found f = find_group(s, w, &q->g), of;

	q->own = false;
	if (f == FOUND)
		return f;
	of = find_account(s, w, &q->a);
	q->own = of == FOUND && record_has_own_group(&q->a);
	if (q->own)
		return FOUND;
	return f == DAMAGED || of == DAMAGED ? DAMAGED : ABSENT;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Whether what was typed behind the '@' is this realm. */
static bool of_realm(const struct key *k, const struct snapshot_realm *r)
{
	if (r->len == 0 || k->len - k->at - 1 != r->len)
		return false;
	for (size_t i = 0; i < r->len; i++)
		if (k->name[k->at + 1 + i] != lower(r->name[i]))
			return false;
	return true;
}

/*
 * The other spellings of a name: without its realm, or with each that there is. Out
 * of line, for few who ask need it.
 */
static __attribute__((noinline)) enum found respelled(const struct snapshot *s, const struct key *k, uint8_t qualified,
						      find_fn *find, struct search *q)
{
	char name[KEY_MAX_NAME + 1 + SNAPSHOT_REALM];
	enum found f = ABSENT;

	q->alias = true;
	for (uint32_t i = 0; i < s->realms && f != FOUND; i++) {
		const struct snapshot_realm *r = &s->realm[i];
		struct wanted w = {.name = k->name, .len = k->at, .realm = i};
		bool has = (r->flags & qualified) != 0;

		if (k->at < k->len) {
			if (has || !of_realm(k, r))
				continue;
		} else {
			if (!has)
				continue;
			memcpy(name, k->name, k->len);
			name[k->len] = '@';
			for (size_t j = 0; j < r->len; j++)
				name[k->len + 1 + j] = lower(r->name[j]);
			w = (struct wanted){.name = name, .len = k->len + 1 + r->len, .realm = i};
		}
		enum found here = find(s, &w, q);

		f = here == ABSENT ? f : here;
	}
	return f;
}

enum { QUALIFIED_ACCOUNTS = 1, QUALIFIED_GROUPS = 2 };

ALWAYS_INLINE enum found look_up(const struct snapshot *s, const struct key *k, uint8_t qualified, find_fn *find,
				 struct search *q)
{
	struct wanted w = {.realm = ANY_REALM};
	bool aliases = (s->flags & SNAPSHOT_ALIASES) != 0;

	q->alias = false;
	if (k->typed == NULL) {
		w.id = k->id;
		return find(s, &w, q);
	}
	w.name = k->name;
	w.len = k->len;
	if (k->folded && !aliases)
		return ABSENT;
	q->alias = k->folded;
	enum found f = find(s, &w, q);

	if (f != ABSENT || !aliases)
		return f;
	return respelled(s, k, qualified, find, q);
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
	struct search q;
	enum found f = look_up(h->s, k, QUALIFIED_ACCOUNTS, any_account, &q);

	return f == FOUND ? record_give_passwd(&q.a, out, r) : missing(h, f);
}

enum lookup_status snapshot_group(const struct snapshot_hold *h, const struct key *k, struct group *out, struct room *r)
{
	struct search q;
	enum found f = look_up(h->s, k, QUALIFIED_GROUPS, any_group, &q);

	if (f != FOUND)
		return missing(h, f);
	return q.own ? record_give_own_group(&q.a, out, r) : record_give_group(h->s, &q.g, out, r);
}

bool snapshot_knows_gid(const struct snapshot_hold *h, uint32_t gid)
{
	const struct wanted w = {.id = gid};
	struct account_record a;
	struct group_record g;

	if (!wire_id_ok(gid))
		return false;
	if (find_account(h->s, &w, &a) == FOUND && record_has_own_group(&a))
		return true; /* the common case */
	return find_group(h->s, &w, &g) == FOUND;
}

enum lookup_status snapshot_gids(const struct snapshot_hold *h, const struct key *k, struct lookup_gids *l)
{
	struct search q;
	enum found f = look_up(h->s, k, QUALIFIED_ACCOUNTS, any_account, &q);
	const struct account_record *a = &q.a;

	if (f != FOUND)
		return missing(h, f);
	uint64_t at = (ACCOUNT_HEAD + a->texts + 3) & ~(size_t)3, n = (uint64_t)a->h.gids + a->h.locals;

	if (at > a->room || 4 * n > a->room - at || a->h.gids > MAX_GIDS ||
	    !record_holds(h->s, a->offset + at, a->at + at, 4 * n, a->h.lists_check))
		return LOOKUP_UNAVAILABLE;
	l->own = a->h.gid;
	l->gids = a->at + at;
	l->n = a->h.gids;
	l->local = l->gids + 4 * l->n;
	l->locals = a->h.locals;
	l->alias = q.alias;
	return LOOKUP_DONE;
}
