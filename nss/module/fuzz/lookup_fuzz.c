/*
 * A libFuzzer target: the daemon's packets are the fuzzer's, and reach the whole
 * library through a real socket. The first byte chooses the question, the second
 * the caller's buffer; then come packets, each behind two bytes of length.
 *
 * Broken promises abort: a record with an id or a text that may not enter a
 * program, a descriptor left open. The buffers are exact, for the sanitizer.
 */
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

enum nss_status _nss_sallyport_getpwnam_r(const char *, struct passwd *, char *, size_t, int *);
enum nss_status _nss_sallyport_getgrgid_r(gid_t, struct group *, char *, size_t, int *);
enum nss_status _nss_sallyport_initgroups_dyn(const char *, gid_t, long *, long *, gid_t **, long, int *);
enum nss_status _nss_sallyport_setpwent(int);
enum nss_status _nss_sallyport_getpwent_r(struct passwd *, char *, size_t, int *);
enum nss_status _nss_sallyport_setgrent(int);
enum nss_status _nss_sallyport_getgrent_r(struct group *, char *, size_t, int *);

static int client_end = -1;

static void promise(bool kept)
{
	if (!kept)
		abort();
}

/* The library's own connect, replaced at link time with --wrap. */
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n)
{
	(void)a, (void)n;
	if (client_end < 0)
		return -1;
	promise(dup3(client_end, fd, O_CLOEXEC) == fd);
	close(client_end);
	client_end = -1;
	return 0;
}

/* No snapshot, and no local account. */
int __wrap_open(const char *path, int flags, ...)
{
	(void)path, (void)flags;
	return -1;
}

static void check_text(const char *s)
{
	promise(strpbrk(s, ":\n") == NULL);
}

static void check_passwd(const struct passwd *p)
{
	promise(wire_id_ok(p->pw_uid) && wire_id_ok(p->pw_gid) && *p->pw_name != '\0' && p->pw_dir[0] == '/');
	check_text(p->pw_name), check_text(p->pw_gecos), check_text(p->pw_dir), check_text(p->pw_shell);
}

static void check_group(const struct group *g)
{
	promise(wire_id_ok(g->gr_gid) && *g->gr_name != '\0');
	for (char **m = g->gr_mem; *m != NULL; m++)
		check_text(*m);
}

static void ask(int question, char *buf, size_t len)
{
	struct passwd p;
	struct group g;
	long start = 0, size = 1;
	gid_t *gids;
	int e = 0;

	switch (question) {
	case 0:
		if (_nss_sallyport_getpwnam_r("alice", &p, buf, len, &e) == NSS_STATUS_SUCCESS)
			check_passwd(&p);
		break;
	case 1:
		if (_nss_sallyport_getgrgid_r(70001, &g, buf, len, &e) == NSS_STATUS_SUCCESS)
			check_group(&g);
		break;
	case 2:
		gids = malloc(sizeof *gids);
		(void)_nss_sallyport_initgroups_dyn("alice", 70001, &start, &size, &gids, 64, &e);
		promise(start <= size && size <= 64);
		for (long i = 0; i < start; i++)
			promise(wire_id_ok(gids[i]));
		free(gids);
		break;
	case 3:
		_nss_sallyport_setpwent(0);
		for (int i = 0; i < 64 && _nss_sallyport_getpwent_r(&p, buf, len, &e) == NSS_STATUS_SUCCESS; i++)
			check_passwd(&p);
		_nss_sallyport_setpwent(0);
		break;
	default:
		_nss_sallyport_setgrent(0);
		for (int i = 0; i < 64 && _nss_sallyport_getgrent_r(&g, buf, len, &e) == NSS_STATUS_SUCCESS; i++)
			check_group(&g);
		_nss_sallyport_setgrent(0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int ends[2], before = dup(0);

	if (len < 2)
		return close(before);
	int question = data[0] % 5;
	size_t room = data[1] * 4;
	char *buf = malloc(room + 1);

	data += 2, len -= 2;
	promise(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	client_end = ends[0];
	while (len >= 2) {
		size_t n = wire_u16(data);

		data += 2, len -= 2;
		if (n > len || send(ends[1], data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		data += n, len -= n;
	}
	shutdown(ends[1], SHUT_WR);
	ask(question, buf, room);
	if (client_end >= 0)
		close(client_end);
	client_end = -1;
	close(ends[1]);
	free(buf);
	close(before);
	int after = dup(0);

	promise(after == before);
	close(after);
	return 0;
}
