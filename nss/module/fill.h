/*
 * Makes a passwd or group of texts in a caller's buffer, in the order of passwd(5)
 * and group(5), each ended by NUL. They are checked there, where nobody else can
 * change them any more: ids, names, lengths, and that no text could break a line of
 * those files. False: it may not enter a program.
 */
#ifndef SALLYPORT_FILL_H
#define SALLYPORT_FILL_H

#include "lookup.h"

/* Lengths without the NUL. */
struct fill_passwd {
	size_t name, full_name, home, shell;
	uint32_t uid, gid;
};

static inline size_t fill_passwd_size(const struct fill_passwd *p)
{
	return p->name + 1 + 2 + p->full_name + 1 + p->home + 1 + p->shell + 1;
}

/* Copies the texts, from where they may already lie. */
bool fill_passwd(const struct fill_passwd *p, struct passwd *out, char *texts, const char *from);

/* Members are one block of "bytes" bytes: so many names, each ended by NUL. */
struct fill_group {
	size_t name, count, bytes;
	uint32_t gid;
};

/* How far into a buffer the texts of a group begin: its list of pointers is in front. */
static inline size_t fill_group_offset(const struct fill_group *g, const char *buf)
{
	return -(uintptr_t)buf % _Alignof(char *) + (g->count + 1) * sizeof(char *);
}

static inline size_t fill_group_size(const struct fill_group *g, const char *buf)
{
	return fill_group_offset(g, buf) + g->name + 1 + 2 + g->bytes;
}

/* Copies the members, from where they may already lie; name and "x" are there. */
bool fill_group(const struct fill_group *g, struct group *out, char *texts, const char *members);

#endif
