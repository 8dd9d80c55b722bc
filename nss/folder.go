package nss

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// What a folder has: the file in force; while one is being put in place, the one
// before; files that are not whole yet.
const (
	current  = "directory"
	previous = "directory.old"
	unready  = ".directory-*"
)

// Path is where the snapshot of a folder lies.
func Path(dir string) string { return filepath.Join(dir, current) }

// folder is where the snapshot lies. Its steps, one after the other:
//
//	write    a file of another name, whole and synced
//	replace  directory.old becomes a second name of the file in force, and the new
//	         file is renamed over its first
//	sync     the folder, so that a power cut does not bring back a file that says of
//	         itself that it is superseded
//	retire   the old file is marked superseded and loses its last name
//
// settle does what a crash left undone, after whichever step it came.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) remove(name string) {
	if name != "" {
		_ = os.Remove(f.path(name)) // settle will find it
	}
}

// write returns the name of a new file that holds the view.
func (f folder) write(view identity.View, o snapshot.Options) (name string, stats snapshot.Stats, err error) {
	file, err := os.CreateTemp(string(f), unready) // O_EXCL, 0600
	if err != nil {
		return "", stats, fmt.Errorf("write directory snapshot: %w", err)
	}
	name = filepath.Base(file.Name())
	stats, err = snapshot.Write(file, view, o)
	if err == nil {
		err = file.Chmod(0o644) // whole, and nobody's secret
	}
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err != nil {
		f.remove(name)
		return "", stats, fmt.Errorf("write directory snapshot: %w", err)
	}
	return name, stats, nil
}

// replace puts a whole file in force.
func (f folder) replace(name string) error {
	err := os.Link(f.path(current), f.path(previous))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("keep the directory snapshot before: %w", err)
	}
	if err := os.Rename(f.path(name), f.path(current)); err != nil {
		return fmt.Errorf("put directory snapshot in place: %w", err)
	}
	return nil
}

// settle removes what is not whole, and finishes a replacement.
func (f folder) settle() error {
	left, _ := filepath.Glob(f.path(unready)) // its only error is a bad pattern
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("clear away: %w", err)
		}
	}
	return f.retire()
}

// retire marks the file before superseded, unless it is still the one in force,
// and takes its name away.
func (f folder) retire() error {
	old, err := os.Stat(f.path(previous))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("directory snapshot before: %w", err)
	}
	now, err := os.Stat(f.path(current))
	if err != nil || !os.SameFile(old, now) {
		marks, err := snapshot.OpenMarks(f.path(previous))
		switch {
		case err == nil:
			marks.Supersede()
			_ = marks.Close()
		case !errors.Is(err, snapshot.ErrFormat): // that has no readers
			return fmt.Errorf("directory snapshot before: %w", err)
		}
	}
	if err := os.Remove(f.path(previous)); err != nil {
		return fmt.Errorf("directory snapshot before: %w", err)
	}
	return nil
}

func (f folder) sync() error {
	d, err := os.Open(string(f))
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close() //nolint:errcheck // only read
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// placed is a file and its words.
type placed struct {
	path  string
	info  os.FileInfo
	marks *snapshot.Marks
}

func (f folder) open(name string) (*placed, error) {
	info, err := os.Stat(f.path(name))
	if err != nil {
		return nil, fmt.Errorf("open directory snapshot: %w", err)
	}
	marks, err := snapshot.OpenMarks(f.path(name))
	if err != nil {
		return nil, fmt.Errorf("open directory snapshot: %w", err)
	}
	return &placed{path: f.path(current), info: info, marks: marks}, nil
}

// there tells whether this is still the file in force.
func (p *placed) there() bool {
	info, err := os.Stat(p.path)
	return err == nil && os.SameFile(info, p.info)
}

func (p *placed) set(s identity.DirectoryStanding, now time.Time) {
	var absent time.Time
	if s.Absent {
		absent = now.Add(absentFor)
	}
	p.marks.SetAbsentUntil(absent)
	p.marks.SetValidUntil(s.Until)
}

func (p *placed) close() { _ = p.marks.Close() }
