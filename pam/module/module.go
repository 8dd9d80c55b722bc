// Package module is pam_sallyport.so, compiled by cgo so that Go tests and
// fuzzers reach the C. The shared object itself is linked by the Makefile from
// the same sources; nothing but tests imports this package.
//
// What the module promises is at the top of pam_sallyport.c.
package module

// #cgo CFLAGS: -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fvisibility=hidden -I${SRCDIR}/../../wire/cwire
// #cgo LDFLAGS: -lpam
// #include <stdlib.h>
// #include "relay.h"
import "C"

import (
	"unsafe"

	"github.com/sallyport-auth/sallyport/identity"
	// A change of the headers that it holds must compile this package again.
	_ "github.com/sallyport-auth/sallyport/wire/cwire"
)

// PAMCode is what the module returns for a verdict's code.
func PAMCode(op identity.Operation, code uint32) int {
	return int(C.verdict_code(C.enum_operation(op), C.uint32_t(code)))
}

// EnvironmentOK tells whether the module would set the line "NAME=value".
func EnvironmentOK(line []byte) bool {
	v := C.struct_wire_value{len: C.size_t(len(line))}
	if len(line) > 0 {
		v.bytes = (*C.uint8_t)(C.CBytes(line))
		defer C.free(unsafe.Pointer(v.bytes))
	}
	return bool(C.verdict_environment_ok(&v)) //nolint:gocritic // it reads what cgo makes of this line
}
