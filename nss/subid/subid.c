/*
 * libsubid_sallyport.so: subordinate ids for rootless containers, for
 * "subid: sallyport" in nsswitch.conf(5).
 *
 * nsswitch.conf takes one service for subid and libsubid then no longer reads
 * subuid(5) and subgid(5) itself. So this plugin does: whoever has a line there
 * has what stands there, exactly as without us, and nothing of ours. For people
 * of the realm the directory snapshot is asked, and the daemon only for somebody
 * who has no range in it yet.
 *
 * It runs within newuidmap(1), which is setuid root, so it promises: nothing is
 * taken from the environment; a range of ours is 65536 ids between 65536 and 2^31,
 * and never one that a line of the files overlaps, whatever the snapshot or the
 * daemon says; a local account gets nothing but its lines; every fault is a
 * refusal. No state survives a call, and no descriptor.
 */
#include "subid.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "local.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT enum subid_status shadow_subid_has_range(const char *owner, unsigned long start, unsigned long count,
						enum subid_type type, bool *result);
EXPORT enum subid_status shadow_subid_list_owner_ranges(const char *owner, enum subid_type type,
							struct subid_range **ranges, int *count);
EXPORT enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type type, uid_t **uids,
							int *count);
EXPORT void shadow_subid_free(void *p);

/* A growing list of fixed-size things; a thousand is more than anybody has. */
struct list {
	void *items;
	size_t size, len;
	bool full;
};

enum {
	MAX_ITEMS = 1024,
};

static void *list_add(struct list *l)
{
	if (l->len == MAX_ITEMS) {
		l->full = true;
		return NULL;
	}
	if ((l->len & (l->len - 1)) == 0) { /* a power of two: double */
		void *p = reallocarray(l->items, l->len == 0 ? 1 : 2 * l->len, l->size);

		if (p == NULL) {
			l->full = true;
			return NULL;
		}
		l->items = p;
	}
	return (char *)l->items + l->size * l->len++;
}

/* The uid that a name has; false: none, or nobody can tell (then *error is set). */
static bool uid_of(const char *name, uid_t *uid, bool *error)
{
	struct passwd pw, *found = NULL;
	size_t len = 1024;
	char *buf = NULL;
	int e;

	do {
		char *more = realloc(buf, len *= 2);

		if (more == NULL) {
			e = ENOMEM;
			break;
		}
		buf = more;
		e = getpwnam_r(name, &pw, buf, len, &found);
	} while (e == ERANGE && len < (1 << 20));
	if (e == 0 && found != NULL)
		*uid = found->pw_uid;
	*error = e != 0 && e != ENOENT && e != ESRCH;
	free(buf);
	return e == 0 && found != NULL;
}

/* Digits only: an id in place of a name. */
static bool id_of(const char *s, size_t len, uint32_t *id)
{
	uint64_t n = 0;

	if (len == 0 || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s[i] - '0');
	}
	*id = (uint32_t)n;
	return n < UINT32_MAX;
}

/* Looks for the lines of one owner, named or by number. */
struct wanted {
	const char *owner;
	size_t owner_len;
	bool has_uid;
	uint32_t uid;
	struct list ranges;
};

static bool is_owner(const struct wanted *w, const struct subid_line *l)
{
	uint32_t id;

	if (l->owner_len == w->owner_len && memcmp(l->owner, w->owner, w->owner_len) == 0)
		return true;
	return w->has_uid && id_of(l->owner, l->owner_len, &id) && id == w->uid;
}

static bool add_range(struct list *l, uint64_t start, uint64_t count)
{
	struct subid_range *r = list_add(l);

	if (r == NULL)
		return false;
	r->start = (unsigned long)start;
	r->count = (unsigned long)count;
	return true;
}

static bool take_line(void *arg, const struct subid_line *l)
{
	struct wanted *w = arg;

	return !is_owner(w, l) || add_range(&w->ranges, l->start, l->count);
}

/* Whether a line of either file reaches into a range of ours. */
struct overlap {
	uint32_t start;
	bool found;
};

static bool overlaps(void *arg, const struct subid_line *l)
{
	struct overlap *o = arg;

	o->found = l->start < (uint64_t)o->start + SUBID_COUNT && o->start < l->start + l->count;
	return !o->found;
}

static bool is_free(uint32_t start)
{
	struct overlap o = {.start = start};

	return subid_file(ID_TYPE_UID, overlaps, &o) && !o.found && subid_file(ID_TYPE_GID, overlaps, &o) && !o.found;
}

/* The range of one uid in the snapshot. */
struct given {
	uint32_t uid, start;
	bool found;
};

static bool take_given(void *arg, uint32_t start, uint32_t uid)
{
	struct given *g = arg;

	if (uid != g->uid)
		return true;
	g->start = start;
	g->found = true;
	return false;
}

static enum subid_status ours(const char *owner, uint32_t uid, struct list *ranges)
{
	struct given g = {.uid = uid};

