/*
 * What lookup_socket.c and lookup_list.c share: questions to the daemon, and
 * records out of its packets.
 */
#ifndef SALLYPORT_LOOKUP_SOCKET_H
#define SALLYPORT_LOOKUP_SOCKET_H

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

/* Connects and sends. False with errno; else lookup_hang_up closes it. */
bool lookup_ask(struct question *q, uint8_t type, const char *name, const uint32_t *id);
void lookup_hang_up(struct question *q);

/*
 * The next message of the wanted type. LOOKUP_DONE leaves the packet to be
 * freed; "over" is the type that ends a list, or the wanted one.
 */
enum lookup_status lookup_hear(struct question *q, uint8_t want, uint8_t over, struct wire_packet *p,
			       struct wire_message *m);

void lookup_use_account(const struct wire_message *m, lookup_account_fn *use, void *arg);

/* A group as its packets come in. */
struct gathered {
	char *bytes; /* the name, then its members, each ending in NUL */
	size_t len, cap, name_len, count;
	uint32_t gid;
	bool more;
};

/* Adds one packet, which must be about the same group as those before it. */
enum lookup_status lookup_gather(struct gathered *g, const struct wire_message *m);
void lookup_use_group(const struct gathered *g, lookup_group_fn *use, void *arg);

#endif
