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
	uint32_t pid, parent, sid, terminal;
	uint64_t started;
};

/* The same as identity.Process. A parent that cannot be read is 0. */
struct process {
	uint32_t pid, parent;
	uint64_t started, parent_started;
};

/* The same as identity.Caller. */
struct caller {
	uint32_t login_uid, real_uid;
};

/* Reads the text of a stat file; false when it is none. */
bool session_parse_stat(const char *text, size_t len, struct session_stat *out);

/* Places this process; false when the kernel does not say. */
bool session_of_self(struct session *out);

/* Names this process and its parent; false when the kernel does not say. */
bool process_of_self(struct process *out);

enum {
	LOGIND_SESSION_MAX = 64,
};

/* Finds logind's session in the text of /proc/PID/cgroup; false when there is none. */
bool session_parse_cgroup(const char *text, size_t len, char id[LOGIND_SESSION_MAX + 1]);

/* Finds logind's session of this process; false when it is in none. */
bool logind_session_of_self(char id[LOGIND_SESSION_MAX + 1]);

/* Names who runs this process. It always can: what the kernel does not tell is UINT32_MAX. */
struct caller caller_of_self(void);

#endif
