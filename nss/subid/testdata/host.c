/* Asks the plugin as libsubid does: has OWNER START COUNT | list OWNER | owners ID, for both types. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subid.h"

typedef enum subid_status has_fn(const char *, unsigned long, unsigned long, enum subid_type, bool *);
typedef enum subid_status list_fn(const char *, enum subid_type, struct subid_range **, int *);
typedef enum subid_status owners_fn(unsigned long, enum subid_type, uid_t **, int *);

int main(int argc, char **argv)
{
	void *h = dlopen(argv[1], RTLD_NOW);
	struct subid_range *r = NULL;
	uid_t *u = NULL;
	bool yes = true;
	int n = -1;

	if (h == NULL || argc < 4) {
		fprintf(stderr, "%s\n", h == NULL ? dlerror() : "usage");
		return 64;
	}
	for (enum subid_type t = ID_TYPE_UID; t <= ID_TYPE_GID; t++) {
		printf("%s", t == ID_TYPE_UID ? "" : " | ");
		if (strcmp(argv[2], "has") == 0) {
			int s = ((has_fn *)dlsym(h, "shadow_subid_has_range"))(argv[3], strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10), t, &yes);

			printf("%d %s", s, yes ? "yes" : "no");
		} else if (strcmp(argv[2], "list") == 0) {
			printf("%d", ((list_fn *)dlsym(h, "shadow_subid_list_owner_ranges"))(argv[3], t, &r, &n));
			for (int i = 0; i < n; i++)
				printf(" %lu+%lu", r[i].start, r[i].count);
			free(r);
		} else {
			printf("%d", ((owners_fn *)dlsym(h, "shadow_subid_find_subid_owners"))(strtoul(argv[3], NULL, 10), t, &u, &n));
			for (int i = 0; i < n; i++)
				printf(" %u", (unsigned)u[i]);
			free(u);
		}
	}
	printf("\n");
	dlclose(h);
	return 0;
}
