/*
 * Whether a name belongs to this machine itself. Both C halves ask before they
 * ask anybody else, so that no state of the daemon delays a local account.
 */
#ifndef SALLYPORT_LOCAL_H
#define SALLYPORT_LOCAL_H

#include "socket.h"

#ifndef SALLYPORT_PASSWD_FILE
#define SALLYPORT_PASSWD_FILE "/etc/passwd"
#endif

/* Compares the lines of a file, as they stream by, with "name:". */
struct local_match {
	const char *name;
	size_t len, at;
	bool differs;
};

static inline bool local_feed(struct local_match *m, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = bytes[i];

		if (c == '\n') {
			m->at = 0;
			m->differs = false;
		} else if (!m->differs) {
			if (m->at == m->len && c == ':')
				return true;
			m->differs = m->at >= m->len || c != m->name[m->at];
			m->at++;
		}
	}
	return false;
}

/*
 * True for root, whatever happens, and for every name in passwd(5). A file that
 * cannot be read makes no other name local: a directory account must not lose
 * its checks because a file is missing. Read without stdio and without
 * allocating; passwd(5) is read once per login, not per lookup.
 */
static inline bool local_account(const char *name)
{
	char buf[4096];
	struct local_match m = {.name = name, .len = strlen(name)};
	bool found = false;
	ssize_t n;

	if (strcmp(name, "root") == 0)
		return true;
	if (m.len == 0 || memchr(name, ':', m.len) || memchr(name, '\n', m.len))
		return false;
	int fd = wire_above_stdio(open(SALLYPORT_PASSWD_FILE, O_RDONLY | O_CLOEXEC | O_NOCTTY));

	if (fd < 0)
		return false;
	while (!found && ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR)))
		found = n > 0 && local_feed(&m, buf, (size_t)n);
	close(fd);
	return found;
}

#endif
