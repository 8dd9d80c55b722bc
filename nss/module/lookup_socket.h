/*
 * What lookup_socket.c and lookup_list.c share: questions to the daemon, and
 * records out of its packets.
 */
#ifndef SALLYPORT_LOOKUP_SOCKET_H
#define SALLYPORT_LOOKUP_SOCKET_H

#include "key.h"
#include "lookup.h"
#include "socket.h"

enum {
	MAX_LIST = 256 * 1024 * 1024, /* bytes of one list or group */
};

/* A question under way. */
struct question {
	int fd;
	int64_t deadline;
};

/* The daemon's answers. */
enum lookup_status socket_passwd(const struct key *k, struct passwd *out, struct room *r);
enum lookup_status socket_group(const struct key *k, struct group *out, struct room *r);
enum lookup_status socket_groups_of(const struct key *k, lookup_gids_fn *use, void *arg);

/*
 * All accounts or all groups, as they were at one moment. The list is plain
 * memory: it survives fork and needs no daemon once it is there.
 */
enum lookup_status socket_list(bool accounts, struct lookup_list **l);
void socket_list_free(struct lookup_list *l);

/* The record at *pos, and *pos moved past it if it fits; LOOKUP_NOT_FOUND at the end. */
enum lookup_status socket_list_passwd(const struct lookup_list *l, size_t *pos, struct passwd *out, struct room *r);
enum lookup_status socket_list_group(const struct lookup_list *l, size_t *pos, struct group *out, struct room *r);

/* Connects and sends; k may be NULL. False with errno; else lookup_hang_up closes it. */
bool lookup_ask(struct question *q, uint8_t type, const struct key *k);
void lookup_hang_up(struct question *q);

/*
 * The next message of the wanted type. LOOKUP_DONE leaves the packet to be
 * freed; "over" is the type that ends a list, or the wanted one.
 */
enum lookup_status lookup_hear(struct question *q, uint8_t want, uint8_t over, struct wire_packet *p,
			       struct wire_message *m);

enum lookup_status lookup_give_account(const struct wire_message *m, struct passwd *out, struct room *r);

/* A group as its packets come in. */
struct gathered {
	char *bytes; /* the name, then its members, each ending in NUL */
	size_t len, cap, name_len, count;
	uint32_t gid;
	bool more;
};

/* Adds one packet, which must be about the same group as those before it. */
enum lookup_status lookup_gather(struct gathered *g, const struct wire_message *m);
enum lookup_status lookup_give_group(const struct gathered *g, struct group *out, struct room *r);

#endif
