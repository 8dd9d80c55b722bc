/*
 * A host program for tests: it does to the module what sshd, sudo, a screen
 * locker or systemd would do, in the order that its arguments say, and prints
 * what comes of it, one line each.
 *
 *   host CONFDIR SERVICE USER STEP...
 *
 * Answers to prompts are the lines of $ANSWERS; a prompt without one fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *confdir, *service, *user;
static int stdio_closed;

/* While the module has its connection open, a host looks at its descriptors. */
static void inspect(void)
{
	for (int fd = 0; fd < 64; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0 && fd < 3 && stdio_closed)
			dprintf(9, "descriptor %d is in use\n", fd);
		if (flags >= 0 && fd > 2 && !(flags & FD_CLOEXEC))
			dprintf(9, "descriptor %d survives exec\n", fd);
	}
}

static int converse(int n, const struct pam_message **msg, struct pam_response **out, void *data)
{
	char **answers = data;
	struct pam_response *r = calloc((size_t)n, sizeof *r);

	inspect();
	for (int i = 0; i < n; i++) {
		const char *style = "?";

		switch (msg[i]->msg_style) {
		case PAM_PROMPT_ECHO_OFF: style = "secret"; break;
		case PAM_PROMPT_ECHO_ON: style = "text"; break;
		case PAM_TEXT_INFO: style = "info"; break;
		case PAM_ERROR_MSG: style = "error"; break;
		}
		dprintf(9, "%s: %s\n", style, msg[i]->msg);
		if (*style != 's' && *style != 't')
			continue;
		if (*answers == NULL) {
			free(r);
			return PAM_CONV_ERR;
		}
		char *end = strchr(*answers, '\n');

		r[i].resp = end ? strndup(*answers, (size_t)(end - *answers)) : strdup(*answers);
		*answers = end ? end + 1 : NULL;
	}
	*out = r;
	return PAM_SUCCESS;
}

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static pam_handle_t *start(char **answers)
{
	pam_handle_t *h = NULL;
	struct pam_conv *conv = malloc(sizeof *conv);

	*conv = (struct pam_conv){converse, answers};
	int r = pam_start_confdir(service, user, conv, confdir, &h);

	free(conv); /* libpam keeps a copy of its own */
	if (r != PAM_SUCCESS) {
		dprintf(9, "start=%d\n", r);
		exit(3);
	}
	return h;
}

/* One authentication of its own, in a thread. */
static void *authenticate(void *arg)
{
	char *answers = arg;
	pam_handle_t *h = start(&answers);
	long r = pam_authenticate(h, 0);

	pam_end(h, (int)r);
	return (void *)r;
}

static void threads(int n)
{
	pthread_t t[256];
	pthread_attr_t small;
	int ok = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 * 1024);
	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], &small, authenticate, getenv("ANSWERS")) != 0)
			exit(4);
	for (int i = 0; i < n; i++) {
		void *r;

		pthread_join(t[i], &r);
		ok += r == NULL;
	}
	dprintf(9, "threads=%d\n", ok);
}

static long resident(void)
{
	long pages = 0, size = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL || fscanf(f, "%ld %ld", &size, &pages) != 2)
		exit(5);
	fclose(f);
	return pages * 4;
}

/* Starts, authenticates and ends n times: libpam loads and unloads the module. */
static void reload(int n)
{
	long ok = 0, before = 0, fds = descriptors();

	for (int i = 0; i < n; i++) {
		if (i == n / 10)
			before = resident();
		ok += authenticate(getenv("ANSWERS")) == NULL;
	}
	dprintf(9, "reload=%ld fds=%ld grown=%s\n", ok, descriptors() - fds, resident() - before < 1024 ? "no" : "yes");
}

