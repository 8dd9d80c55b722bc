package subid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// lockEvery is how often a lock that another holds is tried again.
const lockEvery = 20 * time.Millisecond

// lock takes the locks of useradd(8) and its kin for both files, in their order: that
// of lckpwdf(3), then FILE.lock for each. The context says how long to try.
func (h Host) lock(ctx context.Context, names []string) (unlock func(), err error) {
	fd, err := h.lockPasswords(ctx)
	if err != nil {
		return nil, err
	}
	held := []string{}
	unlock = func() {
		for _, name := range held {
			_ = os.Remove(name)
		}
		_ = fd.Close() // and the lock with it
	}
	for _, name := range names {
		file := h.path(name)
		if err := try(ctx, func() (bool, error) { return lockFile(file) }); err != nil {
			unlock()
			return nil, fmt.Errorf("lock %s: %w", file, err)
		}
		held = append(held, file+".lock")
	}
	return unlock, nil
}

func (h Host) lockPasswords(ctx context.Context) (*os.File, error) {
	f, err := os.OpenFile(h.path(".pwd.lock"), os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	err = try(ctx, func() (bool, error) {
		// Of the open file: it conflicts with those of other processes as theirs do.
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// errBusy says that another program held a lock for too long.
var errBusy = errors.New("another program is changing the accounts of this machine")

func try(ctx context.Context, once func() (bool, error)) error {
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for {
		if done, err := once(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errBusy, ctx.Err())
		}
	}
}

// lockFile makes FILE.lock as useradd does: a file with one's process id, linked to
// that name. One that is there counts while its process lives.
func lockFile(file string) (bool, error) {
	pid := os.Getpid()
	own, lock := fmt.Sprintf("%s.%d", file, pid), file+".lock"
	if err := os.Remove(own); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err //nolint:wrapcheck // names the file
	}
	f, err := os.OpenFile(own, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err //nolint:wrapcheck // names the file
	}
	defer os.Remove(own) //nolint:errcheck // a name that nobody looks at
	_, err = f.Write(append(strconv.AppendInt(nil, int64(pid), 10), 0))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, fmt.Errorf("write %s: %w", own, err)
	}
	err = os.Link(own, lock)
	if errors.Is(err, os.ErrExist) {
		if alive(lock) {
			return false, nil
		}
		if err := os.Remove(lock); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err //nolint:wrapcheck // names the file
		}
		err = os.Link(own, lock)
	}
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	return err == nil, err //nolint:wrapcheck // names the files
}

// alive tells whether the lock's process lives, or cannot be told.
func alive(lock string) bool {
	b, err := os.ReadFile(lock)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	pid, bad := strconv.Atoi(string(bytes.TrimSpace(bytes.TrimRight(b, "\x00"))))
	if err != nil || bad != nil || pid <= 0 {
		return true
	}
	return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
