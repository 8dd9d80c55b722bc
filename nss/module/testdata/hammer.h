/* Lookups in threads and after forks, while files come and go. */
static bool ended(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static _Atomic int stop;

/* What a lookup may say while files come and go: alice, whole, of one of them. */
static bool alice(void)
{
	struct passwd p;
	struct group g;
	char buf[1024];
	int e = 0;

	if (lib.pwnam("alice", &p, buf, sizeof buf, &e) != NSS_STATUS_SUCCESS || p.pw_uid != 70001 ||
	    strcmp(p.pw_dir, "/home/alice") != 0 || strncmp(p.pw_gecos, "Person ", 7) != 0)
		return false;
	if (lib.pwuid(70001, &p, buf, sizeof buf, &e) != NSS_STATUS_SUCCESS || strcmp(p.pw_name, "alice") != 0)
		return false;
	return lib.grnam("crew", &g, buf, sizeof buf, &e) == NSS_STATUS_SUCCESS && g.gr_gid == 70100 &&
	       strcmp(g.gr_mem[0], "alice") == 0;
}

static void *hammer_thread(void *arg)
{
	long wrong = 0, n = 0;

	(void)arg;
	for (; !stop; n++)
		wrong += !alice();
	return (void *)(wrong + (n == 0));
}

/* Looks up in threads, and here, until standard input has something or ends. */
static void hammer(int threads)
{
	pthread_t t[16];
	long wrong = 0;
	void *r;

	for (int i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, hammer_thread, NULL) != 0)
			exit(5);
	say("hammering\n");
	do
		wrong += !alice();
	while (!ended());
	stop = 1;
	for (int i = 0; i < threads; i++) {
		pthread_join(t[i], &r);
		wrong += (long)r;
	}
	say("wrong=%ld\n", wrong);
}

/* Forks again and again while threads look up; each child looks up, too. */
static void fork_often(int times)
{
	pthread_t t[4];
	long wrong = 0;
	void *r;

	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, hammer_thread, NULL) != 0)
			exit(5);
	for (int i = 0; i < times; i++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			for (int j = 0; j < 100; j++)
				if (!alice())
					_exit(1);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		wrong += status != 0;
	}
	stop = 1;
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &r);
		wrong += (long)r;
	}
	say("wrong=%ld\n", wrong);
}

/* In a child that was forked while threads look up, and goes on for long. */
static void fork_hammer(void)
{
	pthread_t t;
	int status = 0;

	for (int i = 0; i < 4; i++)
		if (pthread_create(&t, NULL, hammer_thread, NULL) != 0)
			exit(5);
	for (int i = 0; i < 1000; i++)
		(void)alice();
	pid_t pid = fork();

	if (pid == 0) {
		hammer(0);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say("child=%d\n", status);
	_exit(0);
}
