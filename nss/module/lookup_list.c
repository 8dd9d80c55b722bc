/*
 * All accounts or all groups from the daemon. The list is kept as its packets
 * came, so that nothing is read twice and a fork has it too.
 */
#include <stdlib.h>
#include <string.h>

#include "lookup_socket.h"

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

enum lookup_status socket_list(bool accounts, struct lookup_list **out)
{
	struct question q;
	struct lookup_list *l = calloc(1, sizeof *l);
	uint8_t type = accounts ? WIRE_LIST_ACCOUNTS : WIRE_LIST_GROUPS, want = accounts ? WIRE_ACCOUNT : WIRE_GROUP;
	enum lookup_status s = LOOKUP_DONE;
	bool ended = false;

	*out = NULL;
	if (l == NULL)
		return LOOKUP_NO_MEMORY;
	if (!lookup_ask(&q, type, NULL)) {
		int e = errno;

		free(l);
		errno = e;
		return LOOKUP_UNAVAILABLE;
	}
	while (!ended) {
		struct wire_packet p;
		struct wire_message m;

		s = lookup_hear(&q, want, WIRE_END, &p, &m);
		if (s != LOOKUP_DONE)
			break;
		ended = m.type == WIRE_END;
		if (!ended && !list_append(l, &p))
			s = LOOKUP_NO_MEMORY;
		wire_packet_free(&p);
		if (s != LOOKUP_DONE)
			break;
	}
	lookup_hang_up(&q);
	if (s == LOOKUP_DONE) {
		*out = l;
	} else {
		int e = errno;

		socket_list_free(l);
		errno = e;
	}
	return s;
}

void socket_list_free(struct lookup_list *l)
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

enum lookup_status socket_list_passwd(const struct lookup_list *l, size_t *pos, struct passwd *out, struct room *r)
{
	struct wire_message m;
	size_t at = *pos;

	if (!list_next(l, &at, &m))
		return LOOKUP_NOT_FOUND;
	enum lookup_status s = lookup_give_account(&m, out, r);

	if (s != LOOKUP_TOO_SMALL)
		*pos = at;
	return s;
}

enum lookup_status socket_list_group(const struct lookup_list *l, size_t *pos, struct group *out, struct room *r)
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
		s = lookup_gather(&g, &m);
	} while (s == LOOKUP_DONE && g.more);
	if (s == LOOKUP_DONE) {
		s = lookup_give_group(&g, out, r);
		if (s != LOOKUP_TOO_SMALL)
			*pos = at;
	}
	int e = errno;

	free(g.bytes);
	errno = e;
	return s;
}
