/*
 * The life of mapped snapshots within a process.
 *
 * A few slots hold what is mapped; one of them is current. Who reads counts itself
 * in at the slot, and then looks whether it is still the current one: if so, nobody
 * unmaps it before it has counted itself out. Counters lie apart, chosen by thread,
 * so that threads do not wait for each other's cache lines. There is no lock.
 *
 *	state    whose it is
 *	FREE     nobody's; nothing mapped; counters 0
 *	CLAIMED  one thread's, which fills or empties it
 *	LIVE     the current one, or just about to be
 *	RETIRED  a newer one took its place; unmapped as soon as all counters are 0
 *
 * A slot is looked through for that when another is retired. A thread that never
 * counts itself out, because it was in the middle of a lookup when another forked,
 * costs the child that one slot. When no slot is left, each lookup maps the file
 * for itself.
 *
 * Nothing is undone at the end. The library is linked to stay where it was loaded
 * (-z nodelete): dlclose cannot take it from under a thread, and what is mapped is
 * there for the next dlopen. A destructor would also run at exit, while other
 * threads go on, and its munmap may be what a filter for system calls forbids.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "snapshot.h"
#include "socket.h"


enum { SLOTS = 8, SHARDS = 32, SHARD_BITS = 5 };

enum state { FREE, CLAIMED, LIVE, RETIRED };

struct shard {
	_Alignas(128) _Atomic uint32_t readers; /* lines are fetched in pairs */
};

struct slot {
	struct snapshot s;
	struct shard shards[SHARDS];
};

/*
 * States lie together and apart from the slots, so that looking through them
 * touches no page of a slot that is not used.
 */
static struct slot slots[SLOTS];
static _Atomic int states[SLOTS];
static struct slot *_Atomic current;

/* Threads' descriptors lie at regular distances: this spreads them. */
static inline size_t shard_of_thread(void)
{
	return (size_t)((uint64_t)(uintptr_t)pthread_self() * HASH_K0 >> (64 - SHARD_BITS));
}

static bool busy(struct slot *t)
{
	for (size_t i = 0; i < SHARDS; i++)
		if (atomic_load(&t->shards[i].readers) != 0)
			return true;
	return false;
}

/* Unmaps what was retired and is read by nobody any more. */
static void sweep(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		int retired = RETIRED;

		if (!atomic_compare_exchange_strong(&states[i], &retired, CLAIMED))
			continue;
		if (busy(&slots[i])) {
			atomic_store(&states[i], RETIRED);
			continue;
		}
		snapshot_unmap(&slots[i].s);
		atomic_store(&states[i], FREE);
	}
}

static struct slot *claim(void)
{
	sweep();
	for (size_t i = 0; i < SLOTS; i++) {
		int none = FREE;

		if (atomic_compare_exchange_strong(&states[i], &none, CLAIMED))
			return &slots[i];
	}
	return NULL;
}

/* Counts this thread in at the current slot; NULL when there is none. */
static inline struct slot *enter(size_t shard)
{
	for (;;) {
		struct slot *t = atomic_load_explicit(&current, memory_order_acquire);

		if (t == NULL)
			return NULL;
		atomic_fetch_add(&t->shards[shard].readers, 1);
		if (__builtin_expect(atomic_load(&current) == t, 1))
			return t;
		atomic_fetch_sub(&t->shards[shard].readers, 1);
	}
}

static inline void leave(struct slot *t, size_t shard)
{
	atomic_fetch_sub_explicit(&t->shards[shard].readers, 1, memory_order_release);
}

/*
 * Maps the file anew, in place of the slot that this thread is counted in at, which
 * may be NULL. The slot that it is counted in at afterwards; NULL: in h->own; and
 * false: what there was has to do.
 */
static bool renew(struct snapshot_hold *h, struct slot *old, size_t shard, struct slot **now)
{
	if (!snapshot_map(&h->own, old != NULL ? &old->s : NULL))
		return false;
	struct slot *t = claim();

	if (t == NULL) {
		if (old != NULL)
			leave(old, shard);
		*now = NULL;
		return true;
	}
	t->s = h->own;
	snapshot_keep(&t->s);
	atomic_fetch_add(&t->shards[shard].readers, 1);
	atomic_store(&states[t - slots], LIVE);
	struct slot *expected = old;

	if (!atomic_compare_exchange_strong(&current, &expected, t)) {
		/* Another thread was first: its mapping serves, this one goes. */
		leave(t, shard);
		atomic_store(&states[t - slots], RETIRED);
		t = enter(shard);
		if (t == NULL)
			return false;
	} else if (old != NULL) {
		atomic_store(&states[old - slots], RETIRED);
	}
	if (old != NULL)
		leave(old, shard);
	sweep();
	*now = t;
	return true;
}

/* The slow part of snapshot_hold: the first lookup, or a newer file. */
static __attribute__((noinline)) struct slot *refresh(struct snapshot_hold *h, struct slot *t, size_t shard)
{
	struct slot *now;
	int e = errno;

	h->outdated = true;
	h->s = NULL;
	if (renew(h, t, shard, &now)) {
		h->s = now != NULL ? &now->s : &h->own;
		h->outdated = false;
		t = now;
	} else if (t != NULL) {
		h->s = &t->s;
	}
	errno = e;
	return t;
}

bool snapshot_hold(struct snapshot_hold *h)
{
	size_t shard = shard_of_thread();
	struct slot *t = enter(shard);

	if (__builtin_expect(t == NULL || snapshot_superseded(&t->s), 0)) {
		t = refresh(h, t, shard);
		if (h->s == NULL)
			return false;
	} else {
		h->s = &t->s;
		h->outdated = false;
	}
	h->count = t != NULL ? &t->shards[shard].readers : NULL;
	uint64_t until = snapshot_valid_until(h->s);

	if (until >= SNAPSHOT_NEVER || snapshot_now() < until)
		return true;
	snapshot_release(h);
	return false;
}

void snapshot_release(struct snapshot_hold *h)
{
	if (h->count != NULL) {
		atomic_fetch_sub_explicit(h->count, 1, memory_order_release);
		return;
	}
	int e = errno;

	snapshot_unmap(h->s);
	errno = e;
}
