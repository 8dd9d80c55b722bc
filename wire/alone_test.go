package wire_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/wire"
)

// Promise sockets-taken.
func TestAFolderIsOneProcesssAndTheSecondLearnsWhose(t *testing.T) {
	dir := t.TempDir()
	f, err := wire.Alone(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = wire.Alone(dir)
	if !errors.Is(err, wire.ErrInUse) || !strings.HasSuffix(err.Error(), "by process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("the second: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = wire.Alone(dir); err != nil {
		t.Errorf("after the first: %v", err)
	}
	_ = f.Close()
}

// Promise sockets-taken.
func TestASocketIsTakenOnlyFromTheDead(t *testing.T) {
	for kind, living := range map[string]bool{"unixpacket": true, "unix": true, "dead": false} {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			network := kind
			if !living {
				network = "unixpacket"
			}
			old, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
			if err != nil {
				t.Fatal(err)
			}
			old.SetUnlinkOnClose(false)
			if !living {
				_ = old.Close()
			}
			l, err := wire.Listen(path, 0o600)
			if living != errors.Is(err, wire.ErrInUse) || living == (err == nil) {
				t.Errorf("listen: %v", err)
			}
			if living {
				c, err := net.Dial(network, path)
				if err != nil {
					t.Fatalf("it is gone: %v", err)
				}
				_ = c.Close()
				_ = old.Close()
			} else {
				_ = l.Close()
			}
		})
	}
}
