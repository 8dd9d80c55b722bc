/*
 * libnss_sallyport.so.2: glibc's questions, put to the sources behind lookup.h.
 * See libnss_sallyport(8).
 *
 * Promises: NSS_STATUS_NOTFOUND only with authority, or for a name or id that
 * can never be ours; everything that goes wrong is NSS_STATUS_UNAVAIL, so that
 * "not known" is never learnt from a broken file or daemon. What the snapshot has
 * is answered from it, whatever state the daemon is in, without a system call, an
 * allocation or a lock. A local account's group list never waits for us. errno is
 * untouched by success. No thread, no signal, no descriptor and, but for the mapped
 * snapshot, a bit for each of its records, and a list from the daemon that is being
 * walked, no memory is kept.
 */
#include <errno.h>
#include <nss.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "lookup.h"
#include "wire.h"

#define EXPORT __attribute__((visibility("default")))

/* All but success; out of line, for it is the rare case. errno is as the source left it. */
static __attribute__((noinline)) enum nss_status without(enum lookup_status s, int saved, int *errnop)
{
	int why = errno;

	errno = saved;
	switch (s) {
	case LOOKUP_TOO_SMALL:
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	case LOOKUP_NOT_FOUND:
		*errnop = ENOENT;
		return NSS_STATUS_NOTFOUND;
	case LOOKUP_NO_MEMORY:
		*errnop = ENOMEM;
		return NSS_STATUS_TRYAGAIN;
	case LOOKUP_REFUSED:
		*errnop = EPROTO;
		return NSS_STATUS_UNAVAIL;
	default:
		/* ERANGE would make glibc call again with a larger buffer, for ever. */
		*errnop = why == 0 || why == ERANGE ? ECONNREFUSED : why;
		return NSS_STATUS_UNAVAIL;
	}
}

static enum nss_status passwd(const struct key *k, bool possible, struct passwd *out, struct room r, int *errnop)
{
	int saved = errno;
	enum lookup_status s = possible ? lookup_passwd(k, out, &r) : LOOKUP_NOT_FOUND;

	if (s != LOOKUP_DONE)
		return without(s, saved, errnop);
	errno = saved;
	return NSS_STATUS_SUCCESS;
}

static enum nss_status group(const struct key *k, bool possible, struct group *out, struct room r, int *errnop)
{
	int saved = errno;
	enum lookup_status s = possible ? lookup_group(k, out, &r) : LOOKUP_NOT_FOUND;

	if (s != LOOKUP_DONE)
		return without(s, saved, errnop);
	errno = saved;
	return NSS_STATUS_SUCCESS;
}

EXPORT enum nss_status _nss_sallyport_getpwnam_r(const char *name, struct passwd *out, char *buf, size_t len,
						 int *errnop)
{
	struct key k;

	return passwd(&k, key_by_name(&k, name), out, (struct room){buf, len}, errnop);
}

EXPORT enum nss_status _nss_sallyport_getpwuid_r(uid_t uid, struct passwd *out, char *buf, size_t len, int *errnop)
{
	struct key k;

	return passwd(&k, key_by_id(&k, uid), out, (struct room){buf, len}, errnop);
}

EXPORT enum nss_status _nss_sallyport_getgrnam_r(const char *name, struct group *out, char *buf, size_t len,
						 int *errnop)
{
	struct key k;

	return group(&k, key_by_name(&k, name), out, (struct room){buf, len}, errnop);
}

EXPORT enum nss_status _nss_sallyport_getgrgid_r(gid_t gid, struct group *out, char *buf, size_t len, int *errnop)
{
	struct key k;

	return group(&k, key_by_id(&k, gid), out, (struct room){buf, len}, errnop);
}

/* glibc's growing list of group ids. */
struct gid_list {
	gid_t skip, **gids;
	long *start, *size, limit;
};

enum room_for { YES, FULL, NO_MEMORY };

static enum room_for gid_room(struct gid_list *l)
{
	if (*l->start < *l->size)
		return YES;
	if (l->limit > 0 && *l->size >= l->limit)
		return FULL;
	long size = *l->size > 0 ? *l->size * 2 : 16;

	if (l->limit > 0 && size > l->limit)
		size = l->limit;
	gid_t *g = reallocarray(*l->gids, (size_t)size, sizeof *g);

	if (g == NULL)
		return NO_MEMORY;
	*l->gids = g;
	*l->size = size;
	return YES;
}

static inline uint32_t gid_at(const uint8_t *p, size_t i)
{
	uint32_t gid;

	memcpy(&gid, p + 4 * i, sizeof gid);
	return gid;
}

/* Groups of the machine's own may have any id but root's and those that mean none. */
static inline bool gid_ok(uint32_t gid, bool local)
{
	return local ? gid != 0 && gid < UINT32_MAX - 1 : wire_id_ok(gid);
}

static bool gids_ok(const uint8_t *p, size_t n, bool local)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= gid_ok(gid_at(p, i), local);
	return ok;
}

/* Adds one id, unless it is among the first so many. */
static enum room_for add_gid(struct gid_list *l, gid_t gid, long among)
{
	if (gid == l->skip)
		return YES;
	for (long i = 0; i < among; i++)
		if ((*l->gids)[i] == gid)
			return YES;
	enum room_for r = gid_room(l);

	if (r == YES)
		(*l->gids)[(*l->start)++] = gid;
	return r;
}

static enum room_for add_gids(struct gid_list *l, const uint8_t *p, size_t n, bool local)
{
	long before = *l->start;
	uint32_t last = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t gid = gid_at(p, i);

		/* Once more: who writes the snapshot could have changed it since. */
		if (!gid_ok(gid, local))
			continue;
		bool ascends = gid > last; /* then it is none of this list's own */

		last = ascends ? gid : UINT32_MAX;
		enum room_for r = add_gid(l, gid, ascends ? before : *l->start);

		if (r != YES)
			return r;
	}
	return YES;
}

static enum lookup_status to_gids(void *arg, const struct lookup_gids *g)
{
	struct gid_list *l = arg;
	enum room_for r = YES;

	/* Checked whole before any is given out: half a list is a wrong list. */
	if (!gids_ok(g->gids, g->n, false) || !gids_ok(g->local, g->locals, true) || (g->own != 0 && !wire_id_ok(g->own)))
		return LOOKUP_REFUSED;
	if (g->own != 0)
		r = add_gid(l, g->own, *l->start);
	if (r == YES)
		r = add_gids(l, g->gids, g->n, false);
	if (r == YES)
		r = add_gids(l, g->local, g->locals, true);
	return r == NO_MEMORY ? LOOKUP_NO_MEMORY : LOOKUP_DONE;
}

EXPORT enum nss_status _nss_sallyport_initgroups_dyn(const char *user, gid_t group, long *start, long *size,
						     gid_t **groupsp, long limit, int *errnop)
{
	struct gid_list l = {group, groupsp, start, size, limit};
	int saved = errno;
	struct key k;
	enum lookup_status s = key_by_name(&k, user) ? lookup_groups_of(&k, group, to_gids, &l) : LOOKUP_NOT_FOUND;

	if (s != LOOKUP_DONE)
		return without(s, saved, errnop);
	errno = saved;
	return NSS_STATUS_SUCCESS;
}
