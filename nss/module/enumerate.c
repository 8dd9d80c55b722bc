/*
 * getpwent and getgrent. glibc's interface keeps the position between calls, so
 * here, and only here, is state: the list fetched by the first call after
 * set..ent, and how far it was walked. It is memory, not a connection, so a fork
 * simply has its own. glibc holds a lock of its own around these calls; ours is
 * for callers that come past it, and is never held while waiting for the daemon.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fill.h"
#include "lookup.h"

#define EXPORT __attribute__((visibility("default")))

struct walk {
	pthread_mutex_t lock;
	struct lookup_list *list;
	size_t pos;
};

static struct walk accounts = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct walk groups = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum nss_status replace(struct walk *w, struct lookup_list *list)
{
	pthread_mutex_lock(&w->lock);
	struct lookup_list *old = w->list;

	w->list = list;
	w->pos = 0;
	pthread_mutex_unlock(&w->lock);
	lookup_list_free(old);
	return NSS_STATUS_SUCCESS;
}

/* The library may be unloaded in the middle of a walk. */
__attribute__((destructor)) static void forget(void)
{
	(void)replace(&accounts, NULL);
	(void)replace(&groups, NULL);
}

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

static enum lookup_status one(const struct lookup_list *l, size_t *pos, bool account, struct caller *c)
{
	return account ? lookup_list_account(l, pos, to_passwd, c) : lookup_list_group(l, pos, to_group, c);
}

/* Fetches the list unless there is one. */
static enum lookup_status begin(struct walk *w, bool account)
{
	struct lookup_list *l = NULL;

	pthread_mutex_lock(&w->lock);
	bool have = w->list != NULL;

	pthread_mutex_unlock(&w->lock);
	if (have)
		return LOOKUP_DONE;
	enum lookup_status s = account ? lookup_list_accounts(&l) : lookup_list_groups(&l);

	if (s == LOOKUP_DONE)
		(void)replace(w, l);
	return s;
}

/* A record that may not enter a program is passed over, not the end of the list. */
static enum nss_status next(struct walk *w, bool account, struct caller *c, int *errnop)
{
	int saved = errno;
	enum lookup_status s = begin(w, account);

	if (s == LOOKUP_DONE) {
		pthread_mutex_lock(&w->lock);
		do {
			size_t pos = w->pos;

			s = w->list == NULL ? LOOKUP_NOT_FOUND : one(w->list, &pos, account, c);
			if (s == LOOKUP_DONE && c->status != NSS_STATUS_TRYAGAIN)
				w->pos = pos;
		} while (s == LOOKUP_DONE && c->status == NSS_STATUS_UNAVAIL);
		pthread_mutex_unlock(&w->lock);
	}
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
		return NSS_STATUS_UNAVAIL; /* TRYAGAIN would be asked again with a larger buffer */
	default:
		*errnop = why == 0 || why == ERANGE ? ECONNREFUSED : why;
		return NSS_STATUS_UNAVAIL;
	}
}

EXPORT enum nss_status _nss_sallyport_setpwent(int stayopen)
{
	(void)stayopen;
	return replace(&accounts, NULL);
}

EXPORT enum nss_status _nss_sallyport_endpwent(void)
{
	return replace(&accounts, NULL);
}

EXPORT enum nss_status _nss_sallyport_getpwent_r(struct passwd *out, char *buf, size_t len, int *errnop)
{
	struct caller c = {.out = out, .buf = buf, .len = len, .status = NSS_STATUS_UNAVAIL};

	return next(&accounts, true, &c, errnop);
}

EXPORT enum nss_status _nss_sallyport_setgrent(int stayopen)
{
	(void)stayopen;
	return replace(&groups, NULL);
}

EXPORT enum nss_status _nss_sallyport_endgrent(void)
{
	return replace(&groups, NULL);
}

EXPORT enum nss_status _nss_sallyport_getgrent_r(struct group *out, char *buf, size_t len, int *errnop)
{
	struct caller c = {.out = out, .buf = buf, .len = len, .status = NSS_STATUS_UNAVAIL};

	return next(&groups, false, &c, errnop);
}
