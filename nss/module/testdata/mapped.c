/*
 * A host program for tests of the mapped snapshot. It calls the module's functions
 * itself, in the order of its arguments, and prints what each says. "wait" reads a
 * line, so that a test can change the world in between. What it prints about itself
 * is counted without asking the system for more than the test allows.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <nss.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum nss_status pwnam_fn(const char *, struct passwd *, char *, size_t, int *);
typedef enum nss_status pwuid_fn(uid_t, struct passwd *, char *, size_t, int *);
typedef enum nss_status grnam_fn(const char *, struct group *, char *, size_t, int *);
typedef enum nss_status grgid_fn(gid_t, struct group *, char *, size_t, int *);
typedef enum nss_status groups_fn(const char *, gid_t, long *, long *, gid_t **, long, int *);
typedef enum nss_status set_fn(int);
typedef enum nss_status pwent_fn(struct passwd *, char *, size_t, int *);
typedef enum nss_status grent_fn(struct group *, char *, size_t, int *);

static struct {
	void *handle;
	pwnam_fn *pwnam;
	pwuid_fn *pwuid;
	grnam_fn *grnam;
	grgid_fn *grgid;
	groups_fn *groups;
	set_fn *setpw, *setgr;
	pwent_fn *pwent;
	grent_fn *grent;
} lib;

static void load(void)
{
	lib.handle = dlopen("libnss_sallyport.so.2", RTLD_NOW);
	if (lib.handle == NULL) {
		dprintf(2, "%s\n", dlerror());
		exit(4);
	}
	lib.pwnam = (pwnam_fn *)dlsym(lib.handle, "_nss_sallyport_getpwnam_r");
	lib.pwuid = (pwuid_fn *)dlsym(lib.handle, "_nss_sallyport_getpwuid_r");
	lib.grnam = (grnam_fn *)dlsym(lib.handle, "_nss_sallyport_getgrnam_r");
	lib.grgid = (grgid_fn *)dlsym(lib.handle, "_nss_sallyport_getgrgid_r");
	lib.groups = (groups_fn *)dlsym(lib.handle, "_nss_sallyport_initgroups_dyn");
	lib.setpw = (set_fn *)dlsym(lib.handle, "_nss_sallyport_setpwent");
	lib.setgr = (set_fn *)dlsym(lib.handle, "_nss_sallyport_setgrent");
	lib.pwent = (pwent_fn *)dlsym(lib.handle, "_nss_sallyport_getpwent_r");
	lib.grent = (grent_fn *)dlsym(lib.handle, "_nss_sallyport_getgrent_r");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Every allocation of the process passes here. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static _Atomic long allocations;

void *malloc(size_t n) { allocations++; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { allocations++; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { allocations++; return __libc_realloc(p, n); }
#else
static long allocations;
#endif

/* Without an allocation, or any call but write. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[1024];
	va_list l;

	va_start(l, format);
	int n = vsnprintf(line, sizeof line, format, l);

	va_end(l);
	if (write(1, line, (size_t)n) < 0)
		exit(3);
}

static long spent;
static char enough[4 << 20], *room = enough;
static size_t room_len = sizeof enough;

static const char *why(int e)
{
	return e ? strerrorname_np(e) : "0";
}

static void print_passwd(enum nss_status s, const struct passwd *p, int e)
{
	if (s != NSS_STATUS_SUCCESS)
		say("status=%d error=%s\n", (int)s, why(e));
	else
		say("%s:%s:%u:%u:%s:%s:%s\n", p->pw_name, p->pw_passwd, p->pw_uid, p->pw_gid, p->pw_gecos, p->pw_dir,
			p->pw_shell);
}

static void print_group(enum nss_status s, const struct group *g, int e)
{
	size_t n = 0, bytes = 0;

	if (s != NSS_STATUS_SUCCESS) {
		say("status=%d error=%s\n", (int)s, why(e));
		return;
	}
	say("%s:%s:%u:", g->gr_name, g->gr_passwd, g->gr_gid);
	for (char **m = g->gr_mem; *m != NULL; m++, n++)
		bytes += strlen(*m);
	for (char **m = g->gr_mem; *m != NULL && n <= 5; m++)
		say("%s%s", m == g->gr_mem ? "" : ",", *m);
	say(n <= 5 ? "\n" : "%zu members of %zu bytes\n", n, bytes);
}

static void print_groups(const char *arg)
{
	char *user = strdupa(arg), *at = strchr(user, '/');
	gid_t gid = 70001, *g = malloc(sizeof *g);
	long start = 0, size = 1;
	int e = 0;

	if (at != NULL) {
		*at = '\0';
		gid = (gid_t)strtoul(at + 1, NULL, 10);
	}
	enum nss_status s = lib.groups(user, gid, &start, &size, &g, -1, &e);

	say("groups %d %s:", (int)s, why(e));
	for (long i = 0; i < start && i < 10; i++)
		say(" %u", g[i]);
	say(start > 10 ? " of %ld\n" : "\n", start);
	free(g);
}

/* How often the file is mapped, and how many descriptors are open. */
static void print_kept(void)
{
	char line[512];
	int maps = 0, fds = 0;
	FILE *f = fopen("/proc/self/maps", "re");

	while (fgets(line, sizeof line, f) != NULL)
		maps += strstr(line, "/cache/directory") != NULL;
	fclose(f);
	for (int fd = 3; fd < 1024; fd++)
		fds += fcntl(fd, F_GETFD) >= 0;
	say("mappings=%d descriptors=%d\n", maps, fds);
}

