package message_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
)

// sequoia is a real sq with a folder of its own. It keeps nothing: all that it uses are files.
type sequoia struct {
	t      testing.TB
	folder string
	sqWords
}

// sqWords are how a release of sq is asked for things.
type sqWords struct{ generate, into, recipient, signer, sign, key, cert, verify []string }

// Debian 12 has sq 0.27, Debian 13 sq 1.3.
func wordsOf(version string) sqWords {
	if strings.Contains(version, "sq 0.") {
		return sqWords{
			generate: []string{"key", "generate"}, into: []string{"--export"}, recipient: []string{"--recipient-cert"}, signer: []string{"--signer-key"},
			sign: []string{"sign"}, key: []string{"--recipient-key"}, cert: []string{"--signer-cert"}, verify: []string{"verify"},
		}
	}
	return sqWords{
		generate: []string{"key", "generate", "--own-key", "--without-password", "--rev-cert", os.DevNull, "--overwrite"}, into: []string{"--output"},
		recipient: []string{"--for-file"}, signer: []string{"--signer-file"}, sign: []string{"sign", "--message"}, key: []string{"--recipient-file"},
		cert: []string{"--signer-file"}, verify: []string{"verify", "--message"},
	}
}

func newSequoia(t *testing.T) sequoia {
	t.Helper()
	s := sequoia{t: t, folder: t.TempDir()}
	out, err := exec.Command("sq", "--version").CombinedOutput()
	if err != nil {
		out, err = exec.Command("sq", "version").CombinedOutput()
	}
	if err != nil {
		t.Fatalf("sq: %v\n%s", err, out)
	}
	s.sqWords = wordsOf(string(out))
	return s
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

// newKey makes a key, and returns its file and its public half.
func (s sequoia) newKey(name string, how ...string) (private string, k message.Key) {
	s.t.Helper()
	private = filepath.Join(s.folder, name+".key")
	s.run("", slices.Concat(s.generate, []string{"--userid", name}, s.into, []string{private}, how)...)
	b, err := os.ReadFile(private)
	if err == nil {
		k, err = message.ParsePrivate(b, nil, time.Now())
	}
	if err == nil {
		k, err = message.ParsePublic(public(s.t, k), time.Now())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return private, k
}

// Promise application-sequoia.
func TestSequoiaAndTheRealmReadEachOther(t *testing.T) {
	s := newSequoia(t)
	ours := key(t, "realm")
	realm := s.file("realm.pub", public(t, ours))
	for what, how := range map[string][]string{"ed25519": nil, "rsa": {"--cipher-suite", "rsa3k"}} {
		private, theirs := s.newKey(what, how...)
		b := s.run(said, slices.Concat([]string{"encrypt", "--binary", "--compression", "none"}, s.recipient, []string{realm}, s.signer, []string{private})...)
		got, err := message.Decrypt(b, ours)
		if err == nil {
			err = got.Verify(theirs, time.Now(), time.Minute)
		}
		if err != nil || string(got.Claims) != said {
			t.Errorf("%s: sq's message: %q, %v", what, got.Claims, err)
		}
		if got, err = message.ReadSigned(s.run(said, slices.Concat(s.sign, []string{"--binary"}, s.signer, []string{private})...)); err == nil {
			err = got.Verify(theirs, time.Now(), time.Minute)
		}
		if err != nil || string(got.Claims) != said {
			t.Errorf("%s: what sq signs: %q, %v", what, got.Claims, err)
		}
		if b, err = message.Seal([]byte(said), ours, &theirs, time.Now()); err != nil {
			t.Fatal(err)
		}
		if out := s.run(string(b), slices.Concat([]string{"decrypt"}, s.key, []string{private}, s.cert, []string{realm}, []string{"--signatures", "1"})...); string(out) != said {
			t.Errorf("%s: our message: %q", what, out)
		}
	}
	b, err := message.Seal([]byte(said), ours, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if out := s.run(string(b), slices.Concat(s.verify, s.cert, []string{realm})...); string(out) != said {
		t.Errorf("what we sign: %q", out)
	}
}
