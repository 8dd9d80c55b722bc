/*
 * lookup KIND NAME N: asks glibc for one account or group N times, as any program
 * does, and prints the median and the 99th percentile in nanoseconds. KIND is
 * passwd, group, list (the groups of an account), or absent (a name that nobody
 * has, a new one each time).
 */
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return (x > y) - (x < y);
}

/* Whether the answer was the one that the kind of question must have. */
static bool ask(const char *kind, const char *name, int i)
{
	char absent[64];
	gid_t groups[256];
	int n = 256;

	if (strcmp(kind, "passwd") == 0)
		return getpwnam(name) != NULL;
	if (strcmp(kind, "group") == 0)
		return getgrnam(name) != NULL;
	if (strcmp(kind, "list") == 0)
		return getgrouplist(name, (gid_t)-1, groups, &n) > 0;
	snprintf(absent, sizeof absent, "nobody-has-this-%d", i);
	return getpwnam(absent) == NULL;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 64;
	int n = atoi(argv[3]);
	long long *times = calloc((size_t)n, sizeof *times);

	if (times == NULL || n < 1)
		return 64;
	for (int i = 0; i < n; i++) {
		long long start = now();

		if (!ask(argv[1], argv[2], i)) {
			fprintf(stderr, "%s %s: the wrong answer\n", argv[1], argv[2]);
			return 1;
		}
		times[i] = now() - start;
	}
	qsort(times, (size_t)n, sizeof *times, compare);
	printf("{\"median\": %lld, \"p99\": %lld}\n", times[n / 2], times[(long long)n * 99 / 100]);
	return 0;
}
