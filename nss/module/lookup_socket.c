/*
 * The source that asks the daemon over lookup.sock.
 *
 * One connection per question, closed before the answer is used up: nothing is
 * kept that a fork, an exec or a host that closes all descriptors could break.
 * Working, or the answer itself, must come within 50 ms of the first attempt to
 * connect; after that each message may take the lookup deadline.
 */
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "socket.h"

#ifndef SALLYPORT_LOOKUP_SOCKET
#define SALLYPORT_LOOKUP_SOCKET "/run/sallyport/lookup.sock"
#endif
#ifndef SALLYPORT_LOOKUP_DEADLINE_MS
#define SALLYPORT_LOOKUP_DEADLINE_MS 5000
#endif

enum {
	MAX_REQUEST = 1024,	      /* a name of at most 512 bytes, see nss.c */
	MAX_LIST = 256 * 1024 * 1024, /* bytes of one list or group */
};

/* A question under way. */
struct question {
	int fd;
	int64_t deadline;
};

static bool ask(struct question *q, uint8_t type, const char *name, const uint32_t *id)
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

static void hang_up(struct question *q)
{
	int e = errno;

	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	errno = e;
}

/*
 * The next message of the wanted type. LOOKUP_DONE leaves the packet to be
 * freed; "over" is the type that ends a list, or the wanted one.
 */
static enum lookup_status hear(struct question *q, uint8_t want, uint8_t over, struct wire_packet *p,
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

static void use_account(const struct wire_message *m, lookup_account_fn *use, void *arg)
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

	if (!ask(&q, type, name, uid))
		return LOOKUP_UNAVAILABLE;
	enum lookup_status s = hear(&q, WIRE_ACCOUNT, WIRE_ACCOUNT, &p, &m);

	hang_up(&q);
	if (s == LOOKUP_DONE) {
		use_account(&m, use, arg);
		wire_packet_free(&p);
	}
	return s;
}

/* A group as its packets come in. */
struct gathered {
	char *bytes; /* the name, then its members, each ending in NUL */
	size_t len, cap, name_len, count;
	uint32_t gid;
	bool more;
};

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

/* Adds one packet, which must be about the same group as those before it. */
static enum lookup_status gather(struct gathered *g, const struct wire_message *m)
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

static void use_group(const struct gathered *g, lookup_group_fn *use, void *arg)
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

	if (!ask(&q, type, name, gid))
		return LOOKUP_UNAVAILABLE;
	do {
		struct wire_packet p;
		struct wire_message m;

		s = hear(&q, WIRE_GROUP, WIRE_GROUP, &p, &m);
		if (s != LOOKUP_DONE) {
			if (s == LOOKUP_NOT_FOUND && g.bytes != NULL) {
				errno = EPROTO; /* half a group is not "none" */
				s = LOOKUP_UNAVAILABLE;
			}
			break;
		}
		s = gather(&g, &m);
		wire_packet_free(&p);
	} while (s == LOOKUP_DONE && g.more);
	hang_up(&q);
	if (s == LOOKUP_DONE)
		use_group(&g, use, arg);
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

	if (!ask(&q, WIRE_GET_GROUPS_OF, name, NULL))
		return LOOKUP_UNAVAILABLE;
	enum lookup_status s = hear(&q, WIRE_GROUPS, WIRE_GROUPS, &p, &m);

	hang_up(&q);
	if (s == LOOKUP_DONE) {
		(void)wire_get(&m, WIRE_GIDS, &v);
		struct lookup_gids g = {v.bytes, v.len / 4};

		use(arg, &g);
		wire_packet_free(&p);
	}
	return s;
}

/* The packets of a list as they came, each behind its length. */
struct lookup_list {
	size_t len, cap;
	uint8_t *bytes;
};

static bool list_append(struct lookup_list *l, const struct wire_packet *p)
{
	size_t need = l->len + sizeof(uint32_t) + p->len;
	uint32_t n = (uint32_t)p->len;

	if (need > MAX_LIST)
		return false;
	if (need > l->cap) {
		size_t cap = need < 65536 ? 65536 : need * 2;
		uint8_t *b = realloc(l->bytes, cap);

		if (b == NULL)
			return false;
		l->bytes = b;
		l->cap = cap;
	}
	memcpy(l->bytes + l->len, &n, sizeof n);
	memcpy(l->bytes + l->len + sizeof n, p->bytes, p->len);
	l->len = need;
	return true;
}

static enum lookup_status list(uint8_t type, uint8_t want, struct lookup_list **out)
{
	struct question q;
	struct lookup_list *l = calloc(1, sizeof *l);
	enum lookup_status s = LOOKUP_DONE;
	bool ended = false;

	*out = NULL;
	if (l == NULL)
		return LOOKUP_NO_MEMORY;
	if (!ask(&q, type, NULL, NULL)) {
		int e = errno;

		free(l);
		errno = e;
		return LOOKUP_UNAVAILABLE;
	}
	while (!ended) {
		struct wire_packet p;
		struct wire_message m;

		s = hear(&q, want, WIRE_END, &p, &m);
		if (s != LOOKUP_DONE)
			break;
		ended = m.type == WIRE_END;
		if (!ended && !list_append(l, &p))
			s = LOOKUP_NO_MEMORY;
		wire_packet_free(&p);
		if (s != LOOKUP_DONE)
			break;
	}
	hang_up(&q);
	if (s == LOOKUP_DONE) {
		*out = l;
	} else {
		int e = errno;

		lookup_list_free(l);
		errno = e;
	}
	return s;
}

enum lookup_status lookup_list_accounts(struct lookup_list **l)
{
	return list(WIRE_LIST_ACCOUNTS, WIRE_ACCOUNT, l);
}

enum lookup_status lookup_list_groups(struct lookup_list **l)
{
	return list(WIRE_LIST_GROUPS, WIRE_GROUP, l);
}

void lookup_list_free(struct lookup_list *l)
{
	if (l == NULL)
		return;
	free(l->bytes);
	free(l);
}

static bool list_next(const struct lookup_list *l, size_t *pos, struct wire_message *m)
{
	uint32_t n;

	if (*pos >= l->len)
		return false;
	memcpy(&n, l->bytes + *pos, sizeof n); /* ours: list_append wrote it */
	if (!wire_parse(l->bytes + *pos + sizeof n, n, m))
		return false;
	*pos += sizeof n + n;
	return true;
}

enum lookup_status lookup_list_account(const struct lookup_list *l, size_t *pos, lookup_account_fn *use, void *arg)
{
	struct wire_message m;

	if (!list_next(l, pos, &m))
		return LOOKUP_NOT_FOUND;
	use_account(&m, use, arg);
	return LOOKUP_DONE;
}

enum lookup_status lookup_list_group(const struct lookup_list *l, size_t *pos, lookup_group_fn *use, void *arg)
{
	struct gathered g = {0};
	struct wire_message m;
	enum lookup_status s = LOOKUP_DONE;
	size_t at = *pos;

	do {
		if (!list_next(l, &at, &m)) {
			s = g.bytes == NULL ? LOOKUP_NOT_FOUND : LOOKUP_UNAVAILABLE;
			errno = EPROTO;
			break;
		}
		s = gather(&g, &m);
	} while (s == LOOKUP_DONE && g.more);
	if (s == LOOKUP_DONE) {
		use_group(&g, use, arg);
		*pos = at;
	}
	int e = errno;

	free(g.bytes);
	errno = e;
	return s;
}
