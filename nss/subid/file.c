/* subuid(5) and subgid(5): the machine's own people. */
#include "subid.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "socket.h"

#ifndef SALLYPORT_SUBUID_FILE
#define SALLYPORT_SUBUID_FILE "/etc/subuid"
#endif
#ifndef SALLYPORT_SUBGID_FILE
#define SALLYPORT_SUBGID_FILE "/etc/subgid"
#endif

enum {
	MAX_LINE = 1024, /* a longer one is none */
};

/* Digits, and nothing else, up to 2^32. */
static bool number(const char *s, size_t len, uint64_t *n)
{
	if (len == 0 || len > 10)
		return false;
	*n = 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		*n = *n * 10 + (uint64_t)(s[i] - '0');
	}
	return *n <= UINT64_C(1) << 32;
}

bool subid_parse(const char *line, size_t len, struct subid_line *l)
{
	const char *end = line + len;
	const char *a = memchr(line, ':', len);
	const char *b = a == NULL ? NULL : memchr(a + 1, ':', (size_t)(end - a - 1));

	if (b == NULL || a == line || memchr(line, '\0', len) != NULL)
		return false;
	l->owner = line;
	l->owner_len = (size_t)(a - line);
	return number(a + 1, (size_t)(b - a - 1), &l->start) && number(b + 1, (size_t)(end - b - 1), &l->count) &&
	       l->count > 0 && l->start + l->count <= UINT64_C(1) << 32;
}

/* Lines as they stream by. */
struct lines {
	char line[MAX_LINE];
	size_t len;
	bool too_long;
	subid_line_fn *use;
	void *arg;
};

static bool end_line(struct lines *l)
{
	struct subid_line one;
	bool more = l->too_long || !subid_parse(l->line, l->len, &one) || l->use(l->arg, &one);

	l->len = 0;
	l->too_long = false;
	return more;
}

static bool feed(struct lines *l, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n') {
			if (!end_line(l))
				return false;
		} else if (l->len < sizeof l->line) {
			l->line[l->len++] = bytes[i];
		} else {
			l->too_long = true;
		}
	}
	return true;
}

bool subid_file(enum subid_type type, subid_line_fn *use, void *arg)
{
	const char *path = type == ID_TYPE_UID ? SALLYPORT_SUBUID_FILE : SALLYPORT_SUBGID_FILE;
	int fd = wire_above_stdio(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
	struct lines l = {.use = use, .arg = arg};
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT;
	while ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0 && !feed(&l, buf, (size_t)n))
			break;
	}
	close(fd);
	if (n == 0 && l.len > 0)
		(void)end_line(&l); /* the last line may lack its end */
	return n >= 0;
}
