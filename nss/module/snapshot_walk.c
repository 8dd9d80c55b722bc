/*
 * All records of a snapshot, one at a time. Between two steps nothing stays mapped,
 * and the file may be replaced: ids ascend, so that the next is found again.
 */
#include <errno.h>

#include "record.h"

/* Stands at the next record of a section, or at its first when this is another file. */
static void settle(const struct snapshot *s, struct snapshot_walk *w, const struct snapshot_section *in)
{
	if (w->begun && w->written == s->written)
		return;
	w->begun = true;
	w->written = s->written;
	w->next = in->offset;
}

/* Whether a record was given already, from this file or one before. */
static bool seen(const struct snapshot_walk *w, uint32_t id)
{
	return w->given && id <= w->last;
}

static void pass(struct snapshot_walk *w, uint64_t size, uint32_t id)
{
	w->next += size;
	if (!seen(w, id))
		w->last = id;
	w->given = true;
}

static enum lookup_status damaged(void)
{
	errno = EIO;
	return LOOKUP_UNAVAILABLE;
}

enum lookup_status snapshot_next_passwd(const struct snapshot_hold *h, struct snapshot_walk *w, struct passwd *out,
					struct room *r)
{
	const struct snapshot_section *in = &h->s->accounts;
	struct account_record a;

	settle(h->s, w, in);
	while (w->next < in->offset + in->len) {
		if (!record_account(h->s, w->next, &a))
			return damaged();
		enum lookup_status s = seen(w, a.h.uid) ? LOOKUP_REFUSED : record_give_passwd(&a, out, r);

		if (s == LOOKUP_TOO_SMALL)
			return s;
		pass(w, account_size(&a), a.h.uid);
		if (s == LOOKUP_DONE)
			return s;
	}
	return LOOKUP_NOT_FOUND;
}

/* The groups that have no record of their own. */
static enum lookup_status next_own(const struct snapshot_hold *h, struct snapshot_walk *w, struct group *out,
				   struct room *r)
{
	const struct snapshot_section *in = &h->s->accounts;
	struct account_record a;

	settle(h->s, w, in);
	while (w->next < in->offset + in->len) {
		enum lookup_status s = LOOKUP_REFUSED;

		if (!record_account(h->s, w->next, &a))
			return damaged();
		if (!seen(w, a.h.uid) && record_has_own_group(&a))
			s = record_give_own_group(&a, out, r);
		if (s == LOOKUP_TOO_SMALL)
			return s;
		pass(w, account_size(&a), a.h.uid);
		if (s == LOOKUP_DONE)
			return s;
	}
	return LOOKUP_NOT_FOUND;
}

enum lookup_status snapshot_next_group(const struct snapshot_hold *h, struct snapshot_walk *w, struct group *out,
				       struct room *r)
{
	const struct snapshot_section *in = &h->s->groups;
	struct group_record g;

	if (!w->in_groups) {
		enum lookup_status s = next_own(h, w, out, r);

		if (s != LOOKUP_NOT_FOUND)
			return s;
		*w = (struct snapshot_walk){.in_groups = true};
	}
	settle(h->s, w, in);
	while (w->next < in->offset + in->len) {
		if (!record_group(h->s, w->next, &g))
			return damaged();
		enum lookup_status s = seen(w, g.h.gid) ? LOOKUP_REFUSED : record_give_group(h->s, &g, out, r);

		if (s == LOOKUP_TOO_SMALL)
			return s;
		pass(w, group_size(&g), g.h.gid);
		if (s == LOOKUP_DONE)
			return s;
	}
	return LOOKUP_NOT_FOUND;
}
