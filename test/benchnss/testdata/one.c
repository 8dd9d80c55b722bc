/* one SERVICE NAME: one lookup of a name that the service has not, as nssbench.c asks; 1 when it has. */
#define _GNU_SOURCE
#include <nss.h>
#include <pwd.h>
#include <string.h>

extern int __nss_configure_lookup(const char *, const char *);

int main(int argc, char **argv)
{
	if (argc != 3)
		return 64;
	if (strcmp(argv[1], "-") != 0)
		__nss_configure_lookup("passwd", argv[1]);
	return getpwnam(argv[2]) != NULL;
}
