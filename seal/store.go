package seal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// readOwn reads a secret file that nobody else could have read or written, with
// least to most bytes in it. Any other is refused with the sentinel.
func readOwn(path string, refused error, least, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a symbolic link", refused, path)
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what for
	}
	defer f.Close() //nolint:errcheck // read only
	// The open descriptor is judged, not the path, which may change in between.
	info, err := f.Stat()
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what for
	}
	if err := check(path, info, refused, least, most); err != nil {
		return nil, err
	}
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return text, nil
}

func check(path string, info os.FileInfo, refused error, least, most int64) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch size := info.Size(); {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is not a regular file", refused, path)
	case !ok || int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%w: %s must belong to uid %d", refused, path, os.Geteuid())
	case info.Mode().Perm()&0o177 != 0:
		return fmt.Errorf("%w: %s has mode %04o, must be 0600: others may have read the key, make a new one",
			refused, path, info.Mode().Perm())
	case least == most && size != most:
		return fmt.Errorf("%w: %s has %d bytes, must have %d", refused, path, size, most)
	case size < least || size > most:
		return fmt.Errorf("%w: %s has %d bytes, must have %d to %d", refused, path, size, least, most)
	}
	return nil
}

// writeNew publishes by link(2), which unlike rename(2) refuses to replace.
func writeNew(path string, text []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".seal-*") // mode 0600
	if err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // only the second name
	_, werr := tmp.Write(text)
	if err := errors.Join(werr, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	defer d.Close() //nolint:errcheck // read only
	return d.Sync() //nolint:wrapcheck // the caller says what for
}
