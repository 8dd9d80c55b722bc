/*
 * Each bit of a snapshot, one after the other, turned over in a file that takes the
 * place of the one before. What is said must be right, or nothing: see the rules.
 */
static void publish(const char *path, const char *bytes, size_t n)
{
	char new[4096];
	int old = open(path, O_RDWR | O_CLOEXEC), fd;
	uint32_t superseded = 1;

	snprintf(new, sizeof new, "%s.new", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || rename(new, path) < 0)
		exit(9);
	close(fd);
	if (old >= 0 && (pwrite(old, &superseded, sizeof superseded, 16) < 0 || close(old) < 0))
		exit(9);
}


static const char *show_passwd(char *out, enum nss_status s, const struct passwd *p)
{
	if (s != NSS_STATUS_SUCCESS)
		return s == NSS_STATUS_NOTFOUND ? "not found" : "undecided";
	snprintf(out, 256, "%s %s %u %u %s %s %s", p->pw_name, p->pw_passwd, p->pw_uid, p->pw_gid, p->pw_gecos, p->pw_dir,
		 p->pw_shell);
	return out;
}

static const char *show_group(char *out, enum nss_status s, const struct group *g)
{
	size_t n;

	if (s != NSS_STATUS_SUCCESS)
		return s == NSS_STATUS_NOTFOUND ? "not found" : "undecided";
	n = (size_t)snprintf(out, 256, "%s %s %u", g->gr_name, g->gr_passwd, g->gr_gid);
	for (char **m = g->gr_mem; *m != NULL && n < 256; m++)
		n += (size_t)snprintf(out + n, 256 - n, " %s", *m);
	return out;
}

static const char *show_gids(char *out, const char *name, gid_t gid)
{
	gid_t *g = malloc(sizeof *g);
	long start = 0, size = 1;
	size_t n = 0;
	int e = 0;
	enum nss_status s = lib.groups(name, gid, &start, &size, &g, -1, &e);

	out[0] = '\0';
	for (long i = 0; i < start && n < 256; i++)
		n += (size_t)snprintf(out + n, 256 - n, " %u", g[i]);
	free(g);
	return s == NSS_STATUS_SUCCESS ? out : s == NSS_STATUS_NOTFOUND ? "not found" : "undecided";
}

/* Question i about the directory of the tests; what is said, as text. */
static const char *question(int i, char *out)
{
	static const char *const names[] = {"alice", "bob", "crew", "nobody-at-all"};
	struct passwd p;
	struct group g;
	char buf[1024];
	int e = 0;

	switch (i) {
	case 0:
	case 1:
	case 3:
		return show_passwd(out, lib.pwnam(names[i], &p, buf, sizeof buf, &e), &p);
	case 2:
		return show_passwd(out, lib.pwuid(70001, &p, buf, sizeof buf, &e), &p);
	case 4:
		return show_passwd(out, lib.pwuid(79999, &p, buf, sizeof buf, &e), &p);
	case 5:
		return show_group(out, lib.grnam("crew", &g, buf, sizeof buf, &e), &g);
	case 6:
		return show_group(out, lib.grgid(70100, &g, buf, sizeof buf, &e), &g);
	case 7:
		return show_group(out, lib.grnam("alice", &g, buf, sizeof buf, &e), &g);
	case 8:
		return show_group(out, lib.grgid(70002, &g, buf, sizeof buf, &e), &g);
	case 9:
		return show_gids(out, "alice", 70001);
	case 10:
		return show_passwd(out, lib.pwnam("BOB", &p, buf, sizeof buf, &e), &p);
	case 11:
		return show_passwd(out, lib.pwnam("bob@example.org", &p, buf, sizeof buf, &e), &p);
	default:
		return NULL;
	}
}

enum { QUESTIONS = 12 };

static void flip(const char *path)
{
	char right[QUESTIONS][256], out[256], *bytes;
	long bits = 0, undecided = 0, wrong = 0;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		exit(9);
	size_t n = (size_t)st.st_size;

	bytes = malloc(n);
	if (read(fd, bytes, n) != (ssize_t)n)
		exit(9);
	close(fd);
	for (int q = 0; q < QUESTIONS; q++)
		strcpy(right[q], question(q, out));
	for (size_t bit = 0; bit < 8 * n; bit++, bits++) {
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		publish(path, bytes, n);
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		for (int q = 0; q < QUESTIONS; q++) {
			const char *said = question(q, out);

			if (strcmp(said, right[q]) == 0)
				continue;
			if (strcmp(said, "undecided") == 0) {
				undecided++;
				continue;
			}
			if (wrong++ < 10)
				say("bit %zu of byte %zu, question %d: %s\n", bit % 8, bit / 8, q, said);
		}
		/* The three words that may change are not checked: out of the way with them. */
		publish(path, bytes, n);
	}
	free(bytes);
	say("%s bits, wrong=%ld, %s undecided\n", bits == (long)(8 * n) ? "all" : "not all", wrong,
		undecided > 0 ? "some" : "none");
}
