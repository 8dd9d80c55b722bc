/*
 * The local protocol, for C. docs/protocol.md is the reference and package wire
 * is the same for Go; testdata/vectors.txt holds the two to each other.
 *
 * Header only, so that each shared object carries its own copy and exports
 * nothing. No allocation, no global, no copy: a message refers to the packet's
 * bytes. A message that wire_parse accepted has every field that its type must
 * have, none that it may not, and no value of a wrong form; values are not NUL
 * terminated and hold no NUL. Reading a value that was not checked is not
 * possible through these functions.
 */
#ifndef SALLYPORT_WIRE_H
#define SALLYPORT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	WIRE_VERSION = 1,
	WIRE_HEADER = 4,
	WIRE_FIELD_HEADER = 4,
	WIRE_MAX_PACKET = 65536,
};

enum wire_type {
	WIRE_GET_ACCOUNT_BY_NAME = 0x01,
	WIRE_GET_ACCOUNT_BY_UID = 0x02,
	WIRE_GET_GROUP_BY_NAME = 0x03,
	WIRE_GET_GROUP_BY_GID = 0x04,
	WIRE_GET_GROUPS_OF = 0x05,
	WIRE_LIST_ACCOUNTS = 0x06,
	WIRE_LIST_GROUPS = 0x07,
	WIRE_GET_SSH_KEYS = 0x08,
	WIRE_GET_SUBIDS = 0x09,
	WIRE_BEGIN = 0x10,
	WIRE_ANSWER = 0x11,
	WIRE_CONTROL = 0x20,
	WIRE_WORKING = 0x40,
	WIRE_ACCOUNT = 0x41,
	WIRE_GROUP = 0x42,
	WIRE_GROUPS = 0x43,
	WIRE_SSH_KEY = 0x44,
	WIRE_SUBIDS = 0x45,
	WIRE_END = 0x4d,
	WIRE_NOT_FOUND = 0x4e,
	WIRE_UNAVAILABLE = 0x4f,
	WIRE_PROMPT = 0x50,
	WIRE_TELL = 0x51,
	WIRE_VERDICT = 0x52,
	WIRE_ITEM = 0x60,
	WIRE_DONE = 0x61,
};

/* Every tag is below 64, so that a set of them is one word. */
enum wire_tag {
	WIRE_NAME = 1,
	WIRE_UID = 2,
	WIRE_GID = 3,
	WIRE_FULL_NAME = 4,
	WIRE_HOME = 5,
	WIRE_SHELL = 6,
	WIRE_MEMBER = 7,
	WIRE_GIDS = 8,
	WIRE_MORE = 9,
	WIRE_KEY_LINE = 10,
	WIRE_LOCAL_GIDS = 11,
	WIRE_START = 12,
	WIRE_COUNT = 13,
	WIRE_CERTIFICATE = 14,
	WIRE_OPERATION = 20,
	WIRE_FLAGS = 21,
	WIRE_SERVICE = 22,
	WIRE_TTY = 23,
	WIRE_REMOTE_USER = 24,
	WIRE_REMOTE_HOST = 25,
	WIRE_FIRST_PASS = 26,
	WIRE_OLD_PASS = 27,
	WIRE_SECRET = 28,
	WIRE_SESSION = 29,
	WIRE_STYLE = 30,
	WIRE_TEXT = 31,
	WIRE_CODE = 32,
	WIRE_ENVIRONMENT = 33,
	WIRE_DELAY = 34,
	WIRE_PROCESS = 35,
	WIRE_CALLER = 36,
	WIRE_LOGIND = 37,
	WIRE_AUTH_INFO = 38,
	WIRE_VERB = 40,
	WIRE_JSON = 41,
};

/* Bits of WIRE_FLAGS in WIRE_BEGIN. */
enum {
	WIRE_FLAG_SILENT = 1,
	WIRE_FLAG_ONLY_FIRST_PASS = 2,
	WIRE_FLAG_PRELIM = 4,
};

struct wire_schema {
	uint64_t must, may, repeated;
};

#define WIRE_BIT(tag) (UINT64_C(1) << (tag))

