/*
 * A libFuzzer target: the snapshot is the fuzzer's, in memory. Every kind of
 * question is put to it, with a room whose size the last byte of the input chooses.
 * Checks over header, lines and records are mended in most mutations, so that what
 * lies behind them is reached: the reader may not rely on them.
 *
 * Broken promises abort: a record with an id, name or text that may not enter a
 * program, a descriptor left open. The rooms are exact, for the sanitizer.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash.h"
#include "wire.h"

enum nss_status _nss_sallyport_getpwnam_r(const char *, struct passwd *, char *, size_t, int *);
enum nss_status _nss_sallyport_getpwuid_r(uid_t, struct passwd *, char *, size_t, int *);
enum nss_status _nss_sallyport_getgrnam_r(const char *, struct group *, char *, size_t, int *);
enum nss_status _nss_sallyport_getgrgid_r(gid_t, struct group *, char *, size_t, int *);
enum nss_status _nss_sallyport_initgroups_dyn(const char *, gid_t, long *, long *, gid_t **, long, int *);
enum nss_status _nss_sallyport_setpwent(int);
enum nss_status _nss_sallyport_getpwent_r(struct passwd *, char *, size_t, int *);
enum nss_status _nss_sallyport_setgrent(int);
enum nss_status _nss_sallyport_getgrent_r(struct group *, char *, size_t, int *);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static int file = -1; /* the snapshot of now */

static void promise(bool kept)
{
	if (!kept)
		abort();
}

/* The library's own calls, replaced at link time with --wrap: no daemon, one file. */
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n)
{
	(void)fd, (void)a, (void)n;
	errno = ECONNREFUSED;
	return -1;
}

int __wrap_open(const char *path, int flags, ...)
{
	const char *end = strrchr(path, '/');

	(void)flags;
	if (end != NULL && strcmp(end, "/directory") == 0)
		return fcntl(file, F_DUPFD_CLOEXEC, 3);
	errno = ENOENT;
	return -1;
}

static void check_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-."), digits = strspn(s, "0123456789");

	promise(n > 0 && n <= 64 && *s != '-' && *s != '.' && digits < n && strlen(s) <= 255);
	s += n;
	if (*s == '\0')
		return;
	promise(*s++ == '@' && *s != '\0' && *s != '-' && *s != '.');
	promise(s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-.")] == '\0');
}

static void check_text(const char *s)
{
	for (; *s != '\0'; s++)
		promise((unsigned char)*s >= 0x20 && *s != ':' && *s != 0x7f);
}

static void check_passwd(enum nss_status s, const struct passwd *p)
{
	if (s != NSS_STATUS_SUCCESS)
		return;
	promise(wire_id_ok(p->pw_uid) && wire_id_ok(p->pw_gid) && p->pw_dir[0] == '/' && p->pw_shell[0] == '/');
	promise(strcmp(p->pw_passwd, "x") == 0);
	check_name(p->pw_name), check_text(p->pw_gecos), check_text(p->pw_dir), check_text(p->pw_shell);
}

static void check_group(enum nss_status s, const struct group *g)
{
	if (s != NSS_STATUS_SUCCESS)
		return;
	promise(wire_id_ok(g->gr_gid) && strcmp(g->gr_passwd, "x") == 0);
	check_name(g->gr_name);
	for (char **m = g->gr_mem; *m != NULL; m++)
		check_name(*m);
}

static void ask_groups(const char *name, gid_t gid)
{
	long start = 0, size = 1;
	gid_t *g = malloc(sizeof *g);
	int e = 0;

	(void)_nss_sallyport_initgroups_dyn(name, gid, &start, &size, &g, 64, &e);
	promise(start <= size && size <= 64);
	for (long i = 0; i < start; i++)
		promise(g[i] != 0 && g[i] < UINT32_MAX - 1);
	free(g);
}

/* The names and ids of testdata: accounts, groups of their own, groups, nobody. */
static void ask_all(char *buf, size_t len)
{
	static const char *const names[] = {"alice", "BOB@example.org", "crew", "dora", "dora@q.org", "DECK@Q.org"};
	static const uint32_t ids[] = {70001, 70002, 70100, 70010, 70200, 1000};
	struct passwd p;
	struct group g;
	int e = 0;

	for (size_t i = 0; i < 6; i++) {
		check_passwd(_nss_sallyport_getpwnam_r(names[i], &p, buf, len, &e), &p);
		check_passwd(_nss_sallyport_getpwuid_r(ids[i], &p, buf, len, &e), &p);
		check_group(_nss_sallyport_getgrnam_r(names[i], &g, buf, len, &e), &g);
		check_group(_nss_sallyport_getgrgid_r(ids[i], &g, buf, len, &e), &g);
		ask_groups(names[i], ids[i]);
	}
	_nss_sallyport_setpwent(0);
	for (int i = 0; i < 64; i++) {
		enum nss_status s = _nss_sallyport_getpwent_r(&p, buf, len, &e);

		check_passwd(s, &p);
		if (s != NSS_STATUS_SUCCESS)
			break;
	}
	_nss_sallyport_setgrent(0);
	for (int i = 0; i < 64; i++) {
		enum nss_status s = _nss_sallyport_getgrent_r(&g, buf, len, &e);

		check_group(s, &g);
		if (s != NSS_STATUS_SUCCESS)
			break;
	}
}

