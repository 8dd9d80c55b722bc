/*
 * nssbench SERVICE N PREFIX BASE COUNT TEAM-BASE [first|warm|hit|floor|threads]: nanoseconds per
 * lookup through glibc, one service of nsswitch.conf(5) alone; "-": as that file says,
 * which is the only way to nscd(8).
 *
 * Expects users PREFIX0 to PREFIX(COUNT-1) with uid BASE+i, and groups team0 to
 * team99 with gid TEAM-BASE+i. Prints "NAME FIGURE misses=M", a line each. A loop
 * ends after N lookups or a second. The figures hold the benchmark's own
 * snprintf(3) and rand(3), the same for every service.
 *
 * With "threads", once through glibc, which counts each call in one variable of its
 * own, and once with the library called directly.
 *
 *   cc -O2 nssbench.c -o nssbench -lpthread -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern int __nss_configure_lookup(const char *, const char *);

static const char *prefix;
static unsigned base, team_base;
static int count;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Each returns whether somebody was found. */
struct scratch {
	char buf[1 << 20], name[64];
	struct passwd pw, *r;
	struct group gr, *g;
	gid_t gids[1024];
	unsigned seed;
};

static int by_name(struct scratch *s, int i)
{
	snprintf(s->name, sizeof s->name, "%s%d", prefix, i % count);
	return getpwnam_r(s->name, &s->pw, s->buf, sizeof s->buf, &s->r) == 0 && s->r;
}

static int by_uid(struct scratch *s, int i)
{
	return getpwuid_r(base + i % count, &s->pw, s->buf, sizeof s->buf, &s->r) == 0 && s->r;
}

static int groups_of(struct scratch *s, int i)
{
	int n = 1024;

	snprintf(s->name, sizeof s->name, "%s%d", prefix, i % count);
	return getgrouplist(s->name, base, s->gids, &n) >= 2;
}

static int group_by_name(struct scratch *s, int i)
{
	snprintf(s->name, sizeof s->name, "team%d", i % 100);
	return getgrnam_r(s->name, &s->gr, s->buf, sizeof s->buf, &s->g) == 0 && s->g;
}

static int group_by_gid(struct scratch *s, int i)
{
	return getgrgid_r(team_base + i % 100, &s->gr, s->buf, sizeof s->buf, &s->g) == 0 && s->g;
}

static int unknown(struct scratch *s, int i)
{
	snprintf(s->name, sizeof s->name, "nosuch%d", i % count);
	return getpwnam_r(s->name, &s->pw, s->buf, sizeof s->buf, &s->r) == 0 && s->r;
}

static int unknown_uid(struct scratch *s, int i)
{
	return getpwuid_r(team_base + 1000 + i % count, &s->pw, s->buf, sizeof s->buf, &s->r) == 0 && s->r;
}

static enum nss_status (*direct)(uid_t, struct passwd *, char *, size_t, int *);

static int by_uid_direct(struct scratch *s, int i)
{
	int e;

	return direct(base + i % count, &s->pw, s->buf, sizeof s->buf, &e) == NSS_STATUS_SUCCESS;
}

typedef int question(struct scratch *, int);

static void measure(struct scratch *s, const char *what, question *ask, int n)
{
	int misses = 0, done = 0;
	double begin;

	srand(1);
	ask(s, 0);
	begin = now();
	while (done < n && (done % 64 || now() - begin < 1e9)) {
		misses += !ask(s, rand());
		done++;
	}
	printf("%s %.1f misses=%d of %d\n", what, (now() - begin) / done, misses, done);
	fflush(stdout);
}

struct job {
	pthread_t thread;
	struct scratch *s;
	question *ask;
	long done;
};

static void *run(void *arg)
{
	struct job *j = arg;

	for (double begin = now(); now() - begin < 2e8;)
		for (int i = 0; i < 64; i++, j->done++)
			j->ask(j->s, rand_r(&j->s->seed));
	return NULL;
}

/* Lookups a second with two threads, as a multiple of those with one; best of five. */
static void threads(const char *what, question *ask)
{
	double best[3] = {0};

	for (int round = 0; round < 5; round++) {
		for (int t = 1; t <= 2; t++) {
			struct job j[2];
			double begin = now(), done = 0;

			for (int k = 0; k < t; k++) {
				j[k] = (struct job){.s = malloc(sizeof(struct scratch)), .ask = ask};
				j[k].s->seed = k;
				pthread_create(&j[k].thread, NULL, run, &j[k]);
			}
			for (int k = 0; k < t; k++) {
				pthread_join(j[k].thread, NULL);
				done += j[k].done;
				free(j[k].s);
			}
			done /= now() - begin;
			if (done > best[t])
				best[t] = done;
		}
	}
	printf("%s %.2f misses=0 of 0\n", what, best[2] / best[1]);
}

int main(int argc, char **argv)
{
	static struct scratch s;
	double begin;
	int n, found;

	if (argc < 7)
		return 64;
	n = atoi(argv[2]);
	prefix = argv[3];
	base = strtoul(argv[4], NULL, 10);
	count = atoi(argv[5]);
	team_base = strtoul(argv[6], NULL, 10);
	const char *mode = argc > 7 ? argv[7] : "";

	if (strcmp(argv[1], "-") != 0) {
		__nss_configure_lookup("passwd", argv[1]);
		__nss_configure_lookup("group", argv[1]);
		__nss_configure_lookup("initgroups", argv[1]);
	}
	begin = now();
	found = by_name(&s, 7);
	printf("first %.1f misses=%d of 1\n", (now() - begin) / 1e3, !found);
	fflush(stdout);
	if (strcmp(mode, "first") == 0)
		return 0;
	if (strcmp(mode, "warm") == 0) {
		for (int i = 0; i < count; i++)
			if (!by_name(&s, i) || !by_uid(&s, i) || !groups_of(&s, i))
				return 1;
		for (int i = 0; i < 100; i++)
			if (!group_by_name(&s, i) || !group_by_gid(&s, i))
				return 1;
		return 0;
	}
	if (strcmp(mode, "threads") == 0) {
		threads("threads", by_uid);
		if (strcmp(argv[1], "-") == 0)
			return 0;
		snprintf(s.buf, sizeof s.buf, "libnss_%s.so.2", argv[1]);
		void *lib = dlopen(s.buf, RTLD_NOW);

		snprintf(s.buf, sizeof s.buf, "_nss_%s_getpwuid_r", argv[1]);
		if (lib == NULL || (direct = (__typeof__(direct))dlsym(lib, s.buf)) == NULL)
			return 1;
		threads("threads_direct", by_uid_direct);
		return 0;
	}
	measure(&s, "getpwnam", by_name, n);
	measure(&s, "getpwuid", by_uid, n);
	if (strcmp(mode, "hit") == 0)
		return 0;
	if (strcmp(mode, "floor") != 0) {
		measure(&s, "initgroups", groups_of, n / 4 + 1);
		measure(&s, "getgrnam", group_by_name, n / 10 + 1);
		measure(&s, "getgrgid", group_by_gid, n / 10 + 1);
	}
	measure(&s, "unknown", unknown, n);
	measure(&s, "unknown_uid", unknown_uid, n);
	return 0;
}
