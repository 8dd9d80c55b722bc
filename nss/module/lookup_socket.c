/*
 * The source that asks the daemon over lookup.sock: single answers. Lists are in
 * lookup_list.c.
 *
 * One connection per question, closed before the answer is used up: nothing is
 * kept that a fork, an exec or a host that closes all descriptors could break.
 * Working, or the answer itself, must come within 50 ms of the first attempt to
 * connect; after that each message may take the lookup deadline.
 */
#include <stdlib.h>
#include <string.h>

#include "lookup_socket.h"

#ifndef SALLYPORT_LOOKUP_SOCKET
#define SALLYPORT_LOOKUP_SOCKET "/run/sallyport/lookup.sock"
#endif
#ifndef SALLYPORT_LOOKUP_DEADLINE_MS
#define SALLYPORT_LOOKUP_DEADLINE_MS 5000
#endif

enum {
	MAX_REQUEST = 1024, /* a name of at most 512 bytes, see nss.c */
};

bool lookup_ask(struct question *q, uint8_t type, const char *name, const uint32_t *id)
{
	uint8_t buf[MAX_REQUEST];
	struct wire_writer w;

	q->deadline = wire_after_ms(SALLYPORT_ACKNOWLEDGE_MS);
	wire_begin(&w, buf, sizeof buf, type);
	if (name != NULL)
		wire_put_text(&w, WIRE_NAME, name);
	if (id != NULL)
		wire_put_number(&w, type == WIRE_GET_ACCOUNT_BY_UID ? WIRE_UID : WIRE_GID, *id);
	q->fd = wire_connect(SALLYPORT_LOOKUP_SOCKET, q->deadline);
	if (q->fd < 0)
		return false;
	if (wire_send(q->fd, &w, q->deadline) == 0)
		return true;
	int e = errno;

	close(q->fd);
	q->fd = -1;
	errno = e;
	return false;
}

void lookup_hang_up(struct question *q)
{
	int e = errno;

	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	errno = e;
}

enum lookup_status lookup_hear(struct question *q, uint8_t want, uint8_t over, struct wire_packet *p,
			       struct wire_message *m)
{
	for (;;) {
		if (wire_receive(q->fd, p, m, q->deadline) < 0)
			return errno == ENOMEM ? LOOKUP_NO_MEMORY : LOOKUP_UNAVAILABLE;
		q->deadline = wire_after_ms(SALLYPORT_LOOKUP_DEADLINE_MS);
		if (m->type == want || m->type == over)
			return LOOKUP_DONE;
		uint8_t type = m->type;

		wire_packet_free(p);
		if (type == WIRE_NOT_FOUND)
			return LOOKUP_NOT_FOUND;
		if (type != WIRE_WORKING) {
			errno = type == WIRE_UNAVAILABLE ? EHOSTUNREACH : EPROTO;
			return LOOKUP_UNAVAILABLE;
		}
	}
}

static struct lookup_text text(const struct wire_message *m, uint16_t tag)
{
	struct wire_value v;

	(void)wire_get(m, tag, &v); /* must be there, or wire_parse had refused */
	return (struct lookup_text){(const char *)v.bytes, v.len};
}

void lookup_use_account(const struct wire_message *m, lookup_account_fn *use, void *arg)
{
	struct lookup_account a = {
		.name = text(m, WIRE_NAME),
		.full_name = text(m, WIRE_FULL_NAME),
		.home = text(m, WIRE_HOME),
		.shell = text(m, WIRE_SHELL),
	};

	(void)wire_get_number(m, WIRE_UID, &a.uid);
	(void)wire_get_number(m, WIRE_GID, &a.gid);
	use(arg, &a);
}

static enum lookup_status account(uint8_t type, const char *name, const uint32_t *uid, lookup_account_fn *use,
				  void *arg)
{
	struct question q;
	struct wire_packet p;
	struct wire_message m;

	if (!lookup_ask(&q, type, name, uid))
		return LOOKUP_UNAVAILABLE;
	enum lookup_status s = lookup_hear(&q, WIRE_ACCOUNT, WIRE_ACCOUNT, &p, &m);

	lookup_hang_up(&q);
	if (s == LOOKUP_DONE) {
		lookup_use_account(&m, use, arg);
		wire_packet_free(&p);
	}
	return s;
}

