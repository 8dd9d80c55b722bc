package card

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

func TestACardOfEachKindIsFoundAndSigns(t *testing.T) {
	vcard.Start(t)
	s := service()
	c := vcard.New()
	insert(t, c, 0)
	for name, algorithm := range map[string]byte{"RSA 2048": vcard.RSA2048, "P-256": vcard.P256, "P-384": vcard.P384, "Ed25519": vcard.Ed25519} {
		for policy, pin := range map[string]byte{"never": vcard.PINNever, "once": vcard.PINOnce, "always": vcard.PINAlways} {
			t.Run(name+" PIN "+policy, func(t *testing.T) {
				f := put(t, c, vcard.Authentication, vcard.Key{Algorithm: algorithm, PIN: pin})
				seen, err := s.Find(bg, live(f))
				must(t, err)
				if seen.Reader != vcard.Reader0 || seen.Retries != 3 || string(seen.Fingerprint) != string(f) {
					t.Fatalf("%+v", seen)
				}
				proof, err := s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), func() { t.Error("a touch is asked for") })
				must(t, err)
				must(t, proof.Verify(c.Certificate(vcard.Authentication), challenge()))
			})
		}
	}
}

func TestAWrongPINTellsWhatIsLeft(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, c, 0)
	seen, err := s.Find(bg, live(f))
	must(t, err)
	for _, left := range []int{2, 1} {
		_, err = s.Sign(bg, seen, secret("654321"), challenge(), nil)
		if e := wants(t, err, identity.CardWrongPIN); e.Retries != left {
			t.Fatalf("%d left, want %d", e.Retries, left)
		}
		if seen, err = s.Find(bg, live(f)); err != nil || seen.Retries != left {
			t.Fatalf("%+v, %v", seen, err)
		}
	}
	c.Block()
	_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
	wants(t, err, identity.CardBlocked)
	if seen, err = s.Find(bg, live(f)); err != nil || seen.Retries != 0 {
		t.Fatalf("%+v, %v", seen, err)
	}
}

// Promise enrol-pin-form.
func TestWhatHasNotTheFormOfAPINCostsNoTry(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, c, 0)
	seen, err := s.Find(bg, live(f))
	must(t, err)
	for _, pin := range []string{"", "12345", "123456789"} {
		_, err = s.Sign(bg, seen, secret(pin), challenge(), nil)
		if e := wants(t, err, identity.CardWrongPIN); e.Retries != 3 {
			t.Errorf("%q: %d", pin, e.Retries)
		}
	}
	if n := c.Retries(); n != 3 {
		t.Fatalf("%d tries left", n)
	}
}

func BenchmarkFindAndSign(b *testing.B) {
	vcard.Start(b)
	s := service()
	c, f := ours(b, vcard.Key{Algorithm: vcard.P256})
	insert(b, c, 0)
	for b.Loop() {
		seen, err := s.Find(bg, live(f))
		must(b, err)
		_, err = s.Sign(bg, seen, secret(vcard.DefaultPIN), challenge(), nil)
		must(b, err)
	}
}
