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

/* What a record's head says; copied field by field, never to be read again. */
struct account_head {
	uint32_t check, lists_check, uid, gid;
	uint16_t full_name, home, shell, gids;
	uint8_t name, locals, flags, realm;
};

struct group_head {
	uint32_t check, members_check, gid, count, bytes;
	uint8_t name, realm;
};

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

/*
 * What was copied out of the mapping is never read from there again: the compiler
 * may not do so either, where it would save a register.
 */
#define COPIED() __asm__ volatile("" ::: "memory")

static inline uint32_t record_u32(const uint8_t *p)
{
	uint32_t v = hash_r32(p);

	__asm__("" : "+r"(v));
	return v;
}

/* Parts of four bytes in the machine's own order. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST16(v) ((uint16_t)(v))
#define SECOND16(v) ((uint16_t)((v) >> 16))
#define BYTE(v, i) ((uint8_t)((v) >> 8 * (i)))
#else
#define FIRST16(v) ((uint16_t)((v) >> 16))
#define SECOND16(v) ((uint16_t)(v))
#define BYTE(v, i) ((uint8_t)((v) >> 8 * (3 - (i))))
#endif

/* A function of its own: within a larger one its loop would be short of registers. */
uint32_t record_check(const struct snapshot *s, uint64_t offset, const void *p, size_t n);

/* Computes the check, and notes that it was right. */
bool record_prove(const struct snapshot *s, uint64_t offset, const void *p, size_t n, uint32_t check);

/*
 * Whether n bytes are what they were written as. It is computed once for a mapping: a
 * file is not changed once it is published, and who may write it could compute a check
 * as well. What keeps a program safe, bounds and characters, is looked at each time.
 */
static inline bool record_holds(const struct snapshot *s, uint64_t offset, const void *p, size_t n, uint32_t check)
{
	if (s->proved != NULL &&
	    (atomic_load_explicit(&s->proved[offset / 512], memory_order_relaxed) >> offset / 8 % 64 & 1) != 0)
		return true;
	return record_prove(s, offset, p, n, check);
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
	a->h.check = record_u32(a->at);
	a->h.lists_check = record_u32(a->at + 4);
	a->h.uid = record_u32(a->at + 8);
	a->h.gid = record_u32(a->at + 12);
	uint32_t names = record_u32(a->at + 16), shell = record_u32(a->at + 20), rest = record_u32(a->at + 24);

	a->h.full_name = FIRST16(names);
	a->h.home = SECOND16(names);
	a->h.shell = FIRST16(shell);
	a->h.gids = SECOND16(shell);
	a->h.name = BYTE(rest, 0);
	a->h.locals = BYTE(rest, 1);
	a->h.flags = BYTE(rest, 2);
	a->h.realm = BYTE(rest, 3);
	a->texts = (size_t)a->h.name + a->h.full_name + a->h.home + a->h.shell + 6;
	if (a->h.name == 0 || ACCOUNT_HEAD + a->texts > a->room)
		return false;
	return record_holds(s, offset, a->at + 4, ACCOUNT_HEAD - 4 + a->texts, a->h.check);
}

ALWAYS_INLINE bool record_group(const struct snapshot *s, uint64_t offset, struct group_record *g)
{
	if (!within(&s->groups, offset, GROUP_HEAD, &g->room))
		return false;
	g->at = s->base + offset;
	g->offset = offset;
	g->h.check = record_u32(g->at);
	g->h.members_check = record_u32(g->at + 4);
	g->h.gid = record_u32(g->at + 8);
	g->h.count = record_u32(g->at + 12);
	g->h.bytes = record_u32(g->at + 16);
	uint32_t rest = record_u32(g->at + 20);

	g->h.name = BYTE(rest, 0);
	g->h.realm = BYTE(rest, 1);
	if (g->h.name == 0 || GROUP_HEAD + (uint64_t)g->h.name + 3 > g->room)
		return false;
	return record_holds(s, offset, g->at + 4, GROUP_HEAD - 4 + (size_t)g->h.name + 3, g->h.check);
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
