package subid

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sallyport-auth/sallyport/identity"
)

// WriteList replaces a list of ranges by rename, where it is not so already, or again is
// set: then it must be seen to change. An empty list is not written where there is none.
func WriteList(path string, list []identity.SubIDs, again bool) error {
	text := Marshal(list)
	was, err := os.ReadFile(path)
	switch {
	case err == nil && !again && bytes.Equal(was, text):
		return nil
	case errors.Is(err, fs.ErrNotExist) && len(text) == 0:
		return nil
	}
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", next, err)
	}
	if err := os.Rename(next, path); err != nil {
		return err //nolint:wrapcheck // names the files
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err //nolint:wrapcheck // names the folder
	}
	return errors.Join(dir.Sync(), dir.Close())
}