/* Takes the place of the file before, which from now on answers nothing. */
static void publish(const uint8_t *data, size_t len)
{
	const uint32_t superseded = 1;
	const uint64_t never = 0;

	if (file >= 0) {
		promise(pwrite(file, &superseded, sizeof superseded, 16) == sizeof superseded);
		promise(pwrite(file, &never, sizeof never, 32) == sizeof never);
		close(file);
	}
	file = memfd_create("directory", MFD_CLOEXEC);
	promise(file >= 0 && fchmod(file, 0644) == 0 && write(file, data, len) == (ssize_t)len);
	if (len < SNAPSHOT_HEADER)
		promise(ftruncate(file, SNAPSHOT_HEADER) == 0); /* room for the two words */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	size_t room = data[len - 1] * 4;
	char *buf = malloc(room + 1);

	publish(data, len - 1);
	int before = dup(0);

	close(before);
	ask_all(buf, room);
	int after = dup(0);

	promise(after == before);
	close(after);
	free(buf);
	return 0;
}

struct part {
	uint64_t offset, len;
};

static struct part part(const uint8_t *d, size_t len, int i)
{
	struct part p = {hash_r64(d + 112 + 24 * i), hash_r64(d + 120 + 24 * i)};

	if (p.offset > len || p.len > len - p.offset)
		p = (struct part){0};
	return p;
}

static void put32(uint8_t *p, uint64_t v)
{
	uint32_t w = (uint32_t)v;

	memcpy(p, &w, sizeof w);
}

/* Check of n bytes at p, into "at", if they are there. */
static void mend(uint8_t *d, size_t len, uint64_t at, uint64_t salt, uint64_t from, uint64_t n)
{
	if (from <= len && n <= len - from)
		put32(d + at, hash_bytes(hash_r64(d + 80) + salt, hash_r64(d + 88), d + from, n));
}

static void mend_accounts(uint8_t *d, size_t len)
{
	struct part p = part(d, len, 0);

	for (uint64_t at = p.offset; at + 28 <= p.offset + p.len;) {
		uint64_t texts = (uint64_t)d[at + 24] + 6, n = (uint64_t)d[at + 25], list;

		for (int i = 16; i < 22; i += 2)
			texts += (uint64_t)d[at + i] | (uint64_t)d[at + i + 1] << 8;
		n += (uint64_t)d[at + 22] | (uint64_t)d[at + 23] << 8;
		list = (28 + texts + 3) & ~UINT64_C(3);
		mend(d, len, at + 4, at + list, at + list, 4 * n);
		mend(d, len, at, at, at + 4, 24 + texts);
		at += (list + 4 * n + 7) & ~UINT64_C(7);
	}
}

static void mend_groups(uint8_t *d, size_t len)
{
	struct part p = part(d, len, 1);

	for (uint64_t at = p.offset; at + 24 <= p.offset + p.len;) {
		uint64_t texts = (uint64_t)d[at + 20] + 3, list = 24 + ((texts + 7) & ~UINT64_C(7)), n = hash_r32(d + at + 16);

		mend(d, len, at + 4, at + list, at + list, n);
		mend(d, len, at, at, at + 4, 20 + texts);
		at += (list + n + 7) & ~UINT64_C(7);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *d, size_t size, size_t max, unsigned int seed)
{
	uint64_t n = LLVMFuzzerMutate(d, size, max), len = n - 1;

	if (n < SNAPSHOT_HEADER + 2 || seed % 8 == 0)
		return n;
	if (seed % 8 < 6)
		memcpy(d, "SALLYDIR\4\3\2\1\2\0\0\0\0\0\0\0\0\0\0\0", 24), memset(d + 40, 0, 24);
	if (seed % 16 < 12)
		memcpy(d + 72, &len, sizeof len), memset(d + 24, 0x3f, 16);
	if (seed % 4 != 1) {
		mend_accounts(d, len);
		mend_groups(d, len);
		for (int i = 2; i < 7; i++) {
			struct part p = part(d, len, i);

			for (uint64_t at = p.offset; at + 64 <= p.offset + p.len; at += 64)
				mend(d, len, at, at, at + 4, 60);
		}
	}
	uint64_t check = hash_bytes(HASH_K1, HASH_K2, d + 72, SNAPSHOT_HEADER - 72);

	memcpy(d + 64, &check, sizeof check);
	return n;
}
