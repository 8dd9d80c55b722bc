// Package module is libnss_sallyport.so.2, compiled by cgo so that Go tests and
// fuzzers reach the C. The shared object itself is linked by the Makefile from
// the same sources; nothing but tests imports this package.
//
// What the module promises is at the top of nss.c.
package module

// #cgo CFLAGS: -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fvisibility=hidden -I${SRCDIR}/../../wire/cwire
// #include <stdlib.h>
// #include "hash.h"
// #include "key.h"
import "C"

import (
	"unsafe"

	// A change of the headers that it holds must compile this package again.
	_ "github.com/sallyport-auth/sallyport/wire/cwire"
)

// NamePossible tells whether the module would look a name up at all.
func NamePossible(name string) bool {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	var k C.struct_key
	return bool(C.key_by_name(&k, s)) //nolint:gocritic // what cgo makes of it compares a thing with itself
}

// Hash is the hash of a name, and the check of what a snapshot holds, in C.
func Hash(s0, s1 uint64, b []byte) uint64 {
	p := C.CBytes(b) // of the exact length, so that a sanitizer sees a read beyond it
	defer C.free(p)
	return uint64(C.hash_bytes(C.uint64_t(s0), C.uint64_t(s1), (*C.uint8_t)(p), C.size_t(len(b))))
}

// HashID is the hash of an id, in C.
func HashID(s0, s1 uint64, id uint32) uint64 {
	return uint64(C.hash_id(C.uint64_t(s0), C.uint64_t(s1), C.uint32_t(id)))
}
