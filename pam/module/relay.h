/* What the parts of pam_sallyport.so say to each other. */
#ifndef SALLYPORT_RELAY_H
#define SALLYPORT_RELAY_H

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

/* The same numbers as identity.Operation. */
enum operation {
	OP_AUTHENTICATE = 1,
	OP_ACCOUNT = 2,
	OP_OPEN_SESSION = 3,
	OP_CLOSE_SESSION = 4,
	OP_SET_CREDENTIALS = 5,
	OP_CHANGE_PASSWORD = 6,
};

struct options {
	const char *socket;
	const char *root_socket; /* tried first by root; NULL: there is none */
	int64_t timeout_ms; /* for each message of the daemon's, once it has said Working */
	bool try_first_pass, only_first_pass, debug, quiet;
	const char *unknown; /* an argument that means nothing to us */
};

/* One call of a host program. */
struct call {
	pam_handle_t *pamh;
	enum operation op;
	int flags; /* as PAM gave them */
	const char *user;
	struct options options;
};

/* Asks the daemon and does as it says. Returns a PAM code. */
int relay(const struct call *c);

/* Puts into a message what begins a conversation. */
void begin_put(struct wire_writer *w, const struct call *c);

/* The verdict's code that is not for the host: the same number as identity.PromptEnded. */
enum { CODE_PROMPT_ENDED = 12 };

/* The PAM code for a verdict's code; PAM_AUTHINFO_UNAVAIL for an unknown one. */
int verdict_code(enum operation op, uint32_t code);

/* Whether "NAME=value" may go to pam_putenv(3). */
bool verdict_environment_ok(const struct wire_value *line);

/* Applies a verdict. Returns a PAM code; only a verdict that says so is PAM_SUCCESS. */
int verdict_apply(const struct call *c, const struct wire_message *m);

#endif
