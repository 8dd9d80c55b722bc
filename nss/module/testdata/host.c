/*
 * A host program for tests. It asks through real glibc, told in this process
 * alone to use "files sallyport", or calls the module's functions itself to see
 * their status and errno. Each argument is a step; each step prints its answer.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void print_passwd(const char *what, const struct passwd *p)
{
	if (p == NULL)
		dprintf(9, "%s: none\n", what);
	else
		dprintf(9, "%s: %s:%s:%u:%u:%s:%s:%s\n", what, p->pw_name, p->pw_passwd, (unsigned)p->pw_uid,
			(unsigned)p->pw_gid, p->pw_gecos, p->pw_dir, p->pw_shell);
}

static void print_group(const char *what, const struct group *g)
{
	size_t n = 0, bytes = 0;

	if (g == NULL) {
		dprintf(9, "%s: none\n", what);
		return;
	}
	for (char **m = g->gr_mem; *m != NULL; m++, n++)
		bytes += strlen(*m);
	dprintf(9, "%s: %s:%s:%u:", what, g->gr_name, g->gr_passwd, (unsigned)g->gr_gid);
	if (n > 5)
		dprintf(9, "%zu members of %zu bytes\n", n, bytes);
	else
		for (char **m = g->gr_mem; *m != NULL || dprintf(9, "\n") < 0; m++)
			dprintf(9, "%s%s", m == g->gr_mem ? "" : ",", *m);
}

static void print_groups(const char *user)
{
	gid_t g[8192];
	int n = 8192;

	if (getgrouplist(user, 1000, g, &n) < 0)
		exit(3);
	dprintf(9, "groups:");
	for (int i = 0; i < n && i < 10; i++)
		dprintf(9, " %u", (unsigned)g[i]);
	dprintf(9, n > 10 ? " of %d\n" : "\n", n);
}

typedef enum nss_status getpwname(const char *, struct passwd *, char *, size_t, int *);
typedef enum nss_status getpwid(uid_t, struct passwd *, char *, size_t, int *);
typedef enum nss_status getgr(const char *, struct group *, char *, size_t, int *);
typedef enum nss_status initgroups_dyn(const char *, gid_t, long *, long *, gid_t **, long, int *);

static void *module(void)
{
	void *h = dlopen("libnss_sallyport.so.2", RTLD_NOW);

	if (h == NULL) {
		dprintf(2, "%s\n", dlerror());
		exit(4);
	}
	return h;
}

static void direct_name(const char *name)
{
	struct passwd p;
	char buf[8192];
	int e = 0;

	errno = 77;
	enum nss_status s = ((getpwname *)dlsym(module(), "_nss_sallyport_getpwnam_r"))(name, &p, buf, sizeof buf, &e);

	dprintf(9, "status=%d error=%s errno=%d\n", (int)s, e ? strerrorname_np(e) : "0", errno);
}

static void direct_group(const char *name)
{
	struct group g;
	char buf[8192];
	int e = 0;
	enum nss_status s = ((getgr *)dlsym(module(), "_nss_sallyport_getgrnam_r"))(name, &g, buf, sizeof buf, &e);

	dprintf(9, "status=%d error=%s\n", (int)s, e ? strerrorname_np(e) : "0");
}

static void direct_uid(const char *uid)
{
	struct passwd p;
	char buf[8192];
	int e = 0;
	enum nss_status s = ((getpwid *)dlsym(module(), "_nss_sallyport_getpwuid_r"))((uid_t)strtoul(uid, NULL, 10), &p,
										    buf, sizeof buf, &e);

	dprintf(9, "status=%d error=%s\n", (int)s, e ? strerrorname_np(e) : "0");
}

static void direct_groups(const char *name)
{
	long start = 0, size = 1, limit = 3;
	gid_t *g = malloc(sizeof *g);
	int e = 0;
	enum nss_status s = ((initgroups_dyn *)dlsym(module(), "_nss_sallyport_initgroups_dyn"))(name, 70001, &start, &size,
											       &g, limit, &e);

	dprintf(9, "status=%d start=%ld size=%ld\n", (int)s, start, size);
	free(g);
}

/* Every buffer from nothing to enough: ERANGE until it is, and exact. */
static void squeeze(const char *name, int group)
{
	for (size_t len = 0; len < 70000; len++) {
		char *buf = malloc(len + 1);
		struct passwd p;
		struct group g;
		int e = 0;
		enum nss_status s;

		buf[len] = 'c';
		if (group)
			s = ((getgr *)dlsym(module(), "_nss_sallyport_getgrnam_r"))(name, &g, buf, len, &e);
		else
			s = ((getpwname *)dlsym(module(), "_nss_sallyport_getpwnam_r"))(name, &p, buf, len, &e);
		int ok = buf[len] == 'c' && (s == NSS_STATUS_SUCCESS || (s == NSS_STATUS_TRYAGAIN && e == ERANGE));

		if (!ok || s == NSS_STATUS_SUCCESS)
			dprintf(9, "%s at %zu bytes\n", ok ? "fits" : "wrong", len);
		free(buf);
		if (!ok || s == NSS_STATUS_SUCCESS)
			return;
	}
}

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void *many(void *name)
{
	long ok = 0;

	for (int i = 0; i < 20; i++) {
		struct passwd p, *found = NULL;
		char buf[1024];

		ok += getpwnam_r(name, &p, buf, sizeof buf, &found) == 0 && found != NULL;
	}
	return (void *)ok;
}

