/*
 * libnss_sallyport.so.2: glibc's questions, put to the sources behind lookup.h.
 * See libnss_sallyport(8).
 *
 * Promises: NSS_STATUS_NOTFOUND only with authority, or for a name or id that
 * can never be ours; everything that goes wrong is NSS_STATUS_UNAVAIL, so that
 * "not known" is never learnt from a broken daemon. A local account's group list
 * never waits for us. errno is untouched by success. No thread, no signal, no
 * descriptor and, but for a list that is being walked, no memory is kept.
 */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "local.h"
#include "lookup.h"

#define EXPORT __attribute__((visibility("default")))

/* One caller's buffer, and what became of filling it. */
struct caller {
	void *out;
	char *buf;
	size_t len;
	enum nss_status status;
	int error;
};

static void to_passwd(void *arg, const struct lookup_account *a)
{
	struct caller *c = arg;

	c->status = fill_passwd(a, c->out, c->buf, c->len, &c->error);
}

static void to_group(void *arg, const struct lookup_group *g)
{
	struct caller *c = arg;

	c->status = fill_group(g, c->out, c->buf, c->len, &c->error);
}

/* What a source's word means to glibc. errno is as the source left it. */
static enum nss_status conclude(enum lookup_status s, const struct caller *c, int saved, int *errnop)
{
	int why = errno;

	errno = saved;
	switch (s) {
	case LOOKUP_DONE:
		if (c->status != NSS_STATUS_SUCCESS)
			*errnop = c->error;
		return c->status;
	case LOOKUP_NOT_FOUND:
		*errnop = ENOENT;
		return NSS_STATUS_NOTFOUND;
	case LOOKUP_NO_MEMORY:
		*errnop = ENOMEM;
		return NSS_STATUS_TRYAGAIN;
	default:
		/* ERANGE would make glibc call again with a larger buffer, for ever. */
		*errnop = why == 0 || why == ERANGE ? ECONNREFUSED : why;
		return NSS_STATUS_UNAVAIL;
	}
}

static enum nss_status never_ours(int *errnop)
{
	*errnop = ENOENT;
	return NSS_STATUS_NOTFOUND;
}

EXPORT enum nss_status _nss_sallyport_getpwnam_r(const char *name, struct passwd *out, char *buf, size_t len,
						 int *errnop)
{
	struct caller c = {.out = out, .buf = buf, .len = len, .status = NSS_STATUS_UNAVAIL};
	int saved = errno;

	if (!fill_name_possible(name))
		return never_ours(errnop);
	return conclude(lookup_account_by_name(name, to_passwd, &c), &c, saved, errnop);
}

EXPORT enum nss_status _nss_sallyport_getpwuid_r(uid_t uid, struct passwd *out, char *buf, size_t len, int *errnop)
{
	struct caller c = {.out = out, .buf = buf, .len = len, .status = NSS_STATUS_UNAVAIL};
	int saved = errno;

	if (!wire_id_ok(uid))
		return never_ours(errnop);
	return conclude(lookup_account_by_uid(uid, to_passwd, &c), &c, saved, errnop);
}

EXPORT enum nss_status _nss_sallyport_getgrnam_r(const char *name, struct group *out, char *buf, size_t len,
						 int *errnop)
{
	struct caller c = {.out = out, .buf = buf, .len = len, .status = NSS_STATUS_UNAVAIL};
	int saved = errno;

	if (!fill_name_possible(name))
		return never_ours(errnop);
	return conclude(lookup_group_by_name(name, to_group, &c), &c, saved, errnop);
}

EXPORT enum nss_status _nss_sallyport_getgrgid_r(gid_t gid, struct group *out, char *buf, size_t len, int *errnop)
{
	struct caller c = {.out = out, .buf = buf, .len = len, .status = NSS_STATUS_UNAVAIL};
	int saved = errno;

	if (!wire_id_ok(gid))
		return never_ours(errnop);
	return conclude(lookup_group_by_gid(gid, to_group, &c), &c, saved, errnop);
}

/* glibc's growing list of group ids. */
struct gid_list {
	gid_t skip, **gids;
	long *start, *size, limit;
	enum nss_status status;
	int error;
};

static bool gid_room(struct gid_list *l)
{
	if (*l->start < *l->size)
		return true;
	if (l->limit > 0 && *l->size >= l->limit)
		return false;
	long size = *l->size > 0 ? *l->size * 2 : 16;

	if (l->limit > 0 && size > l->limit)
		size = l->limit;
	gid_t *g = reallocarray(*l->gids, (size_t)size, sizeof *g);

	if (g == NULL) {
		l->status = NSS_STATUS_TRYAGAIN;
		l->error = ENOMEM;
		return false;
	}
	*l->gids = g;
	*l->size = size;
	return true;
}

static void to_gids(void *arg, const struct lookup_gids *g)
{
	struct gid_list *l = arg;

	/* Checked whole before any is given out: half a list is a wrong list. */
	for (size_t i = 0; i < g->count; i++) {
		if (!wire_id_ok(wire_u32(g->bytes + 4 * i))) {
			l->status = NSS_STATUS_UNAVAIL;
			l->error = EPROTO;
			return;
		}
	}
	l->status = NSS_STATUS_SUCCESS;
	for (size_t i = 0; i < g->count; i++) {
		gid_t gid = wire_u32(g->bytes + 4 * i);
		bool there = gid == l->skip;

		for (long j = 0; j < *l->start && !there; j++)
			there = (*l->gids)[j] == gid;
		if (there)
			continue;
		if (!gid_room(l))
			return;
		(*l->gids)[(*l->start)++] = gid;
	}
}

/*
 * glibc asks this of every service for every user, root too, and merges. So the
 * local ones are told apart here, before a daemon that hangs could delay them.
 */
EXPORT enum nss_status _nss_sallyport_initgroups_dyn(const char *user, gid_t group, long *start, long *size,
						     gid_t **groupsp, long limit, int *errnop)
{
	struct gid_list l = {group, groupsp, start, size, limit, NSS_STATUS_UNAVAIL, 0};
	int saved = errno;

	if (!fill_name_possible(user))
		return never_ours(errnop);
	if (local_account(user)) {
		errno = saved;
		return never_ours(errnop);
	}
	enum lookup_status s = lookup_groups_of(user, to_gids, &l);
	struct caller c = {.status = l.status, .error = l.error};

	return conclude(s, &c, saved, errnop);
}
