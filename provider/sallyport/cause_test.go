package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
	"github.com/sallyport-auth/sallyport/trouble"
)

// The server's own key with dates that do not fit is told from a forger, and a wrong clock
// here from an old certificate there.
// Promise clock-no-forgery.
func TestDatesThatDoNotFitAreNoForgery(t *testing.T) {
	for name, c := range map[string]struct {
		here, there time.Duration // from now, of the clocks
		want        trouble.ID
	}{
		"expired":                    {2 * time.Hour, 2 * time.Hour, trouble.CertExpired},
		"not yet valid":              {-2 * time.Hour, -2 * time.Hour, trouble.CertNotYet},
		"this clock is ahead":        {2 * time.Hour, 0, trouble.ClockWrong},
		"this clock is years behind": {-9000 * time.Hour, 0, trouble.ClockWrong},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.answer(h.cert, &answers{list: h.list, time: timestamppb.New(time.Now().Add(c.there))})
			h.machine.Now = func() time.Time { return time.Now().Add(c.here) }
			_, err := h.start().Fetch(t.Context(), "alice")
			if errors.Is(err, provider.ErrUntrusted) || !errors.Is(err, provider.ErrOffline) {
				t.Errorf("it counts as %v", err)
			}
			if f, known := provider.Trouble(err, "sallyport "+h.machine.URL); !known || f.Cause != string(c.want) {
				t.Errorf("the cause is %+v", f)
			}
		})
	}
	t.Run("another key with such dates is one", func(t *testing.T) {
		h := newHouse(t)
		h.answer(selfSigned(t), &answers{list: h.list, time: timestamppb.Now()})
		h.machine.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		_, err := h.start().Fetch(t.Context(), "alice")
		if !errors.Is(err, provider.ErrUntrusted) {
			t.Errorf("it counts as %v", err)
		}
		if f, known := provider.Trouble(err, "sallyport "+h.machine.URL); !known || f.Cause != string(trouble.CertUnknown) {
			t.Errorf("the cause is %+v", f)
		}
	})
}

// Promise server-faults-named.
func TestEachFaultOfTheWayHasItsOwnName(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8443}, Err: os.NewSyscallError("connect", err)}
	}
	for want, err := range map[trouble.ID]error{
		trouble.NoDNS:            &net.DNSError{Name: "x", IsNotFound: true},
		trouble.DNSDown:          &net.DNSError{Name: "x", IsTimeout: true},
		trouble.Refused:          dial(syscall.ECONNREFUSED),
		trouble.NoRoute:          dial(syscall.ENETUNREACH),
		trouble.Filtered:         dial(syscall.EPERM),
		trouble.ConnectionBroken: dial(syscall.ECONNRESET),
		trouble.Timeout:          context.DeadlineExceeded,
		trouble.Redirected:       https.ErrRedirect,
	} {
		f, known := provider.Trouble(https.Caused(fmt.Errorf("ask: %w", err), time.Now()), "sallyport https://id.example:8443")
		if !known || f.Cause != string(want) {
			t.Errorf("%v is %+v, want %s", err, f, want)
		}
	}
}
