package hostcert

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// realm signs as the server does.
type realm struct {
	t      *testing.T
	signer ssh.Signer
	raw    ed25519.PublicKey
	asked  int
	change func(*ssh.Certificate)
	err    error
	now    time.Time
}

func newRealm(t *testing.T) *realm {
	t.Helper()
	r := &realm{t: t, now: time.Unix(1_800_000_000, 0)}
	r.rotate()
	return r
}

func (r *realm) rotate() {
	r.t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err == nil {
		r.signer, err = ssh.NewSignerFromSigner(private)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.raw = public
}

func (r *realm) certify(_ context.Context, public [][]byte) (list [][]byte, until time.Time, err error) {
	r.asked++
	for _, wire := range public {
		k, err := ssh.ParsePublicKey(wire)
		if err != nil {
			return nil, until, err
		}
		c := &ssh.Certificate{
			Key: k, CertType: ssh.HostCert, ValidPrincipals: []string{"web1"},
			ValidAfter: uint64(r.now.Unix()), ValidBefore: uint64(r.now.Add(14 * 24 * time.Hour).Unix()),
		}
		if r.change != nil {
			r.change(c)
		}
		if err := c.SignCert(rand.Reader, r.signer); err != nil {
			return nil, until, err
		}
		list = append(list, c.Marshal())
	}
	return list, until, r.err
}

// kept is a keeper with one host key, and where its certificate is.
func (r *realm) kept() (k *Keeper, file string) {
	r.t.Helper()
	folder := r.t.TempDir()
	k = &Keeper{
		Certify: r.certify, Authorities: func() [][]byte { return [][]byte{r.raw} },
		Keys: folder, Folder: filepath.Join(folder, "certificates"), Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler),
	}
	r.hostKey(folder)
	return k, filepath.Join(k.Folder, "ssh_host_ed25519_key-cert.pub")
}

func (r *realm) hostKey(folder string) {
	r.t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	wrapped, err := ssh.NewPublicKey(public)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "ssh_host_ed25519_key.pub"), ssh.MarshalAuthorizedKey(wrapped), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// Promise hop-host.
func TestAHostCertificateIsRenewedBeforeItIsNeeded(t *testing.T) {
	for sentence, c := range map[string]struct {
		then  func(r *realm, k *Keeper, file string)
		asked int
	}{
		"at first":                      {func(*realm, *Keeper, string) {}, 1},
		"a day is over":                 {func(r *realm, _ *Keeper, _ string) { r.now = r.now.Add(25 * time.Hour) }, 2},
		"an hour is over":               {func(r *realm, _ *Keeper, _ string) { r.now = r.now.Add(time.Hour) }, 1},
		"sshd has another key":          {func(r *realm, k *Keeper, _ string) { r.hostKey(k.Keys) }, 2},
		"the realm has another key":     {func(r *realm, _ *Keeper, _ string) { r.rotate() }, 2},
		"somebody removed it":           {func(_ *realm, _ *Keeper, file string) { _ = os.Remove(file) }, 2},
		"somebody wrote something else": {func(_ *realm, _ *Keeper, file string) { _ = os.WriteFile(file, []byte("x"), 0o600) }, 2},
	} {
		t.Run(sentence, func(t *testing.T) {
			r := newRealm(t)
			k, file := r.kept()
			if err := k.Keep(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.then(r, k, file)
			if err := k.Keep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := k.Keep(t.Context()); err != nil || r.asked != c.asked {
				t.Errorf("asked %d times, want %d: %v", r.asked, c.asked, err)
			}
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
		})
	}
}

// Promise hop-host.
func TestNothingButACertificateOfThisHostsKeyIsKept(t *testing.T) {
	other, _, _ := ed25519.GenerateKey(nil)
	wrapped, _ := ssh.NewPublicKey(other)
	for sentence, change := range map[string]func(r *realm){
		"of a person":      func(r *realm) { r.change = func(c *ssh.Certificate) { c.CertType = ssh.UserCert } },
		"of another key":   func(r *realm) { r.change = func(c *ssh.Certificate) { c.Key = wrapped } },
		"of another realm": func(r *realm) { was := r.raw; r.rotate(); r.raw = was },
		"none":             func(r *realm) { r.err = errors.New("no") },
	} {
		r := newRealm(t)
		change(r)
		k, file := r.kept()
		if err := k.Keep(t.Context()); err == nil {
			t.Errorf("%s: no error", sentence)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: it is kept", sentence)
		}
		if _ = k.Keep(t.Context()); r.asked != 1 {
			t.Errorf("%s: the realm is asked again at once", sentence)
		}
	}
}

// Promise hop-host.
func TestWithoutARealmsKeyThereIsNoCertificate(t *testing.T) {
	r := newRealm(t)
	k, file := r.kept()
	if err := k.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.Authorities = func() [][]byte { return nil }
	if err := k.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
