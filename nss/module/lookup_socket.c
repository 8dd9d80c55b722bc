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

#include "fill.h"
#include "lookup_socket.h"
#include "places.h"

enum {
	MAX_REQUEST = 1024, /* a name of at most 320 bytes, see key.h */
};

bool lookup_ask(struct question *q, uint8_t type, const struct key *k)
{
	uint8_t buf[MAX_REQUEST];
	struct wire_writer w;

	q->deadline = wire_after_ms(SALLYPORT_ACKNOWLEDGE_MS);
	wire_begin(&w, buf, sizeof buf, type);
	if (k != NULL && k->typed != NULL)
		wire_put_text(&w, WIRE_NAME, k->typed);
	else if (k != NULL)
		wire_put_number(&w, type == WIRE_GET_ACCOUNT_BY_UID ? WIRE_UID : WIRE_GID, k->id);
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

static struct wire_value text(const struct wire_message *m, uint16_t tag)
{
	struct wire_value v;

	(void)wire_get(m, tag, &v); /* must be there, or wire_parse had refused */
	return v;
}

static char *put(char *at, const void *bytes, size_t n)
{
	if (n > 0)
		memcpy(at, bytes, n);
	at[n] = '\0';
	return at + n + 1;
}

enum lookup_status lookup_give_account(const struct wire_message *m, struct passwd *out, struct room *r)
{
	struct wire_value name = text(m, WIRE_NAME), full_name = text(m, WIRE_FULL_NAME);
	struct wire_value home = text(m, WIRE_HOME), shell = text(m, WIRE_SHELL);
	struct fill_passwd p = {.name = name.len, .full_name = full_name.len, .home = home.len, .shell = shell.len};
	char *at = r->buf;

	(void)wire_get_number(m, WIRE_UID, &p.uid);
	(void)wire_get_number(m, WIRE_GID, &p.gid);
	if (fill_passwd_size(&p) > r->len)
		return LOOKUP_TOO_SMALL;
	at = put(at, name.bytes, name.len);
	at = put(at, "x", 1);
	at = put(at, full_name.bytes, full_name.len);
	at = put(at, home.bytes, home.len);
	(void)put(at, shell.bytes, shell.len);
	return fill_passwd(&p, out, r->buf, r->buf) ? LOOKUP_DONE : LOOKUP_REFUSED;
}

enum lookup_status socket_passwd(const struct key *k, struct passwd *out, struct room *r)
{
	struct question q;
	struct wire_packet p;
	struct wire_message m;

	if (!lookup_ask(&q, k->typed != NULL ? WIRE_GET_ACCOUNT_BY_NAME : WIRE_GET_ACCOUNT_BY_UID, k))
		return LOOKUP_UNAVAILABLE;
	enum lookup_status s = lookup_hear(&q, WIRE_ACCOUNT, WIRE_ACCOUNT, &p, &m);

	lookup_hang_up(&q);
	if (s == LOOKUP_DONE) {
		s = lookup_give_account(&m, out, r);
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

enum lookup_status lookup_give_group(const struct gathered *g, struct group *out, struct room *r)
{
	size_t skip = g->name_len + 1;
	const struct fill_group f = {.name = g->name_len, .count = g->count, .bytes = g->len - skip, .gid = g->gid};

	if (fill_group_size(&f, r->buf) > r->len)
		return LOOKUP_TOO_SMALL;
	char *texts = r->buf + fill_group_offset(&f, r->buf), *at = texts;

	at = put(at, g->bytes, g->name_len);
	at = put(at, "x", 1);
	if (f.bytes > 0)
		memcpy(at, g->bytes + skip, f.bytes);
	return fill_group(&f, out, texts, texts + f.name + 3) ? LOOKUP_DONE : LOOKUP_REFUSED;
}

enum lookup_status socket_group(const struct key *k, struct group *out, struct room *r)
{
	struct question q;
	struct gathered g = {0};
	enum lookup_status s;

	if (!lookup_ask(&q, k->typed != NULL ? WIRE_GET_GROUP_BY_NAME : WIRE_GET_GROUP_BY_GID, k))
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
		s = lookup_give_group(&g, out, r);
	int e = errno;

	free(g.bytes);
	errno = e;
	return s;
}

enum lookup_status socket_groups_of(const struct key *k, lookup_gids_fn *use, void *arg)
{
	struct question q;
	struct wire_packet p;
	struct wire_message m;

	if (!lookup_ask(&q, WIRE_GET_GROUPS_OF, k))
		return LOOKUP_UNAVAILABLE;
	enum lookup_status s = lookup_hear(&q, WIRE_GROUPS, WIRE_GROUPS, &p, &m);

	lookup_hang_up(&q);
	if (s == LOOKUP_DONE) {
		struct wire_value gids = text(&m, WIRE_GIDS), local = text(&m, WIRE_LOCAL_GIDS);
		const struct lookup_gids g = {.gids = gids.bytes, .n = gids.len / 4, .local = local.bytes, .locals = local.len / 4};

		s = use(arg, &g);
		wire_packet_free(&p);
	}
	return s;
}
