#include <pwd.h>
int test_getpwnam_r(const char *name, struct passwd *out, char *buf, size_t len, struct passwd **found);
