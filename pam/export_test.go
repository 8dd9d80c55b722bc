package pam

import (
	"context"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// ConverseForTest sends a host's two packets, the second one after the prompt,
// and returns the verdict's code.
func ConverseForTest(first, second []byte, a Authority) identity.Code {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	ends := [2]*net.UnixConn{}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		c, err := net.FileConn(f)
		if err != nil {
			panic(err)
		}
		_ = f.Close()
		ends[i] = c.(*net.UnixConn)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := &Server{Authority: a, Log: slog.New(slog.DiscardHandler)}
	served := make(chan struct{})
	go func() {
		c := wire.NewConn(ends[1])
		peer, err := c.Peer()
		if err != nil {
			panic(err)
		}
		s.serve(ctx, c, peer, &rooms{prompts: newPlaces(promptCapacity()), errands: newPlaces(errandCapacity())})
		_ = c.Close()
		close(served)
	}()
	host := wire.NewConn(ends[0])
	_, _ = ends[0].Write(first)
	code := identity.Unavailable
	for {
		m, err := host.Receive(ctx)
		if err != nil {
			break
		}
		if m.Type == wire.Prompt {
			_, _ = ends[0].Write(second)
			// What follows nothing would wait for a person: the host goes away.
			if len(second) == 0 {
				break
			}
		}
		if m.Type == wire.Verdict {
			code = identity.Code(m.Number(wire.Code))
		}
		if len(first) == 0 {
			break
		}
	}
	_ = host.Close()
	<-served
	return code
}
