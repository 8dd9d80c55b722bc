/*
 * libsubid's interface for plugins, as shadow 4.9 and later have it, and what the
 * parts of this one say to each other.
 */
#ifndef SALLYPORT_SUBID_H
#define SALLYPORT_SUBID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum subid_type {
	ID_TYPE_UID = 1,
	ID_TYPE_GID = 2,
};

enum subid_status {
	SUBID_STATUS_SUCCESS = 0,
	SUBID_STATUS_UNKNOWN_USER = 1,
	SUBID_STATUS_ERROR_CONN = 2,
	SUBID_STATUS_ERROR = 3,
};

struct subid_range {
	unsigned long start;
	unsigned long count;
};

/* One line of subuid(5) or subgid(5). The owner is not NUL terminated. */
struct subid_line {
	const char *owner;
	size_t owner_len;
	uint64_t start, count;
};

/* Called for each line that is one; false ends the reading. */
typedef bool subid_line_fn(void *arg, const struct subid_line *l);

/* False: the file is there and cannot be read. */
bool subid_file(enum subid_type type, subid_line_fn *use, void *arg);
bool subid_parse(const char *line, size_t len, struct subid_line *l);

/* Called for each range that the snapshot has; false ends the reading. */
typedef bool subid_given_fn(void *arg, uint32_t start, uint32_t uid);

/* False: there is no snapshot that may be used. */
bool subid_snapshot(subid_given_fn *use, void *arg);

/* 1: the daemon says where the account's range begins. 0: there is none. -1: it cannot tell. */
int subid_ask(const char *owner, uint32_t *start);

enum {
	SUBID_COUNT = 65536, /* what every account has */
};

/* What may be anybody's range: the rule of identity.CheckSubIDs. */
static inline bool subid_start_ok(uint32_t start)
{
	return start > 65535 && (uint64_t)start + SUBID_COUNT - 1 < INT32_MAX;
}

#endif
