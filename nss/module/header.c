/* Opens a snapshot and believes its header, or not. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot.h"
#include "places.h"
#include "socket.h"

enum {
	BYTE_ORDER_MARK = 0x01020304,
	CHECKED = 72, /* from here to its end the header is covered by its check */
	REALMS = 280,
	MIN_ACCOUNT = 40, /* bytes of the smallest record */
	MIN_GROUP = 32,
};

static uint64_t word(const uint8_t *header, size_t at)
{
	return hash_r64(header + at);
}

/* A section of records or lines; "least" is how many bytes each has at least. */
static bool section(const uint8_t *header, size_t at, uint64_t size, uint64_t least, struct snapshot_section *s)
{
	uint64_t count = word(header, at + 16);

	s->offset = word(header, at);
	s->len = word(header, at + 8);
	if (s->len == 0)
		return count == 0;
	return s->offset % 64 == 0 && s->offset >= SNAPSHOT_HEADER && s->offset <= size && s->len <= size - s->offset &&
	       s->len % 8 == 0 && count > 0 && count <= s->len / least;
}

/* A table: lines of seven entries. Their number has to fit the hash's half. */
static bool table(const uint8_t *header, size_t at, uint64_t size, struct snapshot_section *s)
{
	return section(header, at, size, 8, s) && s->len % SNAPSHOT_LINE == 0 && s->len / SNAPSHOT_LINE <= UINT32_MAX;
}

static bool zeroes(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

static bool realms(struct snapshot *s, const uint8_t *h)
{
	size_t at = REALMS + 1;

	_Static_assert(REALMS + 1 + SNAPSHOT_REALMS * (2 + SNAPSHOT_REALM) <= SNAPSHOT_HEADER, "they have room");
	s->realms = h[REALMS];
	if (s->realms > SNAPSHOT_REALMS)
		return false;
	for (size_t i = 0; i < s->realms; i++) {
		struct snapshot_realm *r = &s->realm[i];

		r->flags = h[at];
		r->len = h[at + 1];
		if (r->len > SNAPSHOT_REALM)
			return false;
		memcpy(r->name, h + at + 2, r->len);
		at += 2 + (size_t)r->len;
	}
	return true;
}

static bool believe(struct snapshot *s, const uint8_t *h, uint64_t size)
{
	if (memcmp(h, "SALLYDIR", 8) != 0 || hash_r32(h + 8) != BYTE_ORDER_MARK || hash_r32(h + 12) != SNAPSHOT_VERSION)
		return false;
	if (!zeroes(h + 20, 4) || !zeroes(h + 40, 24))
		return false;
	if (word(h, 64) != hash_bytes(HASH_K1, HASH_K2, h + CHECKED, SNAPSHOT_HEADER - CHECKED) || word(h, 72) != size)
		return false;
	s->size = size;
	s->seed0 = word(h, 80);
	s->seed1 = word(h, 88);
	s->written = word(h, 96);
	s->flags = hash_r32(h + 104);
	return realms(s, h) && section(h, 112, size, MIN_ACCOUNT, &s->accounts) && section(h, 136, size, MIN_GROUP, &s->groups) &&
	       table(h, 184, size, &s->account_names) &&
	       table(h, 208, size, &s->account_uids) && table(h, 232, size, &s->group_names) &&
	       table(h, 256, size, &s->group_gids);
}

/* Nobody but its owner may write the file. */
static bool sound(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0 && st->st_size >= SNAPSHOT_HEADER &&
	       (uint64_t)st->st_size <= SIZE_MAX / 2;
}

bool snapshot_map(struct snapshot *s, const struct snapshot *but_not)
{
	uint8_t header[SNAPSHOT_HEADER];
	void *base = MAP_FAILED;
	struct stat st;
	/* O_NONBLOCK: in place of the file may be a pipe that nobody writes to. */
	int fd = wire_above_stdio(open(SALLYPORT_DIRECTORY "/directory", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && sound(&st) &&
	    (but_not == NULL || st.st_ino != but_not->inode || st.st_dev != but_not->device))
		base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (base == MAP_FAILED)
		return false;
	memcpy(header, base, sizeof header);
	__asm__ volatile("" ::: "memory"); /* checked and used is the copy, whatever becomes of the file */
	s->base = base;
	s->proved = NULL;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	if (believe(s, header, (uint64_t)st.st_size))
		return true;
	munmap(base, (size_t)st.st_size);
	return false;
}

static size_t proved_size(const struct snapshot *s)
{
	return (size_t)(s->size / 512 + 1) * sizeof *s->proved;
}

void snapshot_keep(struct snapshot *s)
{
	void *p = mmap(NULL, proved_size(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	s->proved = p == MAP_FAILED ? NULL : p;
}

void snapshot_unmap(const struct snapshot *s)
{
	if (s->proved != NULL)
		munmap(s->proved, proved_size(s));
	munmap((void *)(uintptr_t)s->base, (size_t)s->size);
}
