/*
 * The conversation: one connection, one Begin, then the daemon leads.
 *
 *   state     waits for               until                          then
 *   begun     Working or any other    250 ms after the first connect led
 *                                     15 s in the account phase, and
 *                                     for credentials and sessions
 *   led       Working                 timeout=, begun anew           led
 *             Tell                    timeout=, begun anew           led, shown
 *             Prompt                  timeout=, begun anew           asking
 *             Verdict                 timeout=, begun anew           ended
 *   asking    the person              no limit here: the daemon has  led, answered
 *   ended     -                       -                              -
 *
 * The daemon may end an open prompt: it gives up waiting, makes room, or is started
 * anew. The person does not see it and answers all the same, and the next module's
 * prompt would look like ours, asking again. So the conversation then begins anew,
 * and the same first prompt takes the answer that was typed.
 *
 * Anything else ends it with PAM_AUTHINFO_UNAVAIL, a conversation function that
 * fails with PAM_CONV_ERR.
 */
#include <security/pam_ext.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "relay.h"
#include "session.h"
#include "socket.h"

/* The same numbers as identity.Style. */
enum style { ASK_SECRET = 1, ASK_TEXT = 2, TELL_INFO = 3, TELL_ERROR = 4 };

/*
 * For Working to arrive, from the first attempt to connect. Longer than a lookup's:
 * a login that is refused because the machine was busy costs more than a wait that
 * only a directory account has, and only while the daemon hangs.
 */
#ifndef SALLYPORT_PAM_ACKNOWLEDGE_MS
#define SALLYPORT_PAM_ACKNOWLEDGE_MS 250
#endif
/*
 * The same where nobody has typed anything: a job of cron, a unit with User=. They do not
 * try again, and a daemon that is being restarted is back by then, on a busy machine too.
 */
#ifndef SALLYPORT_PAM_RESTART_MS
#define SALLYPORT_PAM_RESTART_MS 15000
#endif

enum {
	MAX_MESSAGES = 256, /* in one conversation: a daemon gone mad does not hold a host for ever */
	MAX_BEGINNINGS = 16, /* each but the first needed an answer of the person's */
};

/* Not a PAM code: the daemon did not take the last answer. */
enum { BEGIN_ANEW = -1 };

/*
 * The first prompt of a conversation with its answer, for as long as it is the only
 * one: what was proved by several answers is not proved again unseen.
 */
struct first {
	uint32_t style;
	char *text, *answer;
};

static void first_forget(struct first *f)
{
	free(f->text);
	if (f->answer != NULL) {
		explicit_bzero(f->answer, strlen(f->answer));
		free(f->answer);
	}
	*f = (struct first){0};
}

/* One connection's part of a call. */
struct talk {
	int fd;
	unsigned int asked; /* prompts */
	struct first *first;
	bool *lost; /* a daemon went away over an answer before */
};

/*
 * A daemon that was ended in the midst of a decision is tried once more, and not more:
 * what ended it may be this very conversation.
 */
static int hung_up(const struct call *c, struct talk *t)
{
	int e = errno;

	if (t->asked > 0 && e == ECONNRESET && !*t->lost) {
		*t->lost = true;
		return BEGIN_ANEW;
	}
	pam_syslog(c->pamh, LOG_ERR, "no answer from the daemon: %s", strerror(e));
	return PAM_AUTHINFO_UNAVAIL;
}

/* Builds and sends one message that may hold secrets; the copy is wiped. */
static int send_message(int fd, const struct call *c, uint8_t type, const char *answer, int64_t deadline)
{
	uint8_t small[4096];
	struct wire_writer w;
	uint8_t *large = NULL;

	for (;;) {
		wire_begin(&w, large ? large : small, large ? WIRE_MAX_PACKET : sizeof small, type);
		if (type == WIRE_BEGIN)
			begin_put(&w, c);
		else
			wire_put_text(&w, WIRE_SECRET, answer);
		if (!w.full || large != NULL)
			break;
		large = malloc(WIRE_MAX_PACKET);
		if (large == NULL)
			break;
	}
	int r = wire_send(fd, &w, deadline), e = errno;

	explicit_bzero(small, sizeof small);
	if (large != NULL) {
		explicit_bzero(large, WIRE_MAX_PACKET);
		free(large);
	}
	errno = e;
	return r;
}

