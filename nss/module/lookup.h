/*
 * The seam between what glibc asks and where the answer comes from. nss.c knows
 * glibc and no source; a source knows where to look and nothing of glibc. A
 * mapped snapshot goes in front of lookup_socket.c behind these same functions.
 *
 * An answer is lent: its bytes belong to the source and are valid only until the
 * function that was given them returns, so that a source may keep them in a
 * mapping, on the stack or in a packet. Texts are not NUL terminated and hold no
 * NUL. A source promises form (lengths within bounds); nss.c checks names, ids
 * and texts, since they are about to enter somebody else's program.
 */
#ifndef SALLYPORT_LOOKUP_H
#define SALLYPORT_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup_text {
	const char *bytes;
	size_t len;
};

struct lookup_account {
	struct lookup_text name, full_name, home, shell;
	uint32_t uid, gid;
};

/* Members are one block of NUL-terminated names, one after the other. */
struct lookup_group {
	struct lookup_text name, members;
	size_t count;
	uint32_t gid;
};

/* The group ids of one account; four bytes each, little-endian, unaligned. */
struct lookup_gids {
	const uint8_t *bytes;
	size_t count;
};

enum lookup_status {
	LOOKUP_UNAVAILABLE, /* nobody could say; errno says why */
	LOOKUP_NOT_FOUND,   /* there is none, with authority */
	LOOKUP_NO_MEMORY,
	LOOKUP_DONE, /* the function was called once, with the answer */
};

typedef void lookup_account_fn(void *arg, const struct lookup_account *a);
typedef void lookup_group_fn(void *arg, const struct lookup_group *g);
typedef void lookup_gids_fn(void *arg, const struct lookup_gids *g);

enum lookup_status lookup_account_by_name(const char *name, lookup_account_fn *use, void *arg);
enum lookup_status lookup_account_by_uid(uint32_t uid, lookup_account_fn *use, void *arg);
enum lookup_status lookup_group_by_name(const char *name, lookup_group_fn *use, void *arg);
enum lookup_status lookup_group_by_gid(uint32_t gid, lookup_group_fn *use, void *arg);
enum lookup_status lookup_groups_of(const char *name, lookup_gids_fn *use, void *arg);

/*
 * All accounts or all groups, as they were at one moment. The list is plain
 * memory: it survives fork and needs no daemon once it is there.
 */
struct lookup_list;

enum lookup_status lookup_list_accounts(struct lookup_list **l);
enum lookup_status lookup_list_groups(struct lookup_list **l);
void lookup_list_free(struct lookup_list *l);

/* The record at *pos, and *pos moved past it; LOOKUP_NOT_FOUND at the end. */
enum lookup_status lookup_list_account(const struct lookup_list *l, size_t *pos, lookup_account_fn *use, void *arg);
enum lookup_status lookup_list_group(const struct lookup_list *l, size_t *pos, lookup_group_fn *use, void *arg);

#endif
