/*
 * The directory snapshot: a file that sallyportd publishes and every process maps.
 * nss/snapshot/doc.go describes it, byte by byte.
 *
 * Whoever may write that file is not trusted with more than names. So a number is
 * copied out of the mapping before it is checked, and only the copy is used; every
 * offset is held against its section; and texts are checked where they were copied
 * to. What does not hold is LOOKUP_UNAVAILABLE: the daemon is asked instead.
 */
#ifndef SALLYPORT_SNAPSHOT_H
#define SALLYPORT_SNAPSHOT_H

#include <stdatomic.h>
#include <time.h>

#include "hash.h"
#include "key.h"
#include "lookup.h"

enum {
	SNAPSHOT_LINE = 64,
	SNAPSHOT_PAIRS = 7,
	SNAPSHOT_ALIASES = 1, /* flag: other spellings find accounts and groups too */
	SNAPSHOT_REALMS = 8,  /* identity.MaxRealms */
	SNAPSHOT_REALM = 90,  /* identity.MaxRealmLen */
};

/* A part of the file, whose bounds were held against the file's size. */
struct snapshot_section {
	uint64_t offset, len;
};

/* A realm that accounts and groups are of. */
struct snapshot_realm {
	uint8_t flags; /* whose names are name@realm: 1 = its accounts, 2 = its groups */
	uint8_t len;
	char name[SNAPSHOT_REALM];
};

/* A mapped file, and what its header said when that was checked. */
struct snapshot {
	const uint8_t *base;
	uint64_t size, seed0, seed1, written;
	struct snapshot_section account_names, account_uids, group_names, group_gids, accounts, groups;
	uint64_t device, inode;
	uint32_t flags, realms;
	struct snapshot_realm realm[SNAPSHOT_REALMS];
	_Atomic uint64_t *proved; /* a bit for each 8 bytes at which something begins whose check was right; NULL: all are computed */
};

/* Maps the file at path. False, errno lost: there is none that may be used. */
bool snapshot_map(struct snapshot *s, const struct snapshot *but_not);
void snapshot_unmap(const struct snapshot *s);

/* Gives a mapping that many lookups will use the memory to note which checks were right. */
void snapshot_keep(struct snapshot *s);

/* The three words of the header that change while a file is in use. */
static inline bool snapshot_superseded(const struct snapshot *s)
{
	return __atomic_load_n((const uint32_t *)(const void *)(s->base + 16), __ATOMIC_ACQUIRE) != 0;
}

static inline uint64_t snapshot_absent_until(const struct snapshot *s)
{
	return __atomic_load_n((const uint64_t *)(const void *)(s->base + 24), __ATOMIC_RELAXED);
}

static inline uint64_t snapshot_valid_until(const struct snapshot *s)
{
	return __atomic_load_n((const uint64_t *)(const void *)(s->base + 32), __ATOMIC_RELAXED);
}

/* A second that does not come, as "valid until" has it. */
#define SNAPSHOT_NEVER (UINT64_MAX >> 1)

/* Unix time, from the vDSO: a system call only where there is none. */
static inline uint64_t snapshot_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (uint64_t)t.tv_sec;
}

/*
 * A snapshot while it is being read. It stays mapped until it is let go, which
 * has to be in the same call from glibc.
 */
struct snapshot_hold {
	const struct snapshot *s;
	_Atomic uint32_t *count; /* NULL: it is own, mapped for this one lookup */
	bool outdated;		 /* a newer one is in place and cannot be mapped: absence proves nothing */
	struct snapshot own;
};

/* False: there is none, or it is too old to answer anything. errno is untouched. */
bool snapshot_hold(struct snapshot_hold *h);
void snapshot_release(struct snapshot_hold *h);

/*
 * The answers. LOOKUP_NOT_FOUND only while the file has authority to say so;
 * LOOKUP_UNAVAILABLE: somebody else has to be asked.
 */
enum lookup_status snapshot_passwd(const struct snapshot_hold *h, const struct key *k, struct passwd *out, struct room *r);
enum lookup_status snapshot_group(const struct snapshot_hold *h, const struct key *k, struct group *out, struct room *r);
enum lookup_status snapshot_gids(const struct snapshot_hold *h, const struct key *k, struct lookup_gids *g);
bool snapshot_knows_gid(const struct snapshot_hold *h, uint32_t gid);

/*
 * The next record, in the file of now: when that is another than at the last step,
 * the walk goes on behind the last id. LOOKUP_NOT_FOUND at the end.
 */
enum lookup_status snapshot_next_passwd(const struct snapshot_hold *h, struct snapshot_walk *w, struct passwd *out, struct room *r);
enum lookup_status snapshot_next_group(const struct snapshot_hold *h, struct snapshot_walk *w, struct group *out, struct room *r);

#endif
