/*
 * load FILE N: loads and unloads a shared object N times, and prints one JSON
 * object: nanoseconds for one load, the threads of this process before and after,
 * and its resident memory before and after, in KiB.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long status(const char *key)
{
	char line[256];
	long value = -1;
	FILE *f = fopen("/proc/self/status", "re");

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key), NULL, 10);
	if (f != NULL)
		fclose(f);
	return value;
}

int main(int argc, char **argv)
{
	struct timespec a, b;

	if (argc != 3)
		return 64;
	int n = atoi(argv[2]);
	long threads = status("Threads:"), rss = status("VmRSS:");

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < n; i++) {
		void *h = dlopen(argv[1], RTLD_NOW);

		if (h == NULL) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		dlclose(h);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	void *h = dlopen(argv[1], RTLD_NOW);
	double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);

	printf("{\"ns\": %.0f, \"threads_before\": %ld, \"threads_after\": %ld, \"rss_before\": %ld, \"rss_after\": %ld}\n",
	       ns / n, threads, status("Threads:"), rss, status("VmRSS:"));
	return h == NULL;
}
