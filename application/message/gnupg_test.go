package message_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
)

// gnupg is a real gpg with a folder of its own.
type gnupg struct {
	t    testing.TB
	home string
}

func newGnuPG(t testing.TB) gnupg {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") // a short path: gpg-agent has its socket there
	if err != nil {
		t.Fatal(err)
	}
	g := gnupg{t, home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	return g
}

func (g gnupg) try(in []byte, args ...string) ([]byte, error) {
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--no-tty", "--trust-model", "always", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		g.t.Logf("gpg %s: %s", strings.Join(args, " "), stderr.String())
	}
	return out, err
}

func (g gnupg) run(in []byte, args ...string) []byte {
	g.t.Helper()
	out, err := g.try(in, args...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// key makes a key, and returns its public half.
func (g gnupg) key(name string, algorithm ...string) message.Key {
	g.t.Helper()
	if len(algorithm) == 0 {
		algorithm = []string{"default"}
	}
	g.run(nil, append([]string{"--quick-generate-key", name}, algorithm...)...)
	k, err := message.ParsePublic(g.run(nil, "--export", name), time.Now())
	if err != nil {
		g.t.Fatal(err)
	}
	return k
}

func key(t testing.TB, name string) message.Key {
	t.Helper()
	k, err := message.NewKey(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func public(t testing.TB, k message.Key) []byte {
	t.Helper()
	b, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const said = `{"any":"text"}`

// sealedBy are the words of gpg that docs/applications.md has.
func (g gnupg) sealed(text, from string, to message.Key, more ...string) ([]byte, error) {
	g.run(public(g.t, to), "--import")
	return g.try([]byte(text), append(more, "--local-user", from, "--recipient", to.Fingerprint(), "--compress-algo", "none", "--sign", "--encrypt")...)
}

func TestGnuPGAndTheRealmReadEachOther(t *testing.T) {
	g := newGnuPG(t)
	ours, theirs := key(t, "realm"), g.key("instance")
	b, err := g.sealed(said, "instance", ours)
	if err != nil {
		t.Fatal(err)
	}
	got, err := message.Decrypt(b, ours)
	if err == nil {
		err = got.Verify(theirs, time.Now(), time.Minute)
	}
	if err != nil || string(got.Claims) != said {
		t.Errorf("gpg's message: %q, %v", got.Claims, err)
	}
	b, err = message.Seal([]byte(said), ours, &theirs, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if out := g.run(b, "--decrypt"); string(out) != said {
		t.Errorf("our message: %q", out)
	}
	signed := g.run([]byte(said), "--local-user", "instance", "--compress-algo", "none", "--sign")
	if got, err = message.ReadSigned(signed); err == nil {
		err = got.Verify(theirs, time.Now(), time.Minute)
	}
	if err != nil || string(got.Claims) != said {
		t.Errorf("what gpg signs: %q, %v", got.Claims, err)
	}
	if b, err = message.Seal([]byte(said), ours, nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	if out := g.run(b, "--decrypt"); string(out) != said {
		t.Errorf("what we sign: %q", out)
	}
	armored, err := ours.ArmoredPrivate([]byte("passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	newGnuPG(t).run([]byte(armored), "--import")
}

// fingerprint is that of a key of that name.
func (g gnupg) fingerprint(name string) string {
	g.t.Helper()
	for _, line := range strings.Split(string(g.run(nil, "--with-colons", "--list-keys", name)), "\n") {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	g.t.Fatalf("no key %s", name)
	return ""
}
