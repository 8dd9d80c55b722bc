/* The daemon, for an account that the snapshot gives no range yet. */
#include "subid.h"

#include "places.h"
#include "socket.h"

static int hear(int fd, int64_t deadline, uint32_t *start)
{
	for (;;) {
		struct wire_packet p;
		struct wire_message m;
		uint32_t count = 0;

		if (wire_receive(fd, &p, &m, deadline) < 0)
			return -1;
		deadline = wire_after_ms(SALLYPORT_LOOKUP_DEADLINE_MS);
		uint8_t type = m.type;
		bool ok = type == WIRE_SUBIDS && wire_get_number(&m, WIRE_START, start) &&
			  wire_get_number(&m, WIRE_COUNT, &count) && count == SUBID_COUNT && subid_start_ok(*start);

		wire_packet_free(&p);
		if (type == WIRE_NOT_FOUND)
			return 0;
		if (type != WIRE_WORKING)
			return ok ? 1 : -1;
	}
}

int subid_ask(const char *owner, uint32_t *start)
{
	uint8_t buf[1024];
	struct wire_writer w;
	int64_t deadline = wire_after_ms(SALLYPORT_ACKNOWLEDGE_MS);

	wire_begin(&w, buf, sizeof buf, WIRE_GET_SUBIDS);
	wire_put_text(&w, WIRE_NAME, owner);
	if (w.full)
		return 0; /* nobody has such a name */
	int fd = wire_connect(SALLYPORT_LOOKUP_SOCKET, deadline);

	if (fd < 0)
		return -1;
	int answer = wire_send(fd, &w, deadline) < 0 ? -1 : hear(fd, deadline, start);

	close(fd);
	return answer;
}
