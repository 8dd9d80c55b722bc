/* Copies a lent answer into a caller's buffer, checking it on the way. */
#ifndef SALLYPORT_FILL_H
#define SALLYPORT_FILL_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdbool.h>

#include "lookup.h"

/* Whether the daemon could know the name at all; see fill.c. */
bool fill_name_possible(const char *name);

/*
 * NSS_STATUS_SUCCESS; NSS_STATUS_TRYAGAIN with *error ERANGE when the buffer is
 * too small, known before a byte is written; NSS_STATUS_UNAVAIL with EPROTO for
 * an answer that may not enter a program.
 */
enum nss_status fill_passwd(const struct lookup_account *a, struct passwd *out, char *buf, size_t len, int *error);
enum nss_status fill_group(const struct lookup_group *g, struct group *out, char *buf, size_t len, int *error);

#endif
