package seal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/test/swtpm"
)

func try(kind, dir string, s *swtpm.TPM) (*seal.Choice, error) {
	return seal.Open(context.Background(), seal.Options{Dir: dir, Kind: kind, Device: s.Device})
}

// open opens with that TPM and fails the test if that fails.
func open(t testing.TB, kind, dir string, s *swtpm.TPM) *seal.Choice {
	t.Helper()
	c, err := try(kind, dir, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func mac(t testing.TB, c *seal.Choice, data string) []byte {
	t.Helper()
	m, err := c.Sealer.HMAC(context.Background(), []byte(data))
	if err != nil || len(m) != 32 {
		t.Fatalf("%x, %v", m, err)
	}
	return m
}

func copyTo(t testing.TB, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestATPMSealsTheSameAfterItIsOpenedAgain(t *testing.T) {
	dir, s := t.TempDir(), swtpm.New(t)
	one := open(t, seal.KindTPM, dir, s)
	a, p := mac(t, one, "x"), public(t, one)
	if one.Sealer.Kind() != "tpm" {
		t.Error(one.Sealer.Kind())
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	two := open(t, seal.KindTPM, dir, s)
	if b := mac(t, two, "x"); !bytes.Equal(a, b) {
		t.Errorf("%x and %x", a, b)
	}
	if !bytes.Equal(p, public(t, two)) {
		t.Error("another public key")
	}
	if bytes.Equal(a, mac(t, two, "y")) {
		t.Error("other data, same seal")
	}
	if _, err := two.Sealer.HMAC(context.Background(), make([]byte, seal.MaxData)); err != nil {
		t.Errorf("as much as every sealer takes: %v", err)
	}
	if _, err := two.Sealer.HMAC(context.Background(), make([]byte, seal.MaxData+1)); !errors.Is(err, seal.ErrTooLong) {
		t.Errorf("%v, want ErrTooLong", err)
	}
}

func public(t testing.TB, c *seal.Choice) []byte {
	t.Helper()
	p, err := c.Sealer.Public(context.Background())
	if err != nil || len(p) != seal.PublicLen {
		t.Fatalf("%x, %v", p, err)
	}
	return p
}

// Promise seal-copied-disk.
func TestWhatIsSealedToATPMOpensThereAndNowhereElse(t *testing.T) {
	here := open(t, seal.KindTPM, t.TempDir(), swtpm.New(t))
	there := open(t, seal.KindTPM, t.TempDir(), swtpm.New(t))
	opensHereOnly(t, here.Sealer, there.Sealer)
}

func sealedTo(t testing.TB, c *seal.Choice) []byte {
	t.Helper()
	text, err := identity.SealTo(public(t, c), []byte("info"), identity.NewSecret([]byte("secret")))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// useless is a sealer that can compute nothing, and says why.
func useless(t *testing.T, c *seal.Choice, sealed []byte, why error) {
	t.Helper()
	if m, err := c.Sealer.HMAC(context.Background(), []byte("x")); m != nil || !errors.Is(err, why) {
		t.Errorf("HMAC: %x, %v, want %v", m, err, why)
	}
	if m, err := c.Sealer.Open(context.Background(), []byte("info"), sealed); m != nil || !errors.Is(err, why) || errors.Is(err, seal.ErrSealed) {
		t.Errorf("Open: %q, %v, want %v", m, err, why)
	}
	if m, err := seal.Verify(context.Background(), c.Sealer, []byte("x"), nil); m != seal.NoMatch || !errors.Is(err, why) {
		t.Errorf("Verify: %v, %v, want %v", m, err, why)
	}
	if err := c.Sealer.(*seal.TPM).Trouble(); !errors.Is(err, why) {
		t.Errorf("Trouble: %v, want %v", err, why)
	}
}

// Promise seal-copied-disk.
func TestACopiedDiskWithoutItsTPMIsOfNoUse(t *testing.T) {
	dir, s := t.TempDir(), swtpm.New(t)
	here := open(t, seal.KindTPM, dir, s)
	m, sealed := mac(t, here, "x"), sealedTo(t, here)
	other := swtpm.New(t)
	stolen := copyTo(t, dir, "seal.tpm")
	if _, err := try(seal.KindTPM, stolen, other); !errors.Is(err, seal.ErrOtherTPM) {
		t.Errorf("%v, want ErrOtherTPM", err)
	}
	useless(t, open(t, seal.KindAuto, stolen, other), sealed, seal.ErrOtherTPM)
	if _, err := os.Stat(filepath.Join(stolen, "seal.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it fell back to a file: %v", err)
	}
	if !bytes.Equal(m, mac(t, here, "x")) {
		t.Error("the machine itself has another answer")
	}
}

// Promise seal-copied-disk.
func TestATPMThatWasClearedIsAnother(t *testing.T) {
	dir, s := t.TempDir(), swtpm.New(t)
	c := open(t, seal.KindTPM, dir, s)
	sealed := sealedTo(t, c)
	s.Clear()
	useless(t, c, sealed, seal.ErrOtherTPM)
	if _, err := try(seal.KindTPM, dir, s); !errors.Is(err, seal.ErrOtherTPM) {
		t.Errorf("%v, want ErrOtherTPM", err)
	}
}

// Promise seal-tpm-silent.
func TestATPMThatGoesAndComesBackIsWaitedFor(t *testing.T) {
	dir, s := t.TempDir(), swtpm.New(t)
	c := open(t, seal.KindAuto, dir, s)
	m, sealed := mac(t, c, "x"), sealedTo(t, c)
	s.Off()
	useless(t, c, sealed, seal.ErrTPM)
	useless(t, open(t, seal.KindAuto, dir, s), sealed, seal.ErrTPM)
	if _, err := try(seal.KindTPM, dir, s); !errors.Is(err, seal.ErrTPM) {
		t.Errorf("%v, want ErrTPM", err)
	}
	s.On()
	if !bytes.Equal(m, mac(t, c, "x")) {
		t.Error("another answer")
	}
	if err := c.Sealer.(*seal.TPM).Trouble(); err != nil {
		t.Errorf("it still says %v", err)
	}
	s.Off()
	s.On() // as hibernation does: nothing is loaded any more
	if got, err := c.Sealer.Open(context.Background(), []byte("info"), sealed); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.Rename(s.Device, s.Device+"-"); err != nil {
		t.Fatal(err)
	}
	s.Off()
	useless(t, c, sealed, seal.ErrNoTPM)
}

// Promise seal-tpm-silent.
func TestATPMThatHangsDelaysNobodyBeyondTheirDeadline(t *testing.T) {
	s := swtpm.New(t)
	c := open(t, seal.KindTPM, t.TempDir(), s)
	m, sealed := mac(t, c, "x"), sealedTo(t, c)
	s.Hang()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			if _, err := c.Sealer.HMAC(ctx, []byte("other")); !errors.Is(err, seal.ErrTPM) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("HMAC: %v", err)
			}
			if _, err := c.Sealer.Open(ctx, []byte("info"), sealed); !errors.Is(err, seal.ErrTPM) || errors.Is(err, seal.ErrSealed) {
				t.Errorf("Open: %v", err)
			}
		})
	}
	all.Wait()
	if err := c.Sealer.(*seal.TPM).Trouble(); err == nil {
		t.Error("it says nothing of that")
	}
	s.GoOn()
	// The answer to the command that nobody waited for is not taken for another's.
	if got := mac(t, c, "x"); !bytes.Equal(m, got) {
		t.Errorf("%x, want %x", got, m)
	}
}

func TestManyAtOnceEachGetTheirOwnAnswer(t *testing.T) {
	c := open(t, seal.KindTPM, t.TempDir(), swtpm.New(t))
	sealed := sealedTo(t, c)
	want := make([][]byte, 50)
	for i := range want {
		want[i] = mac(t, c, fmt.Sprint(i))
	}
	var all sync.WaitGroup
	for i := range want {
		all.Go(func() {
			if got, err := c.Sealer.HMAC(context.Background(), []byte(fmt.Sprint(i))); err != nil || !bytes.Equal(got, want[i]) {
				t.Errorf("%d: %x, %v", i, got, err)
			}
			if got, err := c.Sealer.Open(context.Background(), []byte("info"), sealed); err != nil || string(got) != "secret" {
				t.Errorf("%d: %q, %v", i, got, err)
			}
		})
	}
	all.Wait()
}

// Promise seal-bus.
func TestWhoListensOnTheBusHearsNoSecret(t *testing.T) {
	dir, s := t.TempDir(), swtpm.New(t)
	key := bytes.Repeat([]byte("filekey!"), 4)
	if err := os.WriteFile(filepath.Join(dir, "seal.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, seal.KindTPM, dir, s)
	m := mac(t, c, "the hash of a password, 32 bytes long")
	sealed := sealedTo(t, c)
	if _, err := c.Sealer.Open(context.Background(), []byte("info"), sealed); err != nil {
		t.Fatal(err)
	}
	heard := s.Heard()
	if len(heard) < 1000 {
		t.Fatal("the listener is deaf")
	}
	for sentence, secret := range map[string][]byte{
		"what was hashed": []byte("the hash of a password"), "the seal": m, "the key of before": key,
		"whose secret is opened": sealed[1:33],
	} {
		if bytes.Contains(heard, secret) {
			t.Errorf("%s was heard", sentence)
		}
	}
}

func TestATPMWithAnOwnersPasswordIsUsedWhereItHasAStorageKey(t *testing.T) {
	s := swtpm.New(t)
	admin := func(f func(tpm transport.TPM)) {
		t.Helper()
		c, err := net.Dial("unix", s.Device)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f(transport.FromReadWriter(c))
	}
	admin(func(tpm transport.TPM) {
		_, err := tpm2.HierarchyChangeAuth{
			AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)},
			NewAuth:    tpm2.TPM2BAuth{Buffer: []byte("owner")},
		}.Execute(tpm)
		if err != nil {
			t.Fatal(err)
		}
	})
	if _, err := try(seal.KindTPM, t.TempDir(), s); !errors.Is(err, seal.ErrTPM) {
		t.Errorf("%v, want ErrTPM", err)
	}
	persist := func(template tpm2.TPMTPublic) {
		admin(func(tpm transport.TPM) {
			owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth([]byte("owner"))}
			if old, err := (tpm2.ReadPublic{ObjectHandle: tpm2.TPMHandle(0x81000001)}).Execute(tpm); err == nil {
				_, err := tpm2.EvictControl{
					Auth: owner, ObjectHandle: &tpm2.NamedHandle{Handle: 0x81000001, Name: old.Name}, PersistentHandle: 0x81000001,
				}.Execute(tpm)
				if err != nil {
					t.Fatal(err)
				}
			}
			made, err := tpm2.CreatePrimary{PrimaryHandle: owner, InPublic: tpm2.New2B(template)}.Execute(tpm)
			if err != nil {
				t.Fatal(err)
			}
			_, err = tpm2.EvictControl{
				Auth: owner, ObjectHandle: &tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name}, PersistentHandle: 0x81000001,
			}.Execute(tpm)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	persist(tpm2.RSASRKTemplate)
	if _, err := try(seal.KindTPM, t.TempDir(), s); !errors.Is(err, seal.ErrTPM) {
		t.Errorf("with a storage key of another kind: %v, want ErrTPM", err)
	}
	persist(tpm2.ECCSRKTemplate)
	dir := t.TempDir()
	c := open(t, seal.KindTPM, dir, s)
	m := mac(t, c, "x")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m, mac(t, open(t, seal.KindTPM, dir, s), "x")) {
		t.Error("another answer")
	}
}
