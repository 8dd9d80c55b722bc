/*
 * The snapshot first; the daemon only for what that cannot decide: there is none,
 * it is too old or damaged, or a name is not in it and may be new.
 */
#include <errno.h>

#include "local.h"
#include "lookup_socket.h"
#include "snapshot.h"

/* What the snapshot said, if that is final. */
static inline bool decided(enum lookup_status s)
{
	return s == LOOKUP_DONE || s == LOOKUP_TOO_SMALL || s == LOOKUP_NOT_FOUND;
}

enum lookup_status lookup_passwd(const struct key *k, struct passwd *out, struct room *r)
{
	enum lookup_status s = LOOKUP_UNAVAILABLE;
	struct snapshot_hold h;

	if (snapshot_hold(&h)) {
		s = snapshot_passwd(&h, k, out, r);
		snapshot_release(&h);
	}
	return decided(s) ? s : socket_passwd(k, out, r);
}

enum lookup_status lookup_group(const struct key *k, struct group *out, struct room *r)
{
	enum lookup_status s = LOOKUP_UNAVAILABLE;
	struct snapshot_hold h;

	if (snapshot_hold(&h)) {
		s = snapshot_group(&h, k, out, r);
		snapshot_release(&h);
	}
	return decided(s) ? s : socket_group(k, out, r);
}

/*
 * glibc asks this of every service for every user, root too, and merges what they
 * say. A local account must get no group of the directory's account of that name,
 * and must not wait for a daemon that hangs. The snapshot has no local account, but
 * one may have been made since it was written. Such a one has a primary group of
 * the machine's own; so whoever has one that the snapshot knows is not local, and
 * neither is a name that the snapshot knows not to exist: their groups cost no look
 * into passwd(5). An alias is not compared: it is asked for as it was typed, and a
 * local account may be called so.
 */
enum lookup_status lookup_groups_of(const struct key *k, uint32_t gid, lookup_gids_fn *use, void *arg)
{
	enum lookup_status s = LOOKUP_UNAVAILABLE;
	struct snapshot_hold h;
	struct lookup_gids g;
	int e = errno;

	if (snapshot_hold(&h)) {
		s = snapshot_gids(&h, k, &g);
		if (s == LOOKUP_DONE && (g.alias || (gid != g.own && !snapshot_knows_gid(&h, gid))) &&
		    local_account(k->typed))
			s = LOOKUP_NOT_FOUND;
		if (s == LOOKUP_DONE)
			s = use(arg, &g);
		snapshot_release(&h);
		if (decided(s) || s == LOOKUP_NO_MEMORY)
			return s;
	}
	if (local_account(k->typed)) {
		errno = e;
		return LOOKUP_NOT_FOUND;
	}
	return socket_groups_of(k, use, arg);
}

/*
 * A snapshot serves the whole walk, also when the daemon would know more: a list
 * that is a little old beats one that may hang.
 */
enum lookup_status lookup_walk_start(struct lookup_walk *w, bool accounts)
{
	struct snapshot_hold h;

	*w = (struct lookup_walk){.started = true};
	if (snapshot_hold(&h)) {
		snapshot_release(&h);
		return LOOKUP_DONE;
	}
	enum lookup_status s = socket_list(accounts, &w->list);

	w->started = s == LOOKUP_DONE;
	return s;
}

void lookup_walk_end(struct lookup_walk *w)
{
	socket_list_free(w->list);
	*w = (struct lookup_walk){0};
}

static enum lookup_status gone(void)
{
	errno = ESTALE;
	return LOOKUP_UNAVAILABLE;
}

enum lookup_status lookup_next_passwd(struct lookup_walk *w, struct passwd *out, struct room *r)
{
	struct snapshot_hold h;

	if (w->list != NULL)
		return socket_list_passwd(w->list, &w->pos, out, r);
	if (!snapshot_hold(&h))
		return gone();
	enum lookup_status s = snapshot_next_passwd(&h, &w->at, out, r);

	snapshot_release(&h);
	return s;
}

enum lookup_status lookup_next_group(struct lookup_walk *w, struct group *out, struct room *r)
{
	struct snapshot_hold h;

	if (w->list != NULL)
		return socket_list_group(w->list, &w->pos, out, r);
	if (!snapshot_hold(&h))
		return gone();
	enum lookup_status s = snapshot_next_group(&h, &w->at, out, r);

	snapshot_release(&h);
	return s;
}
