package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// TestADiskWithItsSealKeyAnswersGuesses pins down what a disk without a TPM gives: its
// copy tells a right password from a wrong one, holds no password, and is worth nothing
// without seal.key.
func TestADiskWithItsSealKeyAnswersGuesses(t *testing.T) {
	h := remembered(t, nil)
	h.stop()
	stolen := filepath.Join(t.TempDir(), "state")
	must(t, os.CopyFS(stolen, os.DirFS(h.dir)))
	must(t, os.Chmod(stolen, 0o700))
	h.dir = stolen
	for _, file := range []string{"seal.key", "cache.db"} {
		must(t, os.Chmod(filepath.Join(stolen, file), 0o600))
	}
	h.start()
	h.expect(identity.Granted, "alice", "secret")
	h.expect(identity.Denied, "alice", "wrong")
	h.stop()
	must(t, os.Remove(filepath.Join(stolen, "seal.key")))
	h.start()
	h.expect(identity.Denied, "alice", "secret")
}
