/*
 * The seam between what glibc asks and where the answer comes from. nss.c and
 * enumerate.c know glibc and no source; lookup.c asks the snapshot first, and the
 * daemon when that cannot decide; a source knows where to look.
 *
 * An answer is written into the caller's buffer and checked there, since it is
 * about to enter somebody else's program: see fill.h.
 */
#ifndef SALLYPORT_LOOKUP_H
#define SALLYPORT_LOOKUP_H

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key;

enum lookup_status {
	LOOKUP_UNAVAILABLE, /* nobody could say; errno says why */
	LOOKUP_NOT_FOUND,   /* there is none, with authority */
	LOOKUP_NO_MEMORY,
	LOOKUP_TOO_SMALL, /* the caller's buffer; nothing was written */
	LOOKUP_REFUSED,	  /* there is an answer, and it may not enter a program */
	LOOKUP_DONE,
};

/* The caller's buffer. */
struct room {
	char *buf;
	size_t len;
};

enum lookup_status lookup_passwd(const struct key *k, struct passwd *out, struct room *r);
enum lookup_status lookup_group(const struct key *k, struct group *out, struct room *r);

/*
 * The group ids of one account, given to a function in one piece; they are valid
 * until it returns. Local groups may have ids that no directory gives.
 */
struct lookup_gids {
	const uint8_t *gids, *local; /* four bytes each, in the machine's order, unaligned */
	size_t n, locals;
	uint32_t own; /* one more; 0: none */
	bool alias;   /* the account is called otherwise than what was asked for */
};

typedef enum lookup_status lookup_gids_fn(void *arg, const struct lookup_gids *g);

/*
 * LOOKUP_NOT_FOUND for an account of the machine's own, too. gid is the primary
 * group that the caller has of it.
 */
enum lookup_status lookup_groups_of(const struct key *k, uint32_t gid, lookup_gids_fn *use, void *arg);

/* Where a walk over a snapshot's records is. It keeps nothing mapped. */
struct snapshot_walk {
	uint64_t written, next; /* which file, and the offset of its next record */
	uint32_t last;		/* the id of the last record, if one was given */
	bool begun, given, in_groups;
};

/*
 * All accounts or all groups. A walk of zeroes begins; LOOKUP_NOT_FOUND ends it.
 * lookup_walk_start decides where the records come from, and may have to wait for
 * the daemon; after it, a step waits for nobody.
 */
struct lookup_list;
struct lookup_walk {
	struct lookup_list *list; /* NULL: the snapshot serves */
	size_t pos;
	struct snapshot_walk at;
	bool started;
};

enum lookup_status lookup_walk_start(struct lookup_walk *w, bool accounts);
enum lookup_status lookup_next_passwd(struct lookup_walk *w, struct passwd *out, struct room *r);
enum lookup_status lookup_next_group(struct lookup_walk *w, struct group *out, struct room *r);
void lookup_walk_end(struct lookup_walk *w);

#endif
