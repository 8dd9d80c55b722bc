/*
 * pam_sallyport.so: the door's handle. It says to the daemon who wants what, then
 * shows what it is told to show and returns what it is told to return. All
 * judgement is the daemon's; see pam_sallyport(8) and docs/protocol.md.
 *
 * Promises: PAM_SUCCESS only for a verdict that says so; a local account is none
 * of our business and costs no connection; nothing survives a call, so a host
 * may fork, unload or start threads as it likes; PAM_USER is never set.
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "local.h"
#include "relay.h"

#define EXPORT __attribute__((visibility("default")))

#ifndef SALLYPORT_PAM_SOCKET
#define SALLYPORT_PAM_SOCKET "/run/sallyport/pam.sock"
#endif

/* In a folder of root's: nobody else can stand in its queue. */
#ifndef SALLYPORT_PAM_ROOT_SOCKET
#define SALLYPORT_PAM_ROOT_SOCKET "/run/sallyport/root/pam.sock"
#endif

enum {
	DEFAULT_TIMEOUT = 30, /* seconds */
	MAX_TIMEOUT = 3600,
};

/* Reads 1 to MAX_TIMEOUT seconds; anything else is an error, not a default. */
static bool parse_timeout(const char *s, int64_t *ms)
{
	int64_t n = 0;

	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || n > MAX_TIMEOUT)
			return false;
		n = n * 10 + (*s - '0');
	}
	*ms = n * 1000;
	return n >= 1 && n <= MAX_TIMEOUT;
}

static void parse_options(struct options *o, int argc, const char **argv)
{
	*o = (struct options){
		.socket = SALLYPORT_PAM_SOCKET, .root_socket = SALLYPORT_PAM_ROOT_SOCKET,
		.timeout_ms = DEFAULT_TIMEOUT * 1000,
	};
	for (int i = 0; i < argc; i++) {
		const char *a = argv[i];

		if (strcmp(a, "try_first_pass") == 0)
			o->try_first_pass = true;
		else if (strcmp(a, "use_first_pass") == 0 || strcmp(a, "use_authtok") == 0)
			o->try_first_pass = o->only_first_pass = true;
		else if (strcmp(a, "debug") == 0)
			o->debug = true;
		else if (strcmp(a, "quiet") == 0)
			o->quiet = true;
		else if (strncmp(a, "socket=/", 8) == 0)
			o->socket = a + 7, o->root_socket = NULL;
		else if (strncmp(a, "root_socket=/", 13) == 0)
			o->root_socket = a + 12;
		else if (strncmp(a, "timeout=", 8) != 0 || !parse_timeout(a + 8, &o->timeout_ms))
			o->unknown = a;
	}
}

static int run(pam_handle_t *pamh, enum operation op, int flags, int argc, const char **argv)
{
	struct call c = {.pamh = pamh, .op = op, .flags = flags};
	int r = pam_get_user(pamh, &c.user, NULL);

	if (r == PAM_CONV_AGAIN)
		return PAM_INCOMPLETE;
	if (r != PAM_SUCCESS)
		return r == PAM_CONV_ERR ? PAM_CONV_ERR : PAM_AUTHINFO_UNAVAIL;
	if (c.user == NULL || *c.user == '\0')
		return PAM_USER_UNKNOWN;
	if (local_account(c.user))
		return PAM_IGNORE;
	parse_options(&c.options, argc, argv);
	if (c.options.unknown != NULL) {
		/* It may be a restriction that a later version knows: leaving it out
		 * could let somebody in. */
		pam_syslog(pamh, LOG_ERR, "refusing everything: unknown or bad module argument \"%s\"",
			   c.options.unknown);
		return PAM_AUTHINFO_UNAVAIL;
	}
	r = relay(&c);
	if (c.options.debug)
		pam_syslog(pamh, LOG_DEBUG, "operation %d for \"%s\": %s", (int)op, c.user, pam_strerror(pamh, r));
	return r;
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return run(pamh, OP_AUTHENTICATE, flags, argc, argv);
}

EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return run(pamh, OP_SET_CREDENTIALS, flags, argc, argv);
}

EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return run(pamh, OP_ACCOUNT, flags, argc, argv);
}

EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return run(pamh, OP_OPEN_SESSION, flags, argc, argv);
}

EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return run(pamh, OP_CLOSE_SESSION, flags, argc, argv);
}

EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return run(pamh, OP_CHANGE_PASSWORD, flags, argc, argv);
}
