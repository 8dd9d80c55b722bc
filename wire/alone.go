package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another process has what is wanted.
var ErrInUse = errors.New("in use")

// Alone makes sure that one process works on a folder: it holds a lock on the folder
// itself (flock(2)) until the file is closed or the process ends, however it ends. The
// error is ErrInUse, with the process's number where the kernel tells it.
func Alone(folder string) (*os.File, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrInUse
		if pid := holder(f); pid != "" {
			err = fmt.Errorf("%w by process %s", ErrInUse, pid)
		}
	}
	_ = f.Close()
	return nil, fmt.Errorf("lock %s: %w", folder, err)
}

// holder finds who has the lock in /proc/locks (proc(5)); "" when it does not tell.
func holder(f *os.File) string {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return ""
	}
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	// 1: FLOCK  ADVISORY  WRITE 4242 00:2d:1234 0 EOF
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(string(text)) {
		if w := strings.Fields(line); len(w) >= 6 && w[1] == "FLOCK" && w[3] == "WRITE" && w[5] == inode {
			return w[4]
		}
	}
	return ""
}

// removeDead takes away the socket that a process left when it died. One that somebody
// listens on stays: that is ErrInUse.
func removeDead(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at it: %w", err)
	}
	if fi.Mode().Type() == os.ModeSocket {
		for _, kind := range []string{"unixpacket", "unix"} {
			c, err := net.DialUnix(kind, nil, &net.UnixAddr{Name: path, Net: kind})
			if err == nil {
				_ = c.Close()
			}
			// A full queue and a queue that lets nobody in are a living process's, too.
			if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EPROTOTYPE) {
				return fmt.Errorf("%s: %w: somebody listens there (%v)", path, ErrInUse, err) //nolint:errorlint // one sentinel is enough
			}
		}
	}
	return os.Remove(path) //nolint:wrapcheck // it says what it was doing
}