static void threads(int n)
{
	pthread_t t[256];
	pthread_attr_t small;
	long ok = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 * 1024);
	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], &small, many, "alice") != 0)
			exit(5);
	for (int i = 0; i < n; i++) {
		void *r;

		pthread_join(t[i], &r);
		ok += (long)r;
	}
	dprintf(9, "threads found %ld\n", ok);
}

static void walk(const char *what)
{
	struct passwd *p;
	struct group *g;
	size_t n = 0;

	if (strcmp(what, "passwd") == 0) {
		setpwent();
		while ((p = getpwent()) != NULL)
			if (p->pw_uid >= 70000 && p->pw_uid < 4000000000U && n++ < 5)
				print_passwd("pw", p);
		endpwent();
	} else {
		setgrent();
		while ((g = getgrent()) != NULL)
			if (g->gr_gid >= 70000 && g->gr_gid < 4000000000U && n++ < 5)
				print_group("gr", g);
		endgrent();
	}
	dprintf(9, "%zu of %s\n", n, what);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_DFL); /* whatever the test's own parent left us */
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	dup2(1, 9);
	fcntl(9, F_SETFD, FD_CLOEXEC);
	__nss_configure_lookup("passwd", "files sallyport");
	__nss_configure_lookup("group", "files sallyport");
	__nss_configure_lookup("initgroups", "files sallyport");
	for (int i = 1; i < argc; i++) {
		char *what = strdupa(argv[i]), *eq = strchr(what, '='), *arg = eq ? eq + 1 : "";
		struct timespec a, b;
		int before;

		if (eq)
			*eq = '\0';
		clock_gettime(CLOCK_MONOTONIC, &a);
		before = descriptors();
		if (strcmp(what, "pwnam") == 0)
			print_passwd(what, getpwnam(arg));
		else if (strcmp(what, "pwuid") == 0)
			print_passwd(what, getpwuid((uid_t)strtoul(arg, NULL, 10)));
		else if (strcmp(what, "grnam") == 0)
			print_group(what, getgrnam(arg));
		else if (strcmp(what, "grgid") == 0)
			print_group(what, getgrgid((gid_t)strtoul(arg, NULL, 10)));
		else if (strcmp(what, "groups") == 0)
			print_groups(arg);
		else if (strcmp(what, "direct") == 0)
			direct_name(arg);
		else if (strcmp(what, "direct-uid") == 0)
			direct_uid(arg);
		else if (strcmp(what, "direct-group") == 0)
			direct_group(arg);
		else if (strcmp(what, "direct-groups") == 0)
			direct_groups(arg);
		else if (strcmp(what, "squeeze-passwd") == 0)
			squeeze(arg, 0);
		else if (strcmp(what, "squeeze-group") == 0)
			squeeze(arg, 1);
		else if (strcmp(what, "threads") == 0)
			threads(atoi(arg));
		else if (strcmp(what, "walk") == 0)
			walk(arg);
		else if (strcmp(what, "close-stdio") == 0)
			close(0), close(1), close(2), before = descriptors();
		else if (strcmp(what, "fork") == 0) {
			pid_t pid = fork();
			int status;

			if (pid != 0) {
				waitpid(pid, &status, 0);
				return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
			}
		} else
			return 2;
		clock_gettime(CLOCK_MONOTONIC, &b);
		if (descriptors() > before)
			dprintf(9, "descriptors leaked: %d\n", descriptors() - before);
		if (getenv("TIMES"))
			dprintf(9, "ms=%ld\n", (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	}
	return 0;
}
