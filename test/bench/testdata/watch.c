/*
 * watch PREFIX N: looks PREFIX0, PREFIX1 … up without pause, one after the other, and
 * prints when each was there (CLOCK_REALTIME, nanoseconds), a line each.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		return 64;
	for (int i = 0; i < atoi(argv[2]); i++) {
		struct timespec t;
		char name[64];

		snprintf(name, sizeof name, "%s%d", argv[1], i);
		while (getpwnam(name) == NULL)
			usleep(200);
		clock_gettime(CLOCK_REALTIME, &t);
		printf("%s %lld\n", name, (long long)t.tv_sec * 1000000000 + t.tv_nsec);
		fflush(stdout);
	}
	return 0;
}
