/*
 * Where this process belongs: its audit session, its terminal and who leads the
 * session that has it. The daemon may not look into other users' /proc, so the
 * module says it, and only a root host is believed.
 *
 * A leader is a number and a time: when it has gone, its number may be another's,
 * which began later. A leader that cannot be read, and a process without a
 * terminal, stand for themselves, so that what is remembered is theirs alone.
 *
 * A set-user-ID host (su) runs as root for somebody else. The login uid names who
 * logged in, also behind several su; the real uid who started the host. A user can
 * change neither to another's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

enum { STAT_FIELD_STATE = 3, STAT_FIELD_PPID = 4, STAT_FIELD_SID = 6, STAT_FIELD_TTY = 7, STAT_FIELD_STARTED = 22 };

/* Reads decimal digits at *at, moves it behind them. False for none or too many. */
static bool number_at(const char **at, const char *end, uint64_t *n)
{
	const char *p = *at;

	for (*n = 0; p < end && *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (*n > (UINT64_MAX - digit) / 10)
			return false;
		*n = *n * 10 + digit;
	}
	if (p == *at)
		return false;
	*at = p;
	return true;
}

bool session_parse_stat(const char *text, size_t len, struct session_stat *out)
{
	const char *end = text + len, *at = text;
	uint64_t pid, parent = 0, sid = 0, terminal = 0, started = 0;
	int field = STAT_FIELD_STATE;

	/* The name may hold blanks, brackets and line ends: the last bracket ends it. */
	const char *name_end = len > 0 ? memrchr(text, ')', len) : NULL;

	if (name_end == NULL || !number_at(&at, end, &pid) || end - at < 2 || at[0] != ' ' || at[1] != '(')
		return false;
	for (at = name_end + 1; at < end && *at == ' ' && field <= STAT_FIELD_STARTED; field++) {
		at++;
		if (field == STAT_FIELD_PPID && !number_at(&at, end, &parent))
			return false;
		if (field == STAT_FIELD_SID && !number_at(&at, end, &sid))
			return false;
		if (field == STAT_FIELD_TTY && !number_at(&at, end, &terminal))
			return false;
		if (field == STAT_FIELD_STARTED && !number_at(&at, end, &started))
			return false;
		while (at < end && *at != ' ' && *at != '\n')
			at++;
	}
	if (field <= STAT_FIELD_STARTED || pid == 0 || pid > UINT32_MAX || parent > UINT32_MAX ||
	    sid > UINT32_MAX || terminal > UINT32_MAX)
		return false;
	*out = (struct session_stat){(uint32_t)pid, (uint32_t)parent, (uint32_t)sid, (uint32_t)terminal, started};
	return true;
}

/* Reads the beginning of a file; -1 when it cannot be read. */
static ssize_t slurp(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	do
		n = read(fd, buf, cap);
	while (n < 0 && errno == EINTR);
	close(fd);
	return n;
}

static bool stat_of(const char *path, struct session_stat *out)
{
	char buf[1024]; /* up to field 22 it is less than half of that */
	ssize_t n = slurp(path, buf, sizeof buf);

	return n > 0 && session_parse_stat(buf, (size_t)n, out);
}

static bool stat_of_process(uint32_t pid, struct session_stat *out)
{
	char path[32];

	(void)snprintf(path, sizeof path, "/proc/%u/stat", pid);
	return stat_of(path, out);
}

/* One number of 32 bits in a file; UINT32_MAX where there is none. */
static uint32_t number_in(const char *path)
{
	char buf[16];
	ssize_t n = slurp(path, buf, sizeof buf);
	const char *at = buf;
	uint64_t id;

	if (n <= 0 || !number_at(&at, buf + n, &id) || id > UINT32_MAX)
		return UINT32_MAX;
	return (uint32_t)id;
}

/* A kernel without audit has no session. */
static uint32_t audit_session(void)
{
	return number_in("/proc/self/sessionid");
}

struct caller caller_of_self(void)
{
	return (struct caller){.login_uid = number_in("/proc/self/loginuid"), .real_uid = getuid()};
}

bool session_of_self(struct session *out)
{
	struct session_stat self, leader;

	if (!stat_of("/proc/self/stat", &self) || self.started == 0)
		return false;
	*out = (struct session){audit_session(), self.terminal, self.pid, self.started};
	if (self.terminal == 0 || self.sid == 0)
		return true;
	if (!stat_of_process(self.sid, &leader) || leader.started == 0)
		return true;
	out->leader = leader.pid;
	out->started = leader.started;
	return true;
}

bool process_of_self(struct process *out)
{
	struct session_stat self, parent;

	if (!stat_of("/proc/self/stat", &self) || self.started == 0)
		return false;
	*out = (struct process){.pid = self.pid, .started = self.started};
	if (self.parent == 0 || !stat_of_process(self.parent, &parent))
		return true;
	out->parent = parent.pid;
	out->parent_started = parent.started;
	return true;
}

/* Copies the id of "session-ID.scope"; false when the name is another. */
static bool scope_id(const char *name, size_t len, char id[LOGIND_SESSION_MAX + 1])
{
	static const char head[] = "session-", tail[] = ".scope";
	const size_t around = sizeof head - 1 + sizeof tail - 1;

	if (len <= around || len - around > LOGIND_SESSION_MAX || memcmp(name, head, sizeof head - 1) != 0 ||
	    memcmp(name + len - (sizeof tail - 1), tail, sizeof tail - 1) != 0)
		return false;
	const char *from = name + sizeof head - 1;

	for (size_t i = 0; i < len - around; i++) {
		char c = from[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
			return false;
	}
	memcpy(id, from, len - around);
	id[len - around] = '\0';
	return true;
}

/*
 * A line is "hierarchy:controllers:path". systemd keeps its units in hierarchy 0, or in
 * the one called name=systemd where cgroups are of version 1.
 */
bool session_parse_cgroup(const char *text, size_t len, char id[LOGIND_SESSION_MAX + 1])
{
	for (const char *at = text, *end = text + len; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		const char *next = stop == NULL ? end : stop + 1;

		if (stop == NULL)
			stop = end;
		size_t n = (size_t)(stop - at);
		const char *one = memchr(at, ':', n);
		const char *two = one == NULL ? NULL : memchr(one + 1, ':', (size_t)(stop - one - 1));

		if (two != NULL) {
			size_t named = (size_t)(two - one - 1);
			bool unified = named == 0 && one - at == 1 && at[0] == '0';
			bool old = named == 12 && memcmp(one + 1, "name=systemd", 12) == 0;

			for (const char *p = two + 1; (unified || old) && p < stop;) {
				const char *slash = memchr(p, '/', (size_t)(stop - p));
				const char *to = slash == NULL ? stop : slash;

				if (scope_id(p, (size_t)(to - p), id))
					return true;
				p = to + 1;
			}
		}
		at = next;
	}
	return false;
}

bool logind_session_of_self(char id[LOGIND_SESSION_MAX + 1])
{
	char buf[4096];
	ssize_t n = slurp("/proc/self/cgroup", buf, sizeof buf);

	return n > 0 && session_parse_cgroup(buf, (size_t)n, id);
}
