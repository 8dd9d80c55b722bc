/*
 * What a verdict does to the host: a code, and when it is a yes, PAM items, the
 * environment and groups. Everything in it is checked before any of it is used;
 * one bad part makes the whole PAM_AUTHINFO_UNAVAIL.
 */
#include <grp.h>
#include <limits.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "relay.h"

/* The same numbers as identity.Code. */
enum code { CODE_GRANTED = 1, CODE_NEW_PASSWORD_NEEDED = 7 };

enum { MAX_GROUPS = 4096 };

int verdict_code(enum operation op, uint32_t code)
{
	switch (code) {
	case CODE_GRANTED:
		return PAM_SUCCESS;
	case 2:
		return PAM_AUTH_ERR;
	case 3:
		return PAM_USER_UNKNOWN;
	case 4:
		return PAM_ACCT_EXPIRED;
	case 5:
		return PAM_PERM_DENIED;
	case 6:
		/* Greeters give up for good at PAM_MAXTRIES, and sshd offers fewer
		 * methods from then on, which tells that the name exists. */
		return op == OP_AUTHENTICATE ? PAM_AUTH_ERR : PAM_MAXTRIES;
	case CODE_NEW_PASSWORD_NEEDED:
		/* pam.conf(5)'s "required" takes this for a success. It is the
		 * account check's alone. */
		return op == OP_ACCOUNT ? PAM_NEW_AUTHTOK_REQD : PAM_AUTHINFO_UNAVAIL;
	case 8:
		return PAM_IGNORE;
	case 9:
		return PAM_AUTHTOK_ERR;
	case 10:
		return PAM_AUTHTOK_RECOVERY_ERR;
	case 11:
		return PAM_CONV_ERR;
	default:
		return PAM_AUTHINFO_UNAVAIL;
	}
}

bool verdict_environment_ok(const struct wire_value *line)
{
	size_t i;

	for (i = 0; i < line->len && line->bytes[i] != '='; i++) {
		uint8_t c = line->bytes[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

		if (!letter && !(i > 0 && c >= '0' && c <= '9'))
			return false;
	}
	if (i == 0 || i == line->len)
		return false; /* pam_putenv would delete a variable that has no '=' */
	for (; i < line->len; i++)
		if (line->bytes[i] < 0x20 || line->bytes[i] == 0x7f)
			return false;
	return true;
}

static bool all_ok(const struct wire_message *m)
{
	struct wire_value v;
	uint16_t tag;

	for (size_t pos = 0; wire_next(m, &pos, &tag, &v);) {
		if (tag == WIRE_ENVIRONMENT && !verdict_environment_ok(&v))
			return false;
		if (tag != WIRE_GIDS)
			continue;
		if (v.len / 4 > MAX_GROUPS)
			return false;
		for (size_t i = 0; i < v.len; i += 4)
			if (!wire_id_ok(wire_u32(v.bytes + i)))
				return false;
	}
	return true;
}

static bool set_secret(const struct call *c, const struct wire_message *m)
{
	struct wire_value v;
	int item = PAM_AUTHTOK;

	if (c->op != OP_AUTHENTICATE && c->op != OP_CHANGE_PASSWORD)
		return true;
	if (!wire_get(m, WIRE_SECRET, &v))
		return true;
	if (c->op == OP_CHANGE_PASSWORD && (c->flags & PAM_PRELIM_CHECK))
		item = PAM_OLDAUTHTOK;
	char *s = strndup((const char *)v.bytes, v.len);

	if (s == NULL)
		return false;
	bool ok = pam_set_item(c->pamh, item, s) == PAM_SUCCESS;

	explicit_bzero(s, v.len);
	free(s);
	return ok;
}

static bool set_environment(const struct call *c, const struct wire_message *m)
{
	struct wire_value v;
	uint16_t tag;
	bool ok = true;

	for (size_t pos = 0; ok && wire_next(m, &pos, &tag, &v);) {
		if (tag != WIRE_ENVIRONMENT)
			continue;
		char *line = strndup((const char *)v.bytes, v.len);

		ok = line != NULL && pam_putenv(c->pamh, line) == PAM_SUCCESS;
		free(line);
	}
	return ok;
}

/* Adds the groups to those of this process. False when it cannot, and then adds none. */
static bool add(const struct wire_value *v)
{
	int have = getgroups(0, NULL);

	if (have < 0)
		return false;
	gid_t *all = calloc((size_t)have + v->len / 4, sizeof *all);
	bool ok = all != NULL;

	if (ok && have > 0) {
		have = getgroups(have, all);
		ok = have >= 0;
	}
	if (ok) {
		size_t n = (size_t)have;

		for (size_t i = 0; i < v->len; i += 4) {
			gid_t gid = wire_u32(v->bytes + i);
			bool there = false;

			for (size_t j = 0; j < n && !there; j++)
				there = all[j] == gid;
			if (!there)
				all[n++] = gid;
		}
		ok = setgroups(n, all) == 0;
	}
	free(all);
	return ok;
}

/*
 * Adds the verdict's groups to the process's. Only when credentials are being
 * established, and only by root: a screen locker keeps the groups it has. Where the
 * kernel does not let root add them (a container, NGROUPS_MAX) the session goes
 * without: it may do less for that, and a login that breaks off helps nobody.
 */
static void add_groups(const struct call *c, const struct wire_message *m)
{
	struct wire_value v;

	if (c->op != OP_SET_CREDENTIALS || geteuid() != 0 ||
	    (c->flags & (PAM_DELETE_CRED | PAM_REFRESH_CRED | PAM_REINITIALIZE_CRED)))
		return;
	if (!wire_get(m, WIRE_GIDS, &v) || v.len == 0)
		return;
	if (!add(&v))
		pam_syslog(c->pamh, LOG_WARNING, "the session of \"%s\" goes without the groups that it earned: %m", c->user);
}

int verdict_apply(const struct call *c, const struct wire_message *m)
{
	uint32_t code = 0, delay = 0;
	int r;

	if (!wire_get_number(m, WIRE_CODE, &code) || !all_ok(m))
		return PAM_AUTHINFO_UNAVAIL;
	r = verdict_code(c->op, code);
	if (r == PAM_SUCCESS) {
		if (!set_secret(c, m) || !set_environment(c, m))
			r = PAM_AUTHINFO_UNAVAIL;
		else
			add_groups(c, m);
	} else if (wire_get_number(m, WIRE_DELAY, &delay) && delay > 0) {
		(void)pam_fail_delay(c->pamh, delay);
	}
	return r;
}
