package snapshot_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// FuzzOpen: whatever a file holds, it is refused or read within its bounds.
func FuzzOpen(f *testing.F) {
	for _, n := range []uint32{0, 1, 20} {
		v := directoryOf(n)
		b, err := os.ReadFile(write(f, v, current()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		path := filepath.Join(t.TempDir(), "directory")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := snapshot.Open(path)
		if err != nil {
			if !errors.Is(err, snapshot.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		defer r.Close()
		for _, ask := range questions(r) {
			_ = ask("user1", base+1)
			_ = ask("nobody", 1)
		}
		_ = r.Check()
		if m, err := snapshot.OpenMarks(path); err == nil {
			m.Supersede()
			_ = m.Close()
		}
	})
}
