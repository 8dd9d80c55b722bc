// Command go-in-pam is a PAM module whose inside is Go, built with
// -buildmode=c-shared. It exists to be measured; see docs/decisions/0001.
package main

import "C"

import (
	"net"
	"os"
	"time"
	"unsafe"
)

// decide does what a relay written in Go would do: start a goroutine, use a
// timer, try a socket.
func decide() C.int {
	done := make(chan struct{})
	go func() {
		time.Sleep(time.Millisecond)
		if c, err := net.Dial("unixpacket", os.Getenv("NO_SUCH_SOCKET")); err == nil {
			_ = c.Close()
		}
		close(done)
	}()
	<-done
	return 0 // PAM_SUCCESS
}

//export pam_sm_authenticate
func pam_sm_authenticate(unsafe.Pointer, C.int, C.int, unsafe.Pointer) C.int { return decide() }

//export pam_sm_acct_mgmt
func pam_sm_acct_mgmt(unsafe.Pointer, C.int, C.int, unsafe.Pointer) C.int { return decide() }

//export pam_sm_setcred
func pam_sm_setcred(unsafe.Pointer, C.int, C.int, unsafe.Pointer) C.int { return decide() }

//export pam_sm_open_session
func pam_sm_open_session(unsafe.Pointer, C.int, C.int, unsafe.Pointer) C.int { return decide() }

//export pam_sm_close_session
func pam_sm_close_session(unsafe.Pointer, C.int, C.int, unsafe.Pointer) C.int { return decide() }

func main() {}
