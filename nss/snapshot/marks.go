package snapshot

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// words are the parts of a mapped file that change while others look at them.
type words struct{ page []byte }

func (w words) superseded() *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&w.page[offSuperseded])) //nolint:gosec // aligned: a page and 16
}

func (w words) absentUntil() *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&w.page[offAbsentUntil])) //nolint:gosec // aligned: a page and 24
}

func (w words) validUntil() *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&w.page[offValidUntil])) //nolint:gosec // aligned: a page and 32
}

// Marks changes the three words of a published file that may change. It works for
// a file of any version.
type Marks struct{ words }

// OpenMarks maps the beginning of a file for writing. Its error is [ErrFormat]
// when that is no snapshot of any version.
func OpenMarks(path string) (*Marks, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("mark snapshot: %w", err)
	}
	defer f.Close() //nolint:errcheck // the mapping stays
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("mark snapshot: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() < preamble {
		return nil, fmt.Errorf("mark %s: %w", path, ErrFormat)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, preamble, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mark snapshot: %w", err)
	}
	if string(b[:8]) != magic {
		_ = unix.Munmap(b)
		return nil, fmt.Errorf("mark %s: %w", path, ErrFormat)
	}
	return &Marks{words{b}}, nil
}

// Supersede tells every process that has the file mapped to look for a newer one.
func (m *Marks) Supersede() { m.superseded().Store(1) }

// SetAbsentUntil says until when what is not in the file is not there; the zero
// time: ask.
func (m *Marks) SetAbsentUntil(t time.Time) { m.absentUntil().Store(seconds(t)) }

// SetValidUntil says from when on the file answers nothing.
func (m *Marks) SetValidUntil(t time.Time) { m.validUntil().Store(seconds(t)) }

// Close unmaps it.
func (m *Marks) Close() error {
	if err := unix.Munmap(m.page); err != nil {
		return fmt.Errorf("unmap snapshot: %w", err)
	}
	return nil
}
