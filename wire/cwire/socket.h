/*
 * Descriptors and deadlines for the C halves: what a program may be bothered
 * with when it is not ours.
 *
 * Promises: no descriptor below 3, none that survives exec, none left open; no
 * SIGPIPE; a deadline is a moment of the monotonic clock and holds through
 * signals; no call blocks past its deadline, also on a full backlog. Functions
 * return -1 and set errno, ETIMEDOUT for a deadline that passed.
 */
#ifndef SALLYPORT_SOCKET_H
#define SALLYPORT_SOCKET_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

/* The default for Working to arrive, from the first attempt to connect. */
#ifndef SALLYPORT_ACKNOWLEDGE_MS
#define SALLYPORT_ACKNOWLEDGE_MS 50
#endif

static inline int64_t wire_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t wire_after_ms(int64_t ms)
{
	return wire_now() + ms * 1000000;
}

/*
 * Moves a new descriptor out of the way of 0, 1 and 2: a host that closed them
 * would take our socket for its terminal.
 */
static inline int wire_above_stdio(int fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	int up = fcntl(fd, F_DUPFD_CLOEXEC, 3), e = errno;

	close(fd);
	errno = e;
	return up;
}

static inline int wire_wait(int fd, short events, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - wire_now();
		struct pollfd p = {.fd = fd, .events = events};

		if (left <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		/* Rounded up, so that the last part of a millisecond is not spun away. */
		int64_t ms = (left + 999999) / 1000000;
		int n = poll(&p, 1, ms > 1000000 ? 1000000 : (int)ms);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

/*
 * Connects. A full backlog is waited for until the deadline: SO_SNDTIMEO bounds
 * connect(2) on a Unix socket, where O_NONBLOCK would fail at once and leave
 * nothing to poll for.
 */
static inline int wire_connect(const char *path, int64_t deadline)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof a.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(a.sun_path, path, n);
	int fd = wire_above_stdio(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return -1;
	for (;;) {
		int64_t left = deadline - wire_now();
		struct timeval t = {.tv_sec = left / 1000000000, .tv_usec = (left % 1000000000) / 1000};

		if (left < 1000) { /* a timeval of zero would mean for ever */
			errno = ETIMEDOUT;
			break;
		}
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) < 0)
			break;
		if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
			return fd;
		if (errno == EAGAIN)
			errno = ETIMEDOUT;
		if (errno != EINTR)
			break;
	}
	int e = errno;

	close(fd);
	errno = e;
	return -1;
}

static inline int wire_send(int fd, const struct wire_writer *w, int64_t deadline)
{
	if (w->full) {
		errno = EMSGSIZE;
		return -1;
	}
	for (;;) {
		ssize_t n = send(fd, w->buf, w->len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			return 0; /* a packet goes whole or not at all */
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		if (errno == EAGAIN && wire_wait(fd, POLLOUT, deadline) < 0)
			return -1;
	}
}

/*
 * A received packet. Nearly all fit the small array; a longer one is allocated
 * to its exact length, learnt before it is read. 64 KiB on the stack would be
 * too much for a host's small threads.
 */
struct wire_packet {
	uint8_t small[4096];
	uint8_t *bytes;
	size_t len;
};

static inline void wire_packet_free(struct wire_packet *p)
{
	if (p->bytes == NULL)
		return;
	explicit_bzero(p->bytes, p->len);
	if (p->bytes != p->small)
		free(p->bytes);
	p->bytes = NULL;
	p->len = 0;
}

/*
 * Receives one message. The packet is to be freed after success only. No control
 * buffer is offered, so the kernel drops descriptors that a peer may have sent.
 * EPROTO says that what came is no message, ECONNRESET that the peer closed.
 */
static inline int wire_receive(int fd, struct wire_packet *p, struct wire_message *m, int64_t deadline)
{
	ssize_t n, got;

	p->bytes = NULL;
	p->len = 0;
	for (;;) {
		n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
		if (n >= 0)
			break;
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		if (errno == EAGAIN && wire_wait(fd, POLLIN, deadline) < 0)
			return -1;
	}
	if (n == 0) {
		errno = ECONNRESET;
		return -1;
	}
	if (n > WIRE_MAX_PACKET) {
		errno = EPROTO;
		return -1;
	}
	p->len = (size_t)n;
	p->bytes = p->len <= sizeof p->small ? p->small : malloc(p->len);
	if (p->bytes == NULL) {
		errno = ENOMEM;
		return -1;
	}
	do
		got = recv(fd, p->bytes, p->len, MSG_TRUNC | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got == n && wire_parse(p->bytes, p->len, m))
		return 0;
	int e = got < 0 ? errno : EPROTO;

	wire_packet_free(p);
	errno = e;
	return -1;
}

#endif
