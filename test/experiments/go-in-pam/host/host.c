/*
 * host CONFDIR CASE: a PAM host in one of the ways that real ones have.
 *   plain    authenticate and open a session in one process (su, sudo)
 *   fork     authenticate, then fork and set credentials in the child
 *            (sshd's session child, systemd's (sd-pam))
 *   early    load the module, then fork and authenticate in the child
 *            (sshd's keyboard-interactive child)
 *   as       under RLIMIT_AS of 64 MiB
 *   threads  print the number of threads, of signal handlers and of resident
 *            KiB before and after
 * Any PAM code is an answer: nothing listens here, so our own module refuses
 * with 9, PAM_AUTHINFO_UNAVAIL. A child that does not end within 5 s is reported as hanging.
 */
#include <dirent.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int converse(int n, const struct pam_message **m, struct pam_response **r, void *d)
{
	(void)n, (void)m, (void)r, (void)d;
	return PAM_CONV_ERR;
}

static void count(const char *when)
{
	int threads = 0, handlers = 0;
	long size = 0, pages = 0;
	DIR *d = opendir("/proc/self/task");

	for (struct dirent *e; (e = readdir(d)) != NULL;)
		threads += e->d_name[0] != '.';
	closedir(d);
	for (int s = 1; s < 65; s++) {
		struct sigaction a;

		if (sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_DFL && a.sa_handler != SIG_IGN)
			handlers++;
	}
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%ld %ld", &size, &pages) != 2)
		exit(3);
	fclose(f);
	printf("%-7s threads %d, signal handlers %d, resident %ld KiB\n", when, threads, handlers, pages * 4);
}

/* Runs f in a child and says how it ended. */
static void in_child(const char *what, pam_handle_t *h, int (*f)(pam_handle_t *, int))
{
	sigset_t chld;
	int status;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0)
		_exit(f(h, 0));
	struct timespec limit = {5, 0};

	if (sigtimedwait(&chld, NULL, &limit) < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		printf("%s: hangs\n", what);
		return;
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s: killed by signal %d\n", what, WTERMSIG(status));
	else
		printf("%s: answers %d\n", what, WEXITSTATUS(status));
}

static int load_and_authenticate(pam_handle_t *h, int flags)
{
	return pam_authenticate(h, flags);
}

int main(int argc, char **argv)
{
	struct pam_conv conv = {converse, NULL};
	struct timespec a, b;
	pam_handle_t *h;

	if (argc != 3)
		return 2;
	if (strcmp(argv[2], "as") == 0) {
		struct rlimit r = {64 << 20, 64 << 20};

		setrlimit(RLIMIT_AS, &r);
	}
	if (strcmp(argv[2], "threads") == 0)
		count("before");
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (pam_start_confdir("test", "somebody", &conv, argv[1], &h) != PAM_SUCCESS) /* loads the module */
		return 3;
	if (strcmp(argv[2], "early") == 0) {
		in_child("early: forks after loading, authenticates in the child", h, load_and_authenticate);
		return 0;
	}
	int r = pam_authenticate(h, 0);

	clock_gettime(CLOCK_MONOTONIC, &b);
	if (strcmp(argv[2], "threads") == 0) {
		count("after");
		printf("first call, loading included: %ld us\n",
		       (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000);
	} else if (strcmp(argv[2], "fork") == 0) {
		in_child("fork: forks after authenticating, setcred in the child", h, pam_setcred);
	} else {
		printf("%s: answers %d\n", argv[2], r);
	}
	return 0;
}