static bool gather_bytes(struct gathered *g, const struct wire_value *v)
{
	if (v->len >= MAX_LIST - g->len)
		return false;
	size_t need = g->len + v->len + 1;

	if (need > g->cap) {
		size_t cap = need < 4096 ? 4096 : need * 2;
		char *b = realloc(g->bytes, cap);

		if (b == NULL)
			return false;
		g->bytes = b;
		g->cap = cap;
	}
	if (v->len > 0)
		memcpy(g->bytes + g->len, v->bytes, v->len);
	g->bytes[need - 1] = '\0';
	g->len = need;
	return true;
}

enum lookup_status lookup_gather(struct gathered *g, const struct wire_message *m)
{
	struct wire_value v;
	uint32_t gid = 0, more = 0;
	uint16_t tag;

	(void)wire_get(m, WIRE_NAME, &v);
	(void)wire_get_number(m, WIRE_GID, &gid);
	if (g->bytes == NULL) {
		g->gid = gid;
		g->name_len = v.len;
		if (!gather_bytes(g, &v))
			return LOOKUP_NO_MEMORY;
	} else if (gid != g->gid || v.len != g->name_len || memcmp(v.bytes, g->bytes, v.len) != 0) {
		errno = EPROTO;
		return LOOKUP_UNAVAILABLE;
	}
	for (size_t pos = 0; wire_next(m, &pos, &tag, &v);) {
		if (tag != WIRE_MEMBER)
			continue;
		if (!gather_bytes(g, &v))
			return LOOKUP_NO_MEMORY;
		g->count++;
	}
	g->more = wire_get_number(m, WIRE_MORE, &more) && more == 1;
	return LOOKUP_DONE;
}

void lookup_use_group(const struct gathered *g, lookup_group_fn *use, void *arg)
{
	size_t skip = g->name_len + 1;
	struct lookup_group out = {
		.name = {g->bytes, g->name_len},
		.members = {g->bytes + skip, g->len - skip},
		.count = g->count,
		.gid = g->gid,
	};

	use(arg, &out);
}

static enum lookup_status group(uint8_t type, const char *name, const uint32_t *gid, lookup_group_fn *use, void *arg)
{
	struct question q;
	struct gathered g = {0};
	enum lookup_status s;

	if (!lookup_ask(&q, type, name, gid))
		return LOOKUP_UNAVAILABLE;
	do {
		struct wire_packet p;
		struct wire_message m;

		s = lookup_hear(&q, WIRE_GROUP, WIRE_GROUP, &p, &m);
		if (s != LOOKUP_DONE) {
			if (s == LOOKUP_NOT_FOUND && g.bytes != NULL) {
				errno = EPROTO; /* half a group is not "none" */
				s = LOOKUP_UNAVAILABLE;
			}
			break;
		}
		s = lookup_gather(&g, &m);
		wire_packet_free(&p);
	} while (s == LOOKUP_DONE && g.more);
	lookup_hang_up(&q);
	if (s == LOOKUP_DONE)
		lookup_use_group(&g, use, arg);
	int e = errno;

	free(g.bytes);
	errno = e;
	return s;
}

enum lookup_status lookup_account_by_name(const char *name, lookup_account_fn *use, void *arg)
{
	return account(WIRE_GET_ACCOUNT_BY_NAME, name, NULL, use, arg);
}

enum lookup_status lookup_account_by_uid(uint32_t uid, lookup_account_fn *use, void *arg)
{
	return account(WIRE_GET_ACCOUNT_BY_UID, NULL, &uid, use, arg);
}

enum lookup_status lookup_group_by_name(const char *name, lookup_group_fn *use, void *arg)
{
	return group(WIRE_GET_GROUP_BY_NAME, name, NULL, use, arg);
}

enum lookup_status lookup_group_by_gid(uint32_t gid, lookup_group_fn *use, void *arg)
{
	return group(WIRE_GET_GROUP_BY_GID, NULL, &gid, use, arg);
}

enum lookup_status lookup_groups_of(const char *name, lookup_gids_fn *use, void *arg)
{
	struct question q;
	struct wire_packet p;
	struct wire_message m;
	struct wire_value v;

	if (!lookup_ask(&q, WIRE_GET_GROUPS_OF, name, NULL))
		return LOOKUP_UNAVAILABLE;
	enum lookup_status s = lookup_hear(&q, WIRE_GROUPS, WIRE_GROUPS, &p, &m);

	lookup_hang_up(&q);
	if (s == LOOKUP_DONE) {
		(void)wire_get(&m, WIRE_GIDS, &v);
		struct lookup_gids g = {v.bytes, v.len / 4};

		use(arg, &g);
		wire_packet_free(&p);
	}
	return s;
}
