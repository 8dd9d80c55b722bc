/*
 * getpwent and getgrent. glibc's interface keeps the position between calls, so
 * here, and only here, is state: how far a walk is in the snapshot, or in the list
 * that the first call after set..ent fetched from the daemon. It is memory, not a
 * connection, so a fork simply has its own. glibc holds a lock of its own around
 * these calls; ours is for callers that come past it, and is never held while
 * waiting for the daemon.
 */
#include <errno.h>
#include <nss.h>
#include <pthread.h>

#include "lookup.h"

#define EXPORT __attribute__((visibility("default")))

struct walk {
	pthread_mutex_t lock;
	struct lookup_walk w;
};

static struct walk accounts = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct walk groups = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum nss_status replace(struct walk *w, struct lookup_walk by)
{
	pthread_mutex_lock(&w->lock);
	struct lookup_walk old = w->w;

	w->w = by;
	pthread_mutex_unlock(&w->lock);
	lookup_walk_end(&old);
	return NSS_STATUS_SUCCESS;
}

static enum nss_status end(struct walk *w)
{
	return replace(w, (struct lookup_walk){0});
}

/* Decides where the records come from, unless that is decided. */
static enum lookup_status begin(struct walk *w)
{
	struct lookup_walk new;

	pthread_mutex_lock(&w->lock);
	bool have = w->w.started;

	pthread_mutex_unlock(&w->lock);
	if (have)
		return LOOKUP_DONE;
	enum lookup_status s = lookup_walk_start(&new, w == &accounts);

	if (s == LOOKUP_DONE)
		(void)replace(w, new);
	return s;
}

static enum lookup_status step(struct walk *w, void *out, struct room *r)
{
	if (!w->w.started)
		return LOOKUP_NOT_FOUND; /* another thread ended it just now */
	return w == &accounts ? lookup_next_passwd(&w->w, out, r) : lookup_next_group(&w->w, out, r);
}

/* A record that may not enter a program is passed over, not the end of the list. */
static enum nss_status next(struct walk *w, void *out, struct room r, int *errnop)
{
	int saved = errno;
	enum lookup_status s = begin(w);

	if (s == LOOKUP_DONE) {
		pthread_mutex_lock(&w->lock);
		do
			s = step(w, out, &r);
		while (s == LOOKUP_REFUSED);
		pthread_mutex_unlock(&w->lock);
	}
	int why = errno;

	errno = saved;
	switch (s) {
	case LOOKUP_DONE:
		return NSS_STATUS_SUCCESS;
	case LOOKUP_TOO_SMALL:
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	case LOOKUP_NOT_FOUND:
		*errnop = ENOENT;
		return NSS_STATUS_NOTFOUND;
	case LOOKUP_NO_MEMORY:
		*errnop = ENOMEM;
		return NSS_STATUS_UNAVAIL; /* TRYAGAIN would be asked again with a larger buffer */
	default:
		*errnop = why == 0 || why == ERANGE ? ECONNREFUSED : why;
		return NSS_STATUS_UNAVAIL;
	}
}

EXPORT enum nss_status _nss_sallyport_setpwent(int stayopen)
{
	(void)stayopen;
	return end(&accounts);
}

EXPORT enum nss_status _nss_sallyport_endpwent(void)
{
	return end(&accounts);
}

EXPORT enum nss_status _nss_sallyport_getpwent_r(struct passwd *out, char *buf, size_t len, int *errnop)
{
	return next(&accounts, out, (struct room){buf, len}, errnop);
}

EXPORT enum nss_status _nss_sallyport_setgrent(int stayopen)
{
	(void)stayopen;
	return end(&groups);
}

EXPORT enum nss_status _nss_sallyport_endgrent(void)
{
	return end(&groups);
}

EXPORT enum nss_status _nss_sallyport_getgrent_r(struct group *out, char *buf, size_t len, int *errnop)
{
	return next(&groups, out, (struct room){buf, len}, errnop);
}
