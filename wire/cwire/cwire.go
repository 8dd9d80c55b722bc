// Package cwire holds what the C halves share (wire.h, socket.h, local.h), and
// shows it to Go, so that tests can hold the C reader to the Go one. Nothing but
// tests, and the two packages that hold the C halves, imports it.
//
// The headers lie here and not one folder up because the go command watches a
// cgo package's own folder alone: elsewhere, a change would not be compiled.
package cwire

// #cgo CFLAGS: -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror
// #include "socket.h"
// #include "local.h"
// #include <sys/mman.h>
//
// /* Copies a packet so that it ends where memory does: a byte read beyond it is
//  * a crash, with a sanitizer or without. */
// static uint8_t *at_the_edge(const void *packet, size_t len, void **map, size_t *size)
// {
//	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (len + page - 1) / page * page;
//
//	*size = whole + page;
//	*map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
//	if (*map == MAP_FAILED || mprotect((char *)*map + whole, page, PROT_NONE) < 0)
//		abort();
//	uint8_t *at = (uint8_t *)*map + whole - len;
//
//	if (len > 0)
//		memcpy(at, packet, len);
//	return at;
// }
//
// /* Reads a packet, then writes what was read; the length, or 0 for a refusal. */
// static size_t rewrite(const uint8_t *packet, size_t len, uint8_t *out, size_t cap)
// {
//	struct wire_message m;
//	struct wire_writer w;
//	struct wire_value v;
//	uint16_t tag;
//
//	if (!wire_parse(packet, len, &m))
//		return 0;
//	wire_begin(&w, out, cap, m.type);
//	for (size_t pos = 0; wire_next(&m, &pos, &tag, &v);)
//		wire_put(&w, tag, v.bytes, v.len);
//	return w.full ? 0 : w.len;
// }
//
// static bool local_line(const char *name, const char *text, size_t len, size_t step)
// {
//	struct local_match m = {.name = name, .len = strlen(name)};
//
//	for (size_t i = 0; i < len; i += step)
//		if (local_feed(&m, text + i, len - i < step ? len - i : step))
//			return true;
//	return false;
// }
import "C"

import "unsafe"

// Rewrite parses a packet in C, writes its fields into a new one and returns
// that; nil when C refuses the packet. The packet is copied to memory of its
// exact length, so that a sanitizer sees a read beyond it.
func Rewrite(packet []byte) []byte {
	in := C.CBytes(packet)
	defer C.free(in)
	return rewrite((*C.uint8_t)(in), len(packet))
}

// RewriteAtEdge is Rewrite of a packet that lies at the end of a page with none
// behind it: without a sanitizer, too, a read beyond it ends the program.
func RewriteAtEdge(packet []byte) []byte {
	var area unsafe.Pointer
	var size C.size_t
	in := C.at_the_edge(unsafe.Pointer(unsafe.SliceData(packet)), C.size_t(len(packet)), &area, &size) //nolint:gocritic // what cgo makes of it compares a thing with itself
	defer C.munmap(area, size)
	return rewrite(in, len(packet))
}

func rewrite(in *C.uint8_t, n int) []byte {
	out := C.malloc(C.WIRE_MAX_PACKET)
	defer C.free(out)
	wrote := C.rewrite(in, C.size_t(n), (*C.uint8_t)(out), C.WIRE_MAX_PACKET)
	if wrote == 0 {
		return nil
	}
	return C.GoBytes(out, C.int(wrote))
}

// IDOK is the C opinion of whether an id may come from a directory.
func IDOK(id uint32) bool { return bool(C.wire_id_ok(C.uint32_t(id))) }

// LocalIn tells whether C finds the name in the text of a passwd(5) file that
// reaches it in pieces of step bytes.
func LocalIn(name, passwd string, step int) bool {
	n, p := C.CString(name), C.CString(passwd)
	defer C.free(unsafe.Pointer(n))
	defer C.free(unsafe.Pointer(p))
	return bool(C.local_line(n, p, C.size_t(len(passwd)), C.size_t(step)))
}