static int step(pam_handle_t *h, const char *s)
{
	struct timespec a, b;
	int r = -1, before = descriptors();

	clock_gettime(CLOCK_MONOTONIC, &a);
	if (strcmp(s, "auth") == 0)
		r = pam_authenticate(h, 0);
	else if (strcmp(s, "auth-silent") == 0)
		r = pam_authenticate(h, PAM_SILENT);
	else if (strcmp(s, "acct") == 0)
		r = pam_acct_mgmt(h, 0);
	else if (strcmp(s, "setcred") == 0)
		r = pam_setcred(h, PAM_ESTABLISH_CRED);
	else if (strcmp(s, "refresh") == 0)
		r = pam_setcred(h, PAM_REFRESH_CRED);
	else if (strcmp(s, "reinitialize") == 0)
		r = pam_setcred(h, PAM_REINITIALIZE_CRED);
	else if (strcmp(s, "delcred") == 0)
		r = pam_setcred(h, PAM_DELETE_CRED);
	else if (strcmp(s, "open") == 0)
		r = pam_open_session(h, 0);
	else if (strcmp(s, "close") == 0)
		r = pam_close_session(h, 0);
	else if (strcmp(s, "chauthtok") == 0)
		r = pam_chauthtok(h, 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	dprintf(9, "%s=%d\n", s, r);
	if (descriptors() != before)
		dprintf(9, "descriptors leaked: %d\n", descriptors() - before);
	if (getenv("TIMES"))
		dprintf(9, "ms=%ld\n", (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	return r;
}

static void show_environment(pam_handle_t *h)
{
	char **env = pam_getenvlist(h);

	for (char **e = env; *e != NULL; e++) {
		dprintf(9, "env %s\n", *e);
		free(*e);
	}
	free(env);
}

static void show_groups(void)
{
	gid_t g[256];
	int n = getgroups(256, g);

	for (int i = 0; i < n; i++)
		dprintf(9, "group %u\n", (unsigned)g[i]);
}

/* In place of libpam's wait: tells how long that would be at least, the random part aside. */
static void show_delay(int status, unsigned us, void *data)
{
	(void)data;
	dprintf(9, "delay after %d: %s\n", status, us >= 1000000 ? "a second or more" : us > 0 ? "less than a second" : "none");
}

static void limit(int what, const char *value)
{
	rlim_t n = strtoul(value, NULL, 10);
	struct rlimit r = {n, n};

	setrlimit(what, &r);
}

/* As root of a container that may not change groups. */
static void keep_groups(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) != 0)
		exit(7);
	data[0].effective &= ~(1u << CAP_SETGID);
	if (syscall(SYS_capset, &head, data) != 0)
		exit(7);
}

int main(int argc, char **argv)
{
	char *answers = getenv("ANSWERS");
	pam_handle_t *h;
	int r = 0, status = 0;
	if (argc < 4)
		return 2;
	signal(SIGPIPE, SIG_DFL); /* whatever the test's own parent left us */
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	dup2(1, 9); /* what is printed goes past anything the module might take for its own */
	fcntl(9, F_SETFD, FD_CLOEXEC);
	confdir = argv[1], service = argv[2], user = argv[3];
	h = start(&answers);
	for (int i = 4; i < argc; i++) {
		if (strcmp(argv[i], "fork") == 0) {
			pid_t pid = fork();

			if (pid == 0)
				continue; /* the child goes on with the later steps */
			waitpid(pid, &status, 0);
			pam_end(h, r);
			return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
		} else if (strcmp(argv[i], "close-stdio") == 0) {
			close(0), close(1), close(2), stdio_closed = 1;
		} else if (strncmp(argv[i], "threads=", 8) == 0) {
			threads(atoi(argv[i] + 8));
		} else if (strncmp(argv[i], "reload=", 7) == 0) {
			reload(atoi(argv[i] + 7));
		} else if (strncmp(argv[i], "uid=", 4) == 0) {
			if (setuid((uid_t)atoi(argv[i] + 4)) != 0)
				return 6;
		} else if (strcmp(argv[i], "keep-groups") == 0) {
			keep_groups();
		} else if (strncmp(argv[i], "as=", 3) == 0) {
			limit(RLIMIT_AS, argv[i] + 3);
		} else if (strncmp(argv[i], "nproc=", 6) == 0) {
			limit(RLIMIT_NPROC, argv[i] + 6);
		} else if (strncmp(argv[i], "putenv=", 7) == 0) {
			pam_putenv(h, argv[i] + 7);
		} else if (strcmp(argv[i], "env") == 0) {
			show_environment(h);
		} else if (strncmp(argv[i], "in-group=", 9) == 0) {
			const gid_t g = (gid_t)strtoul(argv[i] + 9, NULL, 10);

			if (setgroups(1, &g) != 0)
				return 6;
		} else if (strcmp(argv[i], "show-delay") == 0) {
			pam_set_item(h, PAM_FAIL_DELAY, (const void *)show_delay);
		} else if (strcmp(argv[i], "groups") == 0) {
			show_groups();
		} else if (strncmp(argv[i], "tty=", 4) == 0) {
			pam_set_item(h, PAM_TTY, argv[i] + 4);
		} else if (strncmp(argv[i], "rhost=", 6) == 0) {
			pam_set_item(h, PAM_RHOST, argv[i] + 6);
		} else if (strcmp(argv[i], "user") == 0) {
			const void *u = NULL;

			pam_get_item(h, PAM_USER, &u);
			dprintf(9, "user %s\n", u ? (const char *)u : "");
		} else {
			r = step(h, argv[i]);
		}
	}
	pam_end(h, r);
	return 0;
}