/* Copies a text so that it ends in NUL. The caller frees it. */
static char *text_of(const struct wire_message *m)
{
	struct wire_value v;

	return wire_get(m, WIRE_TEXT, &v) ? strndup((const char *)v.bytes, v.len) : NULL;
}

/*
 * Shows a text. A host that cannot show it is not an error: nothing hangs on it. With
 * PAM_SILENT information is left out, and the daemon leaves out refusals that give no
 * reason. A reason is shown all the same: sudo always sets PAM_SILENT, and a person who is
 * refused three times without a word has no way to find out why.
 */
static int tell(const struct call *c, const struct wire_message *m)
{
	uint32_t style = 0;
	char *text = text_of(m);
	int r = PAM_SUCCESS;

	wire_get_number(m, WIRE_STYLE, &style);
	if (text == NULL || (style != TELL_INFO && style != TELL_ERROR))
		r = PAM_AUTHINFO_UNAVAIL;
	else if (style == TELL_ERROR)
		(void)pam_prompt(c->pamh, PAM_ERROR_MSG, NULL, "%s", text);
	else if (!(c->flags & PAM_SILENT) && !c->options.quiet)
		(void)pam_prompt(c->pamh, PAM_TEXT_INFO, NULL, "%s", text);
	free(text);
	return r;
}

/* Finds what was typed at the same first prompt before, or asks the person. */
static int answer_to(const struct call *c, const struct talk *t, uint32_t style, const char *text, char **answer)
{
	struct first *f = t->first;
	bool typed = t->asked == 1 && f->answer != NULL && f->style == style && strcmp(f->text, text) == 0;

	if (typed) {
		*answer = f->answer;
		f->answer = NULL;
		return PAM_SUCCESS;
	}
	return pam_prompt(c->pamh, style == ASK_SECRET ? PAM_PROMPT_ECHO_OFF : PAM_PROMPT_ECHO_ON, answer, "%s", text);
}

/*
 * A program that skipped the authentication, as sudo does by a NOPASSWD rule, meets its
 * question in the account phase. Without a terminal it cannot show it, and would call it a
 * conversation error.
 */
static void tell_unasked(const struct call *c)
{
	struct session s;

	if (c->op == OP_ACCOUNT && session_of_self(&s) && s.terminal == 0)
		(void)pam_prompt(c->pamh, PAM_ERROR_MSG, NULL,
				 "A fresh proof is needed, and nobody can be asked here.\n"
				 "Use a terminal (ssh -t).");
}

/* Asks the person and sends the answer. */
static int ask(const struct call *c, struct talk *t, const struct wire_message *m)
{
	uint32_t style = 0;
	char *text = text_of(m), *answer = NULL;
	int r;

	wire_get_number(m, WIRE_STYLE, &style);
	if (text == NULL || (style != ASK_SECRET && style != ASK_TEXT)) {
		free(text);
		return PAM_AUTHINFO_UNAVAIL;
	}
	t->asked++;
	r = answer_to(c, t, style, text, &answer);
	first_forget(t->first);
	if (r != PAM_SUCCESS || answer == NULL) {
		r = PAM_CONV_ERR;
		tell_unasked(c);
	} else if (send_message(t->fd, c, WIRE_ANSWER, answer, wire_after_ms(c->options.timeout_ms)) < 0) {
		r = errno == EPIPE || errno == ECONNRESET ? BEGIN_ANEW : PAM_AUTHINFO_UNAVAIL;
	}
	if (t->asked == 1 && answer != NULL && (r == PAM_SUCCESS || r == BEGIN_ANEW)) {
		*t->first = (struct first){style, text, answer};
		return r;
	}
	free(text);
	if (answer != NULL) {
		explicit_bzero(answer, strlen(answer));
		free(answer);
	}
	return r;
}

/* One message that is no verdict. */
static int obey(const struct call *c, struct talk *t, const struct wire_message *m)
{
	if (m->type == WIRE_WORKING)
		return PAM_SUCCESS;
	if (m->type == WIRE_TELL)
		return tell(c, m);
	if (m->type == WIRE_PROMPT)
		return ask(c, t, m);
	return PAM_AUTHINFO_UNAVAIL;
}

