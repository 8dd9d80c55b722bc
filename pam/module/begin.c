/*
 * Begin, the one message that starts a conversation: what the host program said, and
 * what the kernel and logind say of it. A field that cannot be had is left out; the
 * daemon decides what follows from that.
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <string.h>

#include "relay.h"
#include "session.h"

static void put_item(struct wire_writer *w, const struct call *c, int item, uint16_t tag)
{
	const void *v = NULL;

	if (pam_get_item(c->pamh, item, &v) == PAM_SUCCESS && v != NULL)
		wire_put_text(w, tag, v);
}

enum { MOST_AUTH_INFO = 32768 };
enum { MOST_NUMBERS = 6 }; /* in one field of Begin */

/* Numbers as the wire has them, the low byte first. */
static void put_numbers(struct wire_writer *w, uint16_t tag, const uint32_t *n, size_t count)
{
	uint8_t b[4 * MOST_NUMBERS];

	if (count > MOST_NUMBERS)
		return;
	for (size_t i = 0; i < 4 * count; i++)
		b[i] = (uint8_t)(n[i / 4] >> (8 * (i % 4)));
	wire_put(w, tag, b, 4 * count);
}

/* Where the host runs. Left out if the kernel does not say: then nothing is remembered. */
static void put_session(struct wire_writer *w)
{
	struct session s;

	if (!session_of_self(&s))
		return;
	const uint32_t n[5] = {s.audit, s.terminal, s.leader, (uint32_t)s.started, (uint32_t)(s.started >> 32)};

	put_numbers(w, WIRE_SESSION, n, sizeof n / sizeof n[0]);
}

/* Which process the host is. Left out if the kernel does not say: then its session earns nothing. */
static void put_process(struct wire_writer *w)
{
	struct process p;

	if (!process_of_self(&p))
		return;
	const uint32_t n[6] = {
		p.pid, (uint32_t)p.started, (uint32_t)(p.started >> 32),
		p.parent, (uint32_t)p.parent_started, (uint32_t)(p.parent_started >> 32),
	};

	put_numbers(w, WIRE_PROCESS, n, sizeof n / sizeof n[0]);
}

/* Who runs the host, so that the daemon counts attempts against them and not against root. */
static void put_caller(struct wire_writer *w)
{
	const struct caller who = caller_of_self();
	const uint32_t n[2] = {who.login_uid, who.real_uid};

	put_numbers(w, WIRE_CALLER, n, sizeof n / sizeof n[0]);
}

/* Which session of logind's the host is in. Left out if it is in none. */
static void put_logind(struct wire_writer *w)
{
	char id[LOGIND_SESSION_MAX + 1];

	if (logind_session_of_self(id))
		wire_put_text(w, WIRE_LOGIND, id);
}

/*
 * What sshd authenticated somebody by, if a certificate was in it. sshd says it in PAM's
 * environment right before it opens the session, and not before the account check. pam_env
 * may put what a user wrote there, so our line stands before its: see docs/protocol.md.
 */
static void put_auth_info(struct wire_writer *w, const struct call *c)
{
	const char *info = pam_getenv(c->pamh, "SSH_AUTH_INFO_0");

	if (c->op == OP_OPEN_SESSION && info != NULL && strnlen(info, MOST_AUTH_INFO + 1) <= MOST_AUTH_INFO &&
	    strstr(info, "-cert-v01@openssh.com ") != NULL)
		wire_put_text(w, WIRE_AUTH_INFO, info);
}

void begin_put(struct wire_writer *w, const struct call *c)
{
	const void *service = NULL;
	uint32_t flags = 0;

	if ((c->flags & PAM_SILENT) || c->options.quiet)
		flags |= WIRE_FLAG_SILENT;
	if (c->options.only_first_pass)
		flags |= WIRE_FLAG_ONLY_FIRST_PASS;
	if (c->op == OP_CHANGE_PASSWORD && (c->flags & PAM_PRELIM_CHECK))
		flags |= WIRE_FLAG_PRELIM;
	wire_put_number(w, WIRE_OPERATION, (uint32_t)c->op);
	wire_put_number(w, WIRE_FLAGS, flags);
	if (pam_get_item(c->pamh, PAM_SERVICE, &service) != PAM_SUCCESS || service == NULL)
		service = "";
	wire_put_text(w, WIRE_SERVICE, service);
	wire_put_text(w, WIRE_NAME, c->user);
	put_item(w, c, PAM_TTY, WIRE_TTY);
	put_item(w, c, PAM_RUSER, WIRE_REMOTE_USER);
	put_item(w, c, PAM_RHOST, WIRE_REMOTE_HOST);
	put_session(w);
	put_process(w);
	put_caller(w);
	put_logind(w);
	put_auth_info(w, c);
	if (c->op == OP_CHANGE_PASSWORD)
		put_item(w, c, PAM_OLDAUTHTOK, WIRE_OLD_PASS);
	if (c->options.try_first_pass && (c->op == OP_AUTHENTICATE || c->op == OP_CHANGE_PASSWORD))
		put_item(w, c, PAM_AUTHTOK, WIRE_FIRST_PASS);
}
