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
// #include "session.h"
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

// Stat is what the module reads of /proc/PID/stat; false when it takes the text for
// none. The text lies in memory of its exact length.
func Stat(text []byte) (pid, session, terminal uint32, started uint64, ok bool) {
	in := C.CBytes(text)
	defer C.free(in)
	var s C.struct_session_stat
	if !C.session_parse_stat((*C.char)(in), C.size_t(len(text)), &s) {
		return 0, 0, 0, 0, false
	}
	return uint32(s.pid), uint32(s.sid), uint32(s.terminal), uint64(s.started), true
}

// Self is where the module takes the calling process to be.
func Self() (s identity.LoginSession, ok bool) {
	var c C.struct_session
	if !C.session_of_self(&c) {
		return s, false
	}
	return identity.LoginSession{Audit: uint32(c.audit), Terminal: uint32(c.terminal), Leader: uint32(c.leader), Started: uint64(c.started)}, true
}

// LogindSession is the session that the module reads of the text of /proc/PID/cgroup;
// false when there is none. The text lies in memory of its exact length.
func LogindSession(text []byte) (id string, ok bool) {
	in := C.CBytes(text)
	defer C.free(in)
	var out [C.LOGIND_SESSION_MAX + 1]C.char
	if !C.session_parse_cgroup((*C.char)(in), C.size_t(len(text)), &out[0]) {
		return "", false
	}
	return C.GoString(&out[0]), true
}

// Caller is who the module takes to have started the calling process.
func Caller() identity.Caller {
	c := C.caller_of_self()
	return identity.Caller{Known: true, LoginUID: uint32(c.login_uid), RealUID: uint32(c.real_uid)}
}

// Process is what the module takes the calling process and its parent to be.
func Process() (p identity.Process, ok bool) {
	var c C.struct_process
	if !C.process_of_self(&c) {
		return p, false
	}
	return identity.Process{PID: uint32(c.pid), Started: uint64(c.started), Parent: uint32(c.parent), ParentStarted: uint64(c.parent_started)}, true
}