/* Follows the daemon to its verdict. *acknowledged says whether it ever spoke. */
static int follow(const struct call *c, struct talk *t, int64_t deadline, bool *acknowledged)
{
	for (int i = 0; i < MAX_MESSAGES; i++) {
		struct wire_packet p;
		struct wire_message m;
		uint32_t code = 0;
		bool verdict;
		int r;

		if (wire_receive(t->fd, &p, &m, deadline) < 0)
			return hung_up(c, t);
		*acknowledged = true;
		verdict = m.type == WIRE_VERDICT;
		if (!verdict)
			r = obey(c, t, &m);
		else if (t->asked > 0 && wire_get_number(&m, WIRE_CODE, &code) && code == CODE_PROMPT_ENDED)
			r = BEGIN_ANEW;
		else
			r = verdict_apply(c, &m);
		wire_packet_free(&p);
		if (verdict || r != PAM_SUCCESS)
			return r;
		deadline = wire_after_ms(c->options.timeout_ms);
	}
	pam_syslog(c->pamh, LOG_ERR, "more than %d messages from the daemon", MAX_MESSAGES);
	return PAM_AUTHINFO_UNAVAIL;
}

/* Where a person waits to get in; elsewhere the host program reports. */
static void tell_absent(const struct call *c)
{
	if ((c->flags & PAM_SILENT) || c->options.quiet)
		return;
	if (c->op != OP_AUTHENTICATE && c->op != OP_ACCOUNT && !(c->op == OP_CHANGE_PASSWORD && (c->flags & PAM_PRELIM_CHECK)))
		return;
	(void)pam_prompt(c->pamh, PAM_ERROR_MSG, NULL,
			 "Sallyport is not running, so this account cannot be checked.\nLocal accounts can still log in.");
}

/*
 * Connects. Root has a socket of its own, so that others who connect in a storm fill
 * another queue; where it is not there, or this root may not (a user namespace), the
 * one for all does. One that does not answer in time is the same daemon's.
 */
static int reach(const struct call *c, int64_t deadline)
{
	if (c->options.root_socket != NULL && geteuid() == 0) {
		int fd = wire_connect(c->options.root_socket, deadline);

		if (fd >= 0 || errno == ETIMEDOUT)
			return fd;
	}
	return wire_connect(c->options.socket, deadline);
}

static int64_t acknowledge_ms(const struct call *c)
{
	switch (c->op) {
	case OP_ACCOUNT:
	case OP_SET_CREDENTIALS:
	case OP_OPEN_SESSION:
		return SALLYPORT_PAM_RESTART_MS;
	default:
		return SALLYPORT_PAM_ACKNOWLEDGE_MS;
	}
}

/* One conversation, from connecting to its verdict. */
static int converse(const struct call *c, struct first *first, bool *lost)
{
	int64_t deadline = wire_after_ms(acknowledge_ms(c));
	bool acknowledged = false;
	int r = PAM_AUTHINFO_UNAVAIL;
	struct talk t = {.fd = reach(c, deadline), .first = first, .lost = lost};

	if (t.fd < 0) {
		pam_syslog(c->pamh, LOG_ERR, "connect to %s: %s", c->options.socket, strerror(errno));
	} else {
		if (send_message(t.fd, c, WIRE_BEGIN, NULL, deadline) == 0)
			r = follow(c, &t, deadline, &acknowledged);
		else
			pam_syslog(c->pamh, LOG_ERR, "send to %s: %s", c->options.socket, strerror(errno));
		close(t.fd);
	}
	if (!acknowledged)
		tell_absent(c);
	return r;
}

int relay(const struct call *c)
{
	struct first first = {0};
	bool lost = false;
	int r = BEGIN_ANEW;

	for (int i = 0; i < MAX_BEGINNINGS && r == BEGIN_ANEW; i++)
		r = converse(c, &first, &lost);
	first_forget(&first);
	return r == BEGIN_ANEW ? PAM_AUTHINFO_UNAVAIL : r;
}