/* The same table as SchemaOf in message.go. */
static inline bool wire_schema_of(uint8_t type, struct wire_schema *s)
{
	*s = (struct wire_schema){0};
	switch (type) {
	case WIRE_GET_ACCOUNT_BY_NAME:
	case WIRE_GET_GROUP_BY_NAME:
	case WIRE_GET_GROUPS_OF:
	case WIRE_GET_SUBIDS:
		s->must = WIRE_BIT(WIRE_NAME);
		return true;
	case WIRE_GET_SSH_KEYS:
		s->must = WIRE_BIT(WIRE_NAME);
		s->may = WIRE_BIT(WIRE_CERTIFICATE);
		return true;
	case WIRE_GET_ACCOUNT_BY_UID:
		s->must = WIRE_BIT(WIRE_UID);
		return true;
	case WIRE_GET_GROUP_BY_GID:
		s->must = WIRE_BIT(WIRE_GID);
		return true;
	case WIRE_LIST_ACCOUNTS:
	case WIRE_LIST_GROUPS:
	case WIRE_WORKING:
	case WIRE_END:
	case WIRE_NOT_FOUND:
		return true;
	case WIRE_ACCOUNT:
		s->must = WIRE_BIT(WIRE_NAME) | WIRE_BIT(WIRE_UID) | WIRE_BIT(WIRE_GID) |
			  WIRE_BIT(WIRE_FULL_NAME) | WIRE_BIT(WIRE_HOME) | WIRE_BIT(WIRE_SHELL);
		return true;
	case WIRE_GROUP:
		s->must = WIRE_BIT(WIRE_NAME) | WIRE_BIT(WIRE_GID);
		s->may = WIRE_BIT(WIRE_MORE);
		s->repeated = WIRE_BIT(WIRE_MEMBER);
		return true;
	case WIRE_GROUPS:
		s->must = WIRE_BIT(WIRE_GIDS);
		s->may = WIRE_BIT(WIRE_LOCAL_GIDS);
		return true;
	case WIRE_SUBIDS:
		s->must = WIRE_BIT(WIRE_START) | WIRE_BIT(WIRE_COUNT);
		return true;
	case WIRE_SSH_KEY:
		s->must = WIRE_BIT(WIRE_KEY_LINE);
		return true;
	case WIRE_UNAVAILABLE:
		s->may = WIRE_BIT(WIRE_TEXT);
		return true;
	case WIRE_BEGIN:
		s->must = WIRE_BIT(WIRE_OPERATION) | WIRE_BIT(WIRE_FLAGS) | WIRE_BIT(WIRE_SERVICE) |
			  WIRE_BIT(WIRE_NAME);
		s->may = WIRE_BIT(WIRE_TTY) | WIRE_BIT(WIRE_REMOTE_USER) | WIRE_BIT(WIRE_REMOTE_HOST) |
			 WIRE_BIT(WIRE_FIRST_PASS) | WIRE_BIT(WIRE_OLD_PASS) | WIRE_BIT(WIRE_SESSION) |
			 WIRE_BIT(WIRE_PROCESS) | WIRE_BIT(WIRE_CALLER) | WIRE_BIT(WIRE_LOGIND) |
			 WIRE_BIT(WIRE_AUTH_INFO);
		return true;
	case WIRE_ANSWER:
		s->must = WIRE_BIT(WIRE_SECRET);
		return true;
	case WIRE_PROMPT:
	case WIRE_TELL:
		s->must = WIRE_BIT(WIRE_STYLE) | WIRE_BIT(WIRE_TEXT);
		return true;
	case WIRE_VERDICT:
		s->must = WIRE_BIT(WIRE_CODE);
		s->may = WIRE_BIT(WIRE_SECRET) | WIRE_BIT(WIRE_GIDS) | WIRE_BIT(WIRE_DELAY);
		s->repeated = WIRE_BIT(WIRE_ENVIRONMENT);
		return true;
	case WIRE_CONTROL:
		s->must = WIRE_BIT(WIRE_VERB);
		s->may = WIRE_BIT(WIRE_JSON);
		return true;
	case WIRE_ITEM:
		s->must = WIRE_BIT(WIRE_JSON);
		s->may = WIRE_BIT(WIRE_MORE);
		return true;
	case WIRE_DONE:
		s->must = WIRE_BIT(WIRE_CODE);
		s->may = WIRE_BIT(WIRE_TEXT);
		return true;
	default:
		return false;
	}
}

/* A value within a packet. It is not NUL terminated. */
struct wire_value {
	const uint8_t *bytes;
	size_t len;
};

struct wire_message {
	uint8_t type;
	const uint8_t *fields;
	size_t len;
};

static inline uint16_t wire_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | (uint16_t)(p[1] << 8));
}

static inline uint32_t wire_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/*
 * Walks the fields: true with the next tag and value, false at the end and at a
 * field that reaches over it. *pos begins at 0.
 */
static inline bool wire_next(const struct wire_message *m, size_t *pos, uint16_t *tag, struct wire_value *v)
{
	if (*pos > m->len || m->len - *pos < WIRE_FIELD_HEADER)
		return false;
	const uint8_t *p = m->fields + *pos;
	size_t n = wire_u16(p + 2);

	if (n > m->len - *pos - WIRE_FIELD_HEADER)
		return false;
	*tag = wire_u16(p);
	*v = (struct wire_value){p + WIRE_FIELD_HEADER, n};
	*pos += WIRE_FIELD_HEADER + n;
	return true;
}

