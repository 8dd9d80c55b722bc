/* Where a host program runs, as the kernel tells it in proc(5). */
#ifndef SALLYPORT_SESSION_H
#define SALLYPORT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same as identity.LoginSession, which gives the reasons. */
struct session {
	uint32_t audit, terminal, leader;
	uint64_t started;
};

/* What we need of /proc/PID/stat. */
struct session_stat {
	uint32_t pid, sid, terminal;
	uint64_t started;
};

/* Reads the text of a stat file; false when it is none. */
bool session_parse_stat(const char *text, size_t len, struct session_stat *out);

/* Places this process; false when the kernel does not say. */
bool session_of_self(struct session *out);

#endif
