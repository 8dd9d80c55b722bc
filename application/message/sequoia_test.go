package message_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
)

// sequoia is a real sq with a folder of its own. It keeps nothing: all that it uses are files.
type sequoia struct {
	t      testing.TB
	folder string
}

func (s sequoia) file(name string, b []byte) string {
	s.t.Helper()
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s sequoia) run(in string, args ...string) []byte {
	s.t.Helper()
	cmd := exec.Command("sq", args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader([]byte(in)), &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("sq %v: %v\n%s", args, err, stderr.String())
	}
	return out
}

// key makes a key, and returns its file and its public half.
func (s sequoia) key(name string, how ...string) (private string, k message.Key) {
	s.t.Helper()
	private = filepath.Join(s.folder, name+".key")
	s.run("", append([]string{"key", "generate", "--userid", name, "--export", private}, how...)...)
	b := s.run("", "key", "extract-cert", private)
	k, err := message.ParsePublic(b, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return private, k
}

// Promise application-sequoia.
func TestSequoiaAndTheRealmReadEachOther(t *testing.T) {
	s := sequoia{t, t.TempDir()}
	ours := key(t, "realm")
	realm := s.file("realm.pub", public(t, ours))
	for what, how := range map[string][]string{"ed25519": nil, "rsa": {"--cipher-suite", "rsa3k"}} {
		private, theirs := s.key(what, how...)
		b := s.run(said, "encrypt", "--binary", "--compression", "none", "--recipient-cert", realm, "--signer-key", private)
		got, err := message.Decrypt(b, ours)
		if err == nil {
			err = got.Verify(theirs, time.Now(), time.Minute)
		}
		if err != nil || string(got.Claims) != said {
			t.Errorf("%s: sq's message: %q, %v", what, got.Claims, err)
		}
		if got, err = message.ReadSigned(s.run(said, "sign", "--binary", "--signer-key", private)); err == nil {
			err = got.Verify(theirs, time.Now(), time.Minute)
		}
		if err != nil || string(got.Claims) != said {
			t.Errorf("%s: what sq signs: %q, %v", what, got.Claims, err)
		}
		if b, err = message.Seal([]byte(said), ours, &theirs, time.Now()); err != nil {
			t.Fatal(err)
		}
		if out := s.run(string(b), "decrypt", "--recipient-key", private, "--signer-cert", realm, "--signatures", "1"); string(out) != said {
			t.Errorf("%s: our message: %q", what, out)
		}
	}
	b, err := message.Seal([]byte(said), ours, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if out := s.run(string(b), "verify", "--signer-cert", realm); string(out) != said {
		t.Errorf("what we sign: %q", out)
	}
}