static inline bool wire_value_ok(uint16_t tag, const struct wire_value *v)
{
	switch (tag) {
	case WIRE_UID:
	case WIRE_GID:
	case WIRE_MORE:
	case WIRE_START:
	case WIRE_COUNT:
	case WIRE_OPERATION:
	case WIRE_FLAGS:
	case WIRE_STYLE:
	case WIRE_CODE:
	case WIRE_DELAY:
		return v->len == 4;
	case WIRE_GIDS:
	case WIRE_LOCAL_GIDS:
	case WIRE_SESSION:
	case WIRE_PROCESS:
	case WIRE_CALLER:
		return v->len % 4 == 0;
	default: /* texts and secrets */
		return v->len == 0 || memchr(v->bytes, 0, v->len) == NULL;
	}
}

/* Reads one packet. False means malformed, and then *m is not to be used. */
static inline bool wire_parse(const uint8_t *packet, size_t len, struct wire_message *m)
{
	struct wire_schema s;
	struct wire_value v;
	uint64_t seen = 0;
	uint16_t tag;
	size_t pos = 0;

	if (len < WIRE_HEADER || len > WIRE_MAX_PACKET)
		return false;
	if (packet[0] != WIRE_VERSION || packet[2] != 0 || packet[3] != 0)
		return false;
	if (!wire_schema_of(packet[1], &s))
		return false;
	*m = (struct wire_message){packet[1], packet + WIRE_HEADER, len - WIRE_HEADER};
	while (wire_next(m, &pos, &tag, &v)) {
		if (tag >= 64)
			return false;
		uint64_t bit = WIRE_BIT(tag);

		if (!((s.must | s.may | s.repeated) & bit))
			return false;
		if ((seen & bit) && !(s.repeated & bit))
			return false;
		if (!wire_value_ok(tag, &v))
			return false;
		seen |= bit;
	}
	return pos == m->len && (seen & s.must) == s.must;
}

/* The first value of a field; false when there is none. */
static inline bool wire_get(const struct wire_message *m, uint16_t tag, struct wire_value *v)
{
	size_t pos = 0;
	uint16_t t;

	while (wire_next(m, &pos, &t, v))
		if (t == tag)
			return true;
	*v = (struct wire_value){0};
	return false;
}

/* The first value of a number field; false when there is none. */
static inline bool wire_get_number(const struct wire_message *m, uint16_t tag, uint32_t *n)
{
	struct wire_value v;

	if (!wire_get(m, tag, &v) || v.len != 4)
		return false;
	*n = wire_u32(v.bytes);
	return true;
}

/* Writes one message into a buffer of the caller's. */
struct wire_writer {
	uint8_t *buf;
	size_t cap, len;
	bool full; /* something did not fit; the message is void */
};

static inline void wire_begin(struct wire_writer *w, void *buf, size_t cap, uint8_t type)
{
	*w = (struct wire_writer){.buf = buf, .cap = cap < WIRE_MAX_PACKET ? cap : WIRE_MAX_PACKET};
	if (w->cap < WIRE_HEADER) {
		w->full = true;
		return;
	}
	w->buf[0] = WIRE_VERSION;
	w->buf[1] = type;
	w->buf[2] = w->buf[3] = 0;
	w->len = WIRE_HEADER;
}

static inline void wire_put(struct wire_writer *w, uint16_t tag, const void *bytes, size_t n)
{
	if (w->full || w->cap - w->len < WIRE_FIELD_HEADER || n > w->cap - w->len - WIRE_FIELD_HEADER ||
	    n > UINT16_MAX) {
		w->full = true;
		return;
	}
	uint8_t *p = w->buf + w->len;

	p[0] = (uint8_t)(tag & 0xff);
	p[1] = (uint8_t)(tag >> 8);
	p[2] = (uint8_t)(n & 0xff);
	p[3] = (uint8_t)(n >> 8);
	if (n > 0)
		memcpy(p + WIRE_FIELD_HEADER, bytes, n);
	w->len += WIRE_FIELD_HEADER + n;
}

static inline void wire_put_text(struct wire_writer *w, uint16_t tag, const char *text)
{
	wire_put(w, tag, text, strlen(text));
}

static inline void wire_put_number(struct wire_writer *w, uint16_t tag, uint32_t n)
{
	uint8_t b[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24)};

	wire_put(w, tag, b, sizeof b);
}

/*
 * Whether a numeric id can ever come from a directory. The same ranges as
 * CheckID in package identity, which gives the reasons.
 */
static inline bool wire_id_ok(uint32_t id)
{
	return id >= 1000 && !(id >= 60001 && id <= 65535) && !(id >= 2147352576U && id <= 2147418111U) &&
	       id < 4294967294U;
}

#endif