	if (!subid_snapshot(take_given, &g))
		g.found = false;
	if (!g.found) {
		int answer = subid_ask(owner, &g.start);

		if (answer < 0)
			return SUBID_STATUS_ERROR_CONN;
		g.found = answer > 0;
	}
	if (g.found && is_free(g.start) && !add_range(ranges, g.start, SUBID_COUNT))
		return SUBID_STATUS_ERROR;
	return SUBID_STATUS_SUCCESS;
}

/* All ranges of an owner. They are the caller's to free also after a fault. */
static enum subid_status ranges_of(const char *owner, enum subid_type type, struct list *out)
{
	struct wanted w = {.owner = owner, .owner_len = strlen(owner), .ranges = {.size = sizeof(struct subid_range)}};
	bool unknown = false;
	uid_t uid = 0;

	w.has_uid = uid_of(owner, &uid, &unknown);
	w.uid = uid;
	bool read = subid_file(type, take_line, &w);

	*out = w.ranges;
	if (!read || out->full)
		return SUBID_STATUS_ERROR;
	if (out->len > 0)
		return SUBID_STATUS_SUCCESS;
	if (!w.has_uid)
		return unknown ? SUBID_STATUS_ERROR_CONN : SUBID_STATUS_UNKNOWN_USER;
	if (local_account(owner) || !wire_id_ok(w.uid))
		return SUBID_STATUS_SUCCESS; /* and has none */
	return ours(owner, w.uid, out);
}

static bool sound(const char *owner, enum subid_type type, const void *a)
{
	return owner != NULL && owner[0] != '\0' && a != NULL && (type == ID_TYPE_UID || type == ID_TYPE_GID);
}

/* Whether ranges that touch or overlap cover [start, end). */
static bool covered(const struct list *l, uint64_t start, uint64_t end)
{
	const struct subid_range *r = l->items;

	for (bool further = true; further && start < end;) {
		further = false;
		for (size_t i = 0; i < l->len; i++) {
			uint64_t stop = (uint64_t)r[i].start + r[i].count;

			if (r[i].start <= start && start < stop) {
				start = stop;
				further = true;
			}
		}
	}
	return start >= end;
}

enum subid_status shadow_subid_has_range(const char *owner, unsigned long start, unsigned long count,
					 enum subid_type type, bool *result)
{
	struct list l = {0};

	if (!sound(owner, type, result))
		return SUBID_STATUS_ERROR;
	*result = false;
	enum subid_status s = ranges_of(owner, type, &l);

	if (s == SUBID_STATUS_SUCCESS && count > 0 && start <= UINT32_MAX && count <= UINT32_MAX)
		*result = covered(&l, start, (uint64_t)start + count);
	free(l.items);
	return s;
}

enum subid_status shadow_subid_list_owner_ranges(const char *owner, enum subid_type type, struct subid_range **ranges,
						 int *count)
{
	struct list l = {0};

	if (!sound(owner, type, ranges) || count == NULL)
		return SUBID_STATUS_ERROR;
	*ranges = NULL;
	*count = 0;
	enum subid_status s = ranges_of(owner, type, &l);

	if (s != SUBID_STATUS_SUCCESS || l.len == 0) {
		free(l.items);
		return s;
	}
	*ranges = l.items;
	*count = (int)l.len;
	return s;
}

/* Looks for the owners of one id. */
struct owners {
	uint64_t id;
	struct list uids;
	bool unknown;
};

static void add_owner(struct owners *o, uid_t uid)
{
	uid_t *to = list_add(&o->uids);

	if (to != NULL)
		*to = uid;
}

static bool owns_line(void *arg, const struct subid_line *l)
{
	struct owners *o = arg;
	char name[256];
	uint32_t id;
	uid_t uid;

	if (o->id < l->start || o->id >= l->start + l->count)
		return true;
	if (id_of(l->owner, l->owner_len, &id)) {
		add_owner(o, id);
	} else if (l->owner_len < sizeof name) {
		memcpy(name, l->owner, l->owner_len);
		name[l->owner_len] = '\0';
		if (uid_of(name, &uid, &o->unknown))
			add_owner(o, uid);
	}
	return !o->uids.full;
}

static bool owns_given(void *arg, uint32_t start, uint32_t uid)
{
	struct owners *o = arg;

	if (o->id >= start && o->id < (uint64_t)start + SUBID_COUNT && is_free(start))
		add_owner(o, uid);
	return true;
}

enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type type, uid_t **uids, int *count)
{
	struct owners o = {.id = id, .uids = {.size = sizeof(uid_t)}};

	if (!sound("-", type, uids) || count == NULL)
		return SUBID_STATUS_ERROR;
	*uids = NULL;
	*count = 0;
	bool read = subid_file(type, owns_line, &o);

	(void)subid_snapshot(owns_given, &o); /* without one nobody of the realm is known to own any */
	if (!read || o.uids.full) {
		free(o.uids.items);
		return SUBID_STATUS_ERROR;
	}
	*uids = o.uids.items;
	*count = (int)o.uids.len;
	return SUBID_STATUS_SUCCESS;
}

void shadow_subid_free(void *p)
{
	free(p);
}
