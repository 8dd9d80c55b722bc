// Package subid is libsubid_sallyport.so, compiled by cgo so that Go tests and
// fuzzers reach the C. The shared object itself is linked by the Makefile from
// the same sources; nothing but tests imports this package.
//
// What the plugin promises is at the top of subid.c.
package subid

// #cgo CFLAGS: -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fvisibility=hidden -I${SRCDIR}/../../wire/cwire -I${SRCDIR}/../module
// #include <stdlib.h>
// #include "subid.h"
import "C"

import (
	"unsafe"

	// A change of the headers that it holds must compile this package again.
	_ "github.com/sallyport-auth/sallyport/wire/cwire"
)

// Line is one line of subuid(5).
type Line struct {
	Owner        string
	Start, Count uint64
}

// Parse reads a line as the plugin does; false: it is none.
func Parse(line string) (Line, bool) {
	s := C.CString(line)
	defer C.free(unsafe.Pointer(s))
	var l C.struct_subid_line
	if !bool(C.subid_parse(s, C.size_t(len(line)), &l)) { //nolint:gocritic // what cgo makes of it looks odd

		return Line{}, false
	}
	return Line{C.GoStringN(l.owner, C.int(l.owner_len)), uint64(l.start), uint64(l.count)}, true
}
