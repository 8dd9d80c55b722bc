/*
 * The records of a snapshot: read out of the mapping, held against their checks,
 * and copied into a caller's buffer. For snapshot.c and snapshot_walk.c only.
 */
#ifndef SALLYPORT_RECORD_H
#define SALLYPORT_RECORD_H

#include "fill.h"
#include "snapshot.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
	ACCOUNT_HEAD = 28,
	GROUP_HEAD = 24,
	OWN_GROUP = 1, /* flag of an account */
	MAX_GIDS = 4095,
};

struct account_head {
	uint32_t check, lists_check, uid, gid;
	uint16_t full_name, home, shell, gids;
	uint8_t name, locals, flags, zero;
};

struct group_head {
	uint32_t check, members_check, gid, count, bytes;
	uint8_t name, zero[3];
};

_Static_assert(sizeof(struct account_head) == ACCOUNT_HEAD, "as it lies in the file");
_Static_assert(sizeof(struct group_head) == GROUP_HEAD, "as it lies in the file");

/* A record whose head and texts hold, and where it lies. */
struct account_record {
	const uint8_t *at;
	uint64_t offset, room; /* room: bytes from the record to the end of its section */
	size_t texts;
	struct account_head h;
};

struct group_record {
	const uint8_t *at;
	uint64_t offset, room;
	struct group_head h;
};

/* What was copied out of the mapping is never read from there again. */
#define COPIED() __asm__ volatile("" ::: "memory")

static inline uint32_t record_check(const struct snapshot *s, uint64_t offset, const void *p, size_t n)
{
	return (uint32_t)hash_bytes(s->seed0 + offset, s->seed1, p, n);
}

static inline bool within(const struct snapshot_section *s, uint64_t offset, uint64_t n, uint64_t *room)
{
	if (offset < s->offset || offset - s->offset > s->len)
		return false;
	*room = s->len - (offset - s->offset);
	return n <= *room;
}

ALWAYS_INLINE bool record_account(const struct snapshot *s, uint64_t offset, struct account_record *a)
{
	if (!within(&s->accounts, offset, ACCOUNT_HEAD, &a->room))
		return false;
	a->at = s->base + offset;
	a->offset = offset;
	memcpy(&a->h, a->at, ACCOUNT_HEAD);
	COPIED();
	a->texts = (size_t)a->h.name + a->h.full_name + a->h.home + a->h.shell + 6;
	if (a->h.name == 0 || ACCOUNT_HEAD + a->texts > a->room)
		return false;
	return a->h.check == record_check(s, offset, a->at + 4, ACCOUNT_HEAD - 4 + a->texts);
}

ALWAYS_INLINE bool record_group(const struct snapshot *s, uint64_t offset, struct group_record *g)
{
	if (!within(&s->groups, offset, GROUP_HEAD, &g->room))
		return false;
	g->at = s->base + offset;
	g->offset = offset;
	memcpy(&g->h, g->at, GROUP_HEAD);
	COPIED();
	if (g->h.name == 0 || GROUP_HEAD + (uint64_t)g->h.name + 3 > g->room)
		return false;
	return g->h.check == record_check(s, offset, g->at + 4, GROUP_HEAD - 4 + (size_t)g->h.name + 3);
}

static inline bool record_has_own_group(const struct account_record *a)
{
	return (a->h.flags & OWN_GROUP) != 0 && a->h.uid == a->h.gid;
}

/* How far it is to the next record. */
static inline uint64_t account_size(const struct account_record *a)
{
	uint64_t lists = (ACCOUNT_HEAD + a->texts + 3) & ~(uint64_t)3;

	return (lists + 4 * ((uint64_t)a->h.gids + a->h.locals) + 7) & ~(uint64_t)7;
}

static inline uint64_t group_members(const struct group_record *g)
{
	return GROUP_HEAD + (((uint64_t)g->h.name + 3 + 7) & ~(uint64_t)7);
}

static inline uint64_t group_size(const struct group_record *g)
{
	return (group_members(g) + g->h.bytes + 7) & ~(uint64_t)7;
}

/* LOOKUP_DONE, LOOKUP_TOO_SMALL, or LOOKUP_REFUSED when it may not enter a program. */
enum lookup_status record_give_passwd(const struct account_record *a, struct passwd *out, struct room *r);
enum lookup_status record_give_group(const struct snapshot *s, const struct group_record *g, struct group *out,
				     struct room *r);
enum lookup_status record_give_own_group(const struct account_record *a, struct group *out, struct room *r);

#endif
