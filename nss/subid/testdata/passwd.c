/* The people of the test: what getpwnam_r finds, in place of the machine's own. */
#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>

int test_getpwnam_r(const char *name, struct passwd *out, char *buf, size_t len, struct passwd **found)
{
	static const struct {
		const char *name;
		uid_t uid;
	} all[] = {{"local", 1000}, {"bare", 1001}, {"ada", 1879048192}, {"bob", 1879048193}, {"fresh", 1879048194}, {"wide", 1879048195}, {"system", 999}};

	(void)buf, (void)len;
	*found = NULL;
	if (strcmp(name, "broken") == 0)
		return EIO;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(name, all[i].name) == 0) {
			*out = (struct passwd){.pw_uid = all[i].uid};
			*found = out;
		}
	return 0;
}
