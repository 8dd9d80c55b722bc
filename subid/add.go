package subid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
)

// Add adds to the files what is missing in them, and says what it did and what it
// refused. The context says how long it waits for the locks of other programs. After a
// fault a file has all that it had before, or all that is in the plan.
func (h Host) Add(ctx context.Context, wanted []identity.SubIDs) (Plan, error) {
	p, err := h.Plan(wanted)
	if err != nil || len(p.Add) == 0 {
		return p, err
	}
	unlock, err := h.lock(ctx, files())
	if err != nil {
		return p, err
	}
	defer unlock()
	if p, err = h.Plan(wanted); err != nil { // as it is now that nobody else writes
		return p, err
	}
	for _, name := range files() {
		if list := p.Add[name]; len(list) > 0 {
			if err := extend(h.path(name), Marshal(list)); err != nil {
				return p, fmt.Errorf("write %s: %w", h.path(name), err)
			}
		}
	}
	return p, nil
}

// maxFile is the largest subuid(5) that is rewritten.
const maxFile = 64 << 20

// extend replaces a file by itself with lines at its end.
func extend(path string, lines []byte) (err error) {
	old, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	defer old.Close() //nolint:errcheck // read only
	info, err := old.Stat()
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return errors.New("it is not a plain file of reasonable size")
	}
	text, err := io.ReadAll(io.LimitReader(old, maxFile))
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".sallyport-")
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	defer os.Remove(next.Name()) //nolint:errcheck // it has another name by then, or is of no use
	_, err = next.Write(append(text, lines...))
	if was, ok := info.Sys().(*syscall.Stat_t); ok && err == nil {
		err = next.Chown(int(was.Uid), int(was.Gid))
	}
	if err = errors.Join(err, next.Chmod(info.Mode().Perm()), next.Sync(), next.Close()); err != nil {
		return err //nolint:wrapcheck // names the file
	}
	if err := os.Rename(next.Name(), path); err != nil {
		return err //nolint:wrapcheck // names the files
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err //nolint:wrapcheck // names the folder
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Read reads the daemon's list. The folder belongs to a user without rights, so what
// lies there is opened only if it is a plain file, and nothing of it is ever printed.
func Read(path string) ([]identity.SubIDs, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a plain file", path, errList)
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxList+1))
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	list, err := Unmarshal(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}
