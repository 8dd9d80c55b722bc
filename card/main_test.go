package card

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

// Every test here talks to real pcscd, in namespaces of its own.
func TestMain(m *testing.M) {
	if err := machine.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := unix.Mount("run", "/run", "tmpfs", 0, ""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// present tells what pcscd says of a reader.
func present(t testing.TB, name string) bool {
	t.Helper()
	p, err := connect()
	must(t, err)
	defer p.close()
	readers, err := p.readers()
	must(t, err)
	for _, r := range readers {
		if r.name == name {
			return r.card
		}
	}
	return false
}

var readerNames = []string{vcard.Reader0, vcard.Reader1}

// insert puts a card into a slot, and waits until it is seen.
func insert(t testing.TB, c *vcard.Card, slot int) *vcard.Inserted {
	t.Helper()
	until(t, "the slot is empty", func() bool { return !present(t, readerNames[slot]) })
	in, err := c.Insert(slot)
	must(t, err)
	t.Cleanup(in.Remove)
	until(t, "the card is seen", func() bool { return present(t, readerNames[slot]) })
	return in
}

func service() *Service { return New(Options{}) }

// ours is a card with a key in 9A, and its fingerprint.
func ours(t testing.TB, key vcard.Key) (*vcard.Card, []byte) {
	t.Helper()
	c := vcard.New()
	return c, put(t, c, vcard.Authentication, key)
}

func put(t testing.TB, c *vcard.Card, slot byte, key vcard.Key) []byte {
	t.Helper()
	if key.PIN == 0 {
		key.PIN = vcard.PINOnce
	}
	if key.Touch == 0 {
		key.Touch = vcard.TouchNever
	}
	cert, err := c.Put(slot, key, "ada", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	must(t, err)
	return identity.CardFingerprint(cert.Raw)
}

func live(f ...[]byte) identity.CardsWanted { return identity.CardsWanted{Live: f} }

func secret(s string) identity.Secret { return identity.NewSecret([]byte(s)) }

func challenge() identity.CardChallenge {
	return identity.CardChallenge{
		Realm: "example.org", Machine: uuid.MustParse("0b54c1a2-8e06-4a6b-9d0e-0123456789ab"),
		Account: uuid.MustParse("9d0e0b54-8e06-4a6b-9d0e-0123456789ab"), Service: "sudo", Nonce: identity.Nonce{Value: [32]byte{1}, Time: 1790000000},
	}
}

// wants is a call's fault.
func wants(t testing.TB, err error, fault identity.CardFault) *identity.CardError {
	t.Helper()
	var e *identity.CardError
	if !errors.As(err, &e) || e.Fault != fault {
		t.Fatalf("%v, want %v", err, fault)
	}
	return e
}

var bg = context.Background()
