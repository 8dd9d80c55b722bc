/*
 * burst SOCKET N NAME-PREFIX: N processes log in at once, each as PREFIX<i>, with
 * the password that standard input holds, through the same C that the PAM module
 * is made of. Prints one line for each: microseconds until the daemon's first
 * message and until its verdict (-1: none came), and the verdict's code. Meanwhile
 * one more process, which nobody's hash concerns, comes again and again with a
 * name that nobody has; its lines begin with "newcomer".
 *
 * The processes wait for each other, so that nobody's fork is in the figures. The
 * first message is waited for up to ten seconds here: the module's 50 ms would hide how
 * late a late one is.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "socket.h"

struct result {
	int64_t first, verdict;
	uint32_t code;
};

struct shared {
	int ready, go;
	struct result results[];
};

static int begin(int fd, const char *name, const char *password, int64_t deadline)
{
	uint8_t buf[1024];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, WIRE_BEGIN);
	wire_put_number(&w, WIRE_OPERATION, 1); /* authenticate */
	wire_put_number(&w, WIRE_FLAGS, WIRE_FLAG_SILENT | WIRE_FLAG_ONLY_FIRST_PASS);
	wire_put_text(&w, WIRE_SERVICE, "login");
	wire_put_text(&w, WIRE_NAME, name);
	wire_put_text(&w, WIRE_FIRST_PASS, password);
	return wire_send(fd, &w, deadline);
}

static void login(const char *path, const char *name, const char *password, struct result *r)
{
	int64_t start = wire_now(), deadline = wire_after_ms(120000);
	int fd = wire_connect(path, wire_after_ms(10000));

	if (fd < 0 || begin(fd, name, password, deadline) < 0)
		return;
	for (;;) {
		struct wire_packet p;
		struct wire_message m;

		if (wire_receive(fd, &p, &m, deadline) < 0)
			break;
		if (r->first < 0)
			r->first = (wire_now() - start) / 1000;
		bool done = m.type == WIRE_VERDICT && wire_get_number(&m, WIRE_CODE, &r->code);

		wire_packet_free(&p);
		if (done) {
			r->verdict = (wire_now() - start) / 1000;
			break;
		}
	}
	close(fd);
}

int main(int argc, char **argv)
{
	char password[256] = "", name[64];

	if (argc != 4 || fgets(password, sizeof password, stdin) == NULL)
		return 64;
	password[strcspn(password, "\n")] = '\0';
	int n = atoi(argv[2]);
	struct shared *s = mmap(NULL, sizeof *s + (size_t)n * sizeof s->results[0], PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return 1;
	for (int i = 0; i < n; i++) {
		s->results[i] = (struct result){-1, -1, 0};
		pid_t child = fork();

		if (child < 0)
			return 1;
		if (child > 0)
			continue;
		snprintf(name, sizeof name, "%s%d", argv[3], i);
		__atomic_fetch_add(&s->ready, 1, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&s->go, __ATOMIC_SEQ_CST))
			poll(NULL, 0, 1);
		login(argv[1], name, password, &s->results[i]);
		_exit(0);
	}
	while (__atomic_load_n(&s->ready, __ATOMIC_SEQ_CST) < n)
		poll(NULL, 0, 1);
	__atomic_store_n(&s->go, 1, __ATOMIC_SEQ_CST);
	for (int left = n; left > 0;) {
		struct result r = {-1, -1, 0};

		login(argv[1], "newcomer-whom-nobody-knows", password, &r);
		printf("newcomer %lld %lld %u\n", (long long)r.first, (long long)r.verdict, r.code);
		poll(NULL, 0, 5);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			left--;
	}
	for (int i = 0; i < n; i++)
		printf("%lld %lld %u\n", (long long)s->results[i].first, (long long)s->results[i].verdict, s->results[i].code);
	return 0;
}