#include "hammer.h"

static void seccomp_only_mapping(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
		ALLOW(__NR_openat), ALLOW(__NR_fstat), ALLOW(__NR_newfstatat), ALLOW(__NR_mmap), ALLOW(__NR_close),
		ALLOW(__NR_write), ALLOW(__NR_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog p = {.len = sizeof f / sizeof *f, .filter = f};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) < 0)
		exit(6);
}

/* The address space may grow by so many bytes and no more. */
static void limit(const char *bytes)
{
	char line[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (read(fd, line, sizeof line - 1) <= 0)
		exit(7);
	close(fd);
	rlim_t now = strtoul(line, NULL, 10) * (rlim_t)getpagesize() + strtoul(bytes, NULL, 10);

	setrlimit(RLIMIT_AS, &(struct rlimit){now, now});
}

static void enter(const char *root)
{
	if (chroot(root) < 0 || chdir("/") < 0)
		exit(8);
}

static void walk(bool accounts, size_t most)
{
	struct passwd p;
	struct group g;
	int e = 0;

	for (size_t i = 0; i < most; i++) {
		enum nss_status s = accounts ? lib.pwent(&p, room, room_len, &e) : lib.grent(&g, room, room_len, &e);

		if (accounts)
			print_passwd(s, &p, e);
		else
			print_group(s, &g, e);
		if (s != NSS_STATUS_SUCCESS)
			break;
	}
}

#include "flip.h"

/* Asks, counts what that allocated, prints what was said. */
#define PRINT(kind, out, question)                                      \
	do {                                                            \
		long before = allocations;                              \
		enum nss_status status = question;                      \
		spent += allocations - before;                          \
		print_##kind(status, &out, e);                          \
	} while (0)

/* A buffer of that size and no more, so that a sanitizer sees its end. */
static void make_room(size_t n)
{
	if (room != enough)
		free(room);
	room_len = n;
	room = malloc(n);
}

static void step(const char *what, const char *arg)
{
	struct passwd p;
	struct group g;
	char line[64];
	int e = 0;

	errno = 77;
	if (strcmp(what, "pwnam") == 0)
		PRINT(passwd, p, lib.pwnam(arg, &p, room, room_len, &e));
	else if (strcmp(what, "pwuid") == 0)
		PRINT(passwd, p, lib.pwuid((uid_t)strtoul(arg, NULL, 10), &p, room, room_len, &e));
	else if (strcmp(what, "grnam") == 0)
		PRINT(group, g, lib.grnam(arg, &g, room, room_len, &e));
	else if (strcmp(what, "grgid") == 0)
		PRINT(group, g, lib.grgid((gid_t)strtoul(arg, NULL, 10), &g, room, room_len, &e));
	else if (strcmp(what, "groups") == 0)
		print_groups(arg);
	else if (strcmp(what, "errno-pwnam") == 0)
		(void)lib.pwnam(arg, &p, room, room_len, &e), say("errno=%d\n", errno);
	else if (strcmp(what, "room") == 0)
		make_room(strtoul(arg, NULL, 10));
	else if (strcmp(what, "load") == 0)
		load();
	else if (strcmp(what, "reload") == 0)
		for (int i = 0; i < atoi(arg); i++)
			dlclose(lib.handle), load(), (void)lib.pwnam("alice", &p, room, room_len, &e);
	else if (strcmp(what, "unload") == 0)
		dlclose(lib.handle);
	else if (strcmp(what, "kept") == 0)
		print_kept();
	else if (strcmp(what, "wait") == 0)
		(void)!read(0, line, sizeof line);
	else if (strcmp(what, "mark") == 0)
		(void)getppid();
	else if (strcmp(what, "allocations") == 0)
		say("allocations=%ld\n", spent), spent = 0;
	else if (strcmp(what, "hammer") == 0)
		hammer(atoi(arg));
	else if (strcmp(what, "fork-often") == 0)
		fork_often(atoi(arg));
	else if (strcmp(what, "fork-hammer") == 0)
		fork_hammer();
	else if (strcmp(what, "seccomp") == 0)
		seccomp_only_mapping();
	else if (strcmp(what, "limit") == 0)
		limit(arg);
	else if (strcmp(what, "chroot") == 0)
		enter(arg);
	else if (strcmp(what, "setpwent") == 0)
		(void)lib.setpw(0);
	else if (strcmp(what, "setgrent") == 0)
		(void)lib.setgr(0);
	else if (strcmp(what, "pwent") == 0)
		walk(true, strtoul(arg, NULL, 10));
	else if (strcmp(what, "grent") == 0)
		walk(false, strtoul(arg, NULL, 10));
	else if (strcmp(what, "flip") == 0)
		flip(arg);
	else
		exit(2);
}

int main(int argc, char **argv)
{
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	load();
	for (int i = 1; i < argc; i++) {
		char *what = strdupa(argv[i]), *eq = strchr(what, '=');

		if (eq != NULL)
			*eq++ = '\0';
		step(what, eq != NULL ? eq : "");
	}
	return 0;
}
