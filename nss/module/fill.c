#include "fill.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "wire.h"

enum {
	MAX_NAME = 64,	 /* identity.MaxNameLen */
	MAX_REALM = 255, /* what may follow an '@' */
};

/* The rule of identity.ParseName; "typed" lets upper case pass, for the daemon to fold. */
static bool name_ok(const char *s, size_t len, bool typed)
{
	bool digits = true;

	if (len == 0 || len > MAX_NAME)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if ((c >= 'a' && c <= 'z') || c == '_' || (typed && c >= 'A' && c <= 'Z'))
			digits = false;
		else if ((c == '-' || c == '.') && i > 0)
			digits = false;
		else if (c < '0' || c > '9')
			return false;
	}
	return !digits;
}

/*
 * A name that can be none of ours costs no question: the programs that ask for
 * "+@netgroup" or a terminal's path are many. A realm may follow the name.
 */
bool fill_name_possible(const char *name)
{
	const char *at = strchr(name, '@');

	if (at == NULL)
		return name_ok(name, strnlen(name, MAX_NAME + 1), true);
	size_t realm = strnlen(at + 1, MAX_REALM + 1);

	if (realm == 0 || realm > MAX_REALM)
		return false;
	for (const char *p = at + 1; *p != '\0'; p++) {
		char c = *p;
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
			return false;
	}
	return name_ok(name, (size_t)(at - name), true);
}

/* What would break a line of passwd(5) is refused here too, whoever sent it. */
static bool text_ok(const struct lookup_text *t)
{
	for (size_t i = 0; i < t->len; i++) {
		unsigned char c = (unsigned char)t->bytes[i];

		if (c == ':' || c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

static bool path_ok(const struct lookup_text *t)
{
	return t->len > 0 && t->bytes[0] == '/' && text_ok(t);
}

static enum nss_status refuse(int *error, enum nss_status status, int why)
{
	*error = why;
	return status;
}

static char *put(char **at, const struct lookup_text *t)
{
	char *p = *at;

	if (t->len > 0)
		memcpy(p, t->bytes, t->len);
	p[t->len] = '\0';
	*at += t->len + 1;
	return p;
}

enum nss_status fill_passwd(const struct lookup_account *a, struct passwd *out, char *buf, size_t len, int *error)
{
	/*
	 * "x", and never "*" or "!": it says that the password is in shadow(5), where
	 * this account has no entry, so pam_unix cannot decide about it. Of any other
	 * account without an entry its account check says that it is in good standing,
	 * and the stack asks it when we cannot decide.
	 */
	const struct lookup_text x = {"x", 1};
	size_t need = a->name.len + 1 + x.len + 1 + a->full_name.len + 1 + a->home.len + 1 + a->shell.len + 1;

	if (!name_ok(a->name.bytes, a->name.len, false) || !wire_id_ok(a->uid) || !wire_id_ok(a->gid) ||
	    !text_ok(&a->full_name) || !path_ok(&a->home) || !path_ok(&a->shell))
		return refuse(error, NSS_STATUS_UNAVAIL, EPROTO);
	if (need > len)
		return refuse(error, NSS_STATUS_TRYAGAIN, ERANGE);
	*out = (struct passwd){
		.pw_name = put(&buf, &a->name),
		.pw_passwd = put(&buf, &x),
		.pw_uid = a->uid,
		.pw_gid = a->gid,
		.pw_gecos = put(&buf, &a->full_name),
		.pw_dir = put(&buf, &a->home),
		.pw_shell = put(&buf, &a->shell),
	};
	return NSS_STATUS_SUCCESS;
}

static bool members_ok(const struct lookup_group *g)
{
	const char *p = g->members.bytes, *end = p + g->members.len;
	size_t n = 0;

	for (; p < end; n++) {
		size_t len = strnlen(p, (size_t)(end - p));

		if (!name_ok(p, len, false))
			return false;
		p += len + 1;
	}
	return n == g->count && p == end;
}

enum nss_status fill_group(const struct lookup_group *g, struct group *out, char *buf, size_t len, int *error)
{
	const struct lookup_text x = {"x", 1};
	size_t pad = -(uintptr_t)buf % _Alignof(char *);
	size_t list = (g->count + 1) * sizeof(char *);
	size_t need = pad + list + g->name.len + 1 + x.len + 1 + g->members.len;

	if (!name_ok(g->name.bytes, g->name.len, false) || !wire_id_ok(g->gid) || !members_ok(g))
		return refuse(error, NSS_STATUS_UNAVAIL, EPROTO);
	if (need > len)
		return refuse(error, NSS_STATUS_TRYAGAIN, ERANGE);
	char **mem = (char **)(void *)(buf + pad), *at = buf + pad + list;
	char *name = put(&at, &g->name), *passwd = put(&at, &x);

	if (g->members.len > 0)
		memcpy(at, g->members.bytes, g->members.len);
	for (size_t i = 0; i < g->count; i++) {
		mem[i] = at;
		at += strlen(at) + 1;
	}
	mem[g->count] = NULL;
	*out = (struct group){.gr_name = name, .gr_passwd = passwd, .gr_gid = g->gid, .gr_mem = mem};
	return NSS_STATUS_SUCCESS;
}
