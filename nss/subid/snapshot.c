/*
 * The ranges in the directory snapshot; nss/snapshot/doc.go has the layout. It
 * is read(2), not mapped: this runs in setuid programs, and a file that shrinks
 * under a mapping would end them.
 */
#include "subid.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "hash.h"
#include "places.h"
#include "socket.h"

enum {
	CHECKED = 72,
	LINE = 64,
	PAIRS = 7,
	LINES = 64, /* read at once */
};

static bool read_at(int fd, uint8_t *to, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

/* Where the ranges lie in a file whose header is sound and in force. */
static bool ranges_of(const uint8_t *h, uint64_t size, uint64_t *offset, uint64_t *lines, uint64_t *count)
{
	time_t now = time(NULL);

	if (memcmp(h, "SALLYDIR", 8) != 0 || hash_r32(h + 8) != 0x01020304 || hash_r32(h + 12) != SNAPSHOT_VERSION)
		return false;
	if (hash_r64(h + 64) != hash_bytes(HASH_K1, HASH_K2, h + CHECKED, SNAPSHOT_HEADER - CHECKED) || hash_r64(h + 72) != size)
		return false;
	if (now < 0 || (uint64_t)now >= hash_r64(h + 32) || hash_r32(h + 108) != SUBID_COUNT)
		return false;
	*offset = hash_r64(h + 160);
	*count = hash_r64(h + 176);
	uint64_t len = hash_r64(h + 168);

	*lines = len / LINE;
	if (len % LINE != 0 || *count > *lines * PAIRS)
		return false;
	return len == 0 || (*offset >= SNAPSHOT_HEADER && *offset % LINE == 0 && *offset <= size && len <= size - *offset);
}

/* One line; false ends the reading, *sound says whether for a fault. */
static bool use_line(const uint8_t *h, const uint8_t *line, uint64_t offset, subid_given_fn *use, void *arg, bool *sound)
{
	uint32_t n = hash_r32(line + 4);

	*sound = n <= PAIRS && hash_r32(line) == (uint32_t)hash_bytes(hash_r64(h + 80) + offset, hash_r64(h + 88), line + 4, LINE - 4);
	for (uint32_t i = 0; *sound && i < n; i++) {
		uint32_t start = hash_r32(line + 8 + 8 * i), uid = hash_r32(line + 12 + 8 * i);

		if (subid_start_ok(start) && wire_id_ok(uid) && !use(arg, start, uid))
			return false;
	}
	return *sound;
}

static bool read_ranges(int fd, subid_given_fn *use, void *arg)
{
	uint8_t h[SNAPSHOT_HEADER], buf[LINES * LINE];
	uint64_t offset, lines, count;
	struct stat st;
	bool sound = true;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < SNAPSHOT_HEADER || !read_at(fd, h, sizeof h, 0))
		return false;
	if (!ranges_of(h, (uint64_t)st.st_size, &offset, &lines, &count))
		return false;
	for (uint64_t i = 0; i < lines; i++, offset += LINE) {
		size_t at = (size_t)(i % LINES);
		uint64_t left = lines - i;

		if (at == 0 && !read_at(fd, buf, LINE * (size_t)(left < LINES ? left : LINES), offset))
			return false;
		if (!use_line(h, buf + at * LINE, offset, use, arg, &sound))
			break;
	}
	return sound;
}

bool subid_snapshot(subid_given_fn *use, void *arg)
{
	int fd = wire_above_stdio(open(SALLYPORT_DIRECTORY "/directory", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

	if (fd < 0)
		return false;
	bool ok = read_ranges(fd, use, arg);

	close(fd);
	return ok;
}
