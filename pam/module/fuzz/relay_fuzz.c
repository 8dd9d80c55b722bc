/*
 * A libFuzzer target: the daemon's packets are the fuzzer's. They reach the whole
 * relay through a real socket, with libpam's part played below. The input is
 * packets, each behind two bytes of length.
 *
 * Broken promises abort: a yes when no packet is a verdict of code 1, an
 * environment line without a name, a descriptor left open.
 */
#include <errno.h>
#include <fcntl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "relay.h"

static void promise(bool kept)
{
	if (!kept)
		abort();
}

int pam_get_item(const pam_handle_t *h, int item, const void **v)
{
	(void)h;
	*v = item == PAM_AUTHTOK || item == PAM_TTY ? "earlier" : NULL;
	return PAM_SUCCESS;
}

const char *pam_getenv(pam_handle_t *h, const char *name)
{
	(void)h, (void)name;
	return "publickey ssh-ed25519-cert-v01@openssh.com AAAA";
}

int pam_set_item(pam_handle_t *h, int item, const void *v)
{
	(void)h;
	promise(item == PAM_AUTHTOK || item == PAM_OLDAUTHTOK);
	promise(v != NULL && strlen(v) < WIRE_MAX_PACKET);
	return PAM_SUCCESS;
}

int pam_putenv(pam_handle_t *h, const char *line)
{
	(void)h;
	promise(line[0] != '=' && strchr(line, '=') != NULL && strchr(line, '\n') == NULL);
	return PAM_SUCCESS;
}

int pam_fail_delay(pam_handle_t *h, unsigned int us)
{
	(void)h, (void)us;
	return PAM_SUCCESS;
}

void pam_syslog(const pam_handle_t *h, int priority, const char *format, ...)
{
	(void)h, (void)priority, (void)format;
}

int pam_prompt(pam_handle_t *h, int style, char **answer, const char *format, ...)
{
	va_list args;
	char text[64];

	(void)h;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	promise(style >= PAM_PROMPT_ECHO_OFF && style <= PAM_TEXT_INFO);
	if (answer != NULL)
		*answer = strdup("hunter2");
	return PAM_SUCCESS;
}

/* Whether any packet is a yes. */
static bool has_yes(const uint8_t *data, size_t len)
{
	bool any = false;

	while (len >= 2) {
		size_t n = wire_u16(data);
		struct wire_message m;
		uint32_t code;

		data += 2, len -= 2;
		if (n > len)
			break;
		any = any || (wire_parse(data, n, &m) && m.type == WIRE_VERDICT &&
			      wire_get_number(&m, WIRE_CODE, &code) && code == 1);
		data += n, len -= n;
	}
	return any;
}

/* The relay's own connect, replaced at link time with --wrap. */
static int client_end = -1;

int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n)
{
	(void)a, (void)n;
	if (client_end < 0) { /* it begins anew: nobody is there */
		errno = ECONNREFUSED;
		return -1;
	}
	promise(dup3(client_end, fd, O_CLOEXEC) == fd);
	close(client_end);
	client_end = -1;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct call c = {.pamh = (pam_handle_t *)&c, .user = "alice"};
	const uint8_t *whole = data;
	size_t whole_len = len;
	int ends[2], before = dup(0);

	if (len < 2)
		return close(before);
	c.op = data[0] % 6 + 1;
	c.flags = data[1] & 1 ? PAM_PRELIM_CHECK : 0;
	c.options = (struct options){.socket = "/x", .timeout_ms = 1000, .try_first_pass = data[1] & 2};
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
	promise(relay(&c) != PAM_SUCCESS || has_yes(whole + 2, whole_len - 2));
	close(ends[1]);
	close(before);
	int after = dup(0);

	promise(after == before);
	close(after);
	return 0;
}
