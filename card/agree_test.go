package card

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

// agrees is one of our cards with a key of that kind in slot 9D, found in the reader.
type agrees struct {
	*vcard.Card
	t     *testing.T
	s     *Service
	seen  identity.CardSeen
	own   []byte // nil: it is not of a curve
	other *ecdh.PrivateKey
}

func newAgrees(t *testing.T, k *vcard.Key) *agrees {
	t.Helper()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	a := &agrees{Card: c, t: t, s: service()}
	var err error
	a.other, err = ecdh.P256().GenerateKey(rand.Reader)
	must(t, err)
	if k != nil {
		put(t, c, vcard.KeyManagement, *k)
		a.own = a.public()
	}
	insert(t, c, 0)
	a.seen, err = a.s.Find(bg, live(f))
	must(t, err)
	return a
}

// public is the public half of the certificate in slot 9D.
func (a *agrees) public() []byte {
	a.t.Helper()
	c, err := identity.ParseCard(a.Certificate(vcard.KeyManagement))
	must(a.t, err)
	if k, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		b, err := k.Bytes()
		must(a.t, err)
		return b
	}
	return nil
}

func (a *agrees) agree(pin string, touch func()) (identity.Secret, error) {
	return a.s.Agree(bg, a.seen, secret(pin), a.own, a.other.PublicKey().Bytes(), touch)
}

// right agrees, and compares with what the other end knows.
func (a *agrees) right(touch func()) {
	a.t.Helper()
	got, err := a.agree(vcard.DefaultPIN, touch)
	must(a.t, err)
	own, err := ecdh.P256().NewPublicKey(a.own)
	must(a.t, err)
	want, err := a.other.ECDH(own)
	must(a.t, err)
	if !bytes.Equal(want, got.Reveal()) {
		a.t.Error("the two ends have not the same secret")
	}
}

func (a *agrees) prepare(pin string) (identity.CardAgreement, error) {
	return a.s.PrepareAgreement(bg, a.seen, identity.CardOrder{Subject: "ada@example.org", Valid: time.Hour}, secret(pin), nil)
}

// toldPIN tells whether the card was told one since then.
func (a *agrees) toldPIN(before int) bool { return bytes.Contains(a.Commands()[before:], []byte{0x20}) }

// Promise verify-card-agree.
func TestTheKeyForKeyManagementAgreesAfterThePIN(t *testing.T) {
	for policy, pin := range map[string]byte{"once": vcard.PINOnce, "always": vcard.PINAlways} {
		t.Run(policy, func(t *testing.T) {
			vcard.Start(t)
			a := newAgrees(t, &vcard.Key{Algorithm: vcard.P256, PIN: pin, Touch: vcard.TouchAlways})
			touches := 0
			a.right(func() { touches++ })
			if touches != 1 || a.Verified() {
				t.Errorf("%d touches are asked for; the card still knows its PIN: %v", touches, a.Verified())
			}
			a.OnTouch(func() bool { return false })
			_, err := a.agree(vcard.DefaultPIN, nil)
			wants(t, err, identity.CardUntouched)
			a.OnTouch(nil)
			if made, err := a.prepare(vcard.DefaultPIN); err != nil || made.Made || !bytes.Equal(made.Public, a.own) {
				t.Errorf("what is there is taken: %+v, %v", made, err)
			}
			_, err = a.agree("654321", func() { t.Error("touch it, for a wrong PIN") })
			if e := wants(t, err, identity.CardWrongPIN); e.Retries != 2 {
				t.Errorf("%d tries are left", e.Retries)
			}
			_, err = a.prepare("654321")
			wants(t, err, identity.CardWrongPIN)
			for _, pin := range []string{"654321", vcard.DefaultPIN} {
				_, err = a.agree(pin, nil)
				wants(t, err, identity.CardLastTry)
			}
			a.Block()
			_, err = a.agree(vcard.DefaultPIN, nil)
			wants(t, err, identity.CardBlocked)
			a.SetPIN(vcard.DefaultPIN)
			for _, f := range []vcard.Fault{vcard.Garbage, vcard.Short} {
				a.at(0x87, f)
				if _, err := a.agree(vcard.DefaultPIN, nil); err == nil {
					t.Errorf("fault %d: it agrees", f)
				}
			}
			a.at(0x87, vcard.Pull)
			_, err = a.agree(vcard.DefaultPIN, nil)
			wants(t, err, identity.CardRemoved)
		})
	}
}

// at has the card fail at an instruction.
func (a *agrees) at(ins byte, f vcard.Fault) {
	a.OnCommand(func(i byte) vcard.Fault {
		if i == ins {
			return f
		}
		return vcard.None
	})
}

// Promise verify-card-made.
func TestAKeyForKeyManagementIsMadeWhereThereIsNone(t *testing.T) {
	vcard.Start(t)
	a := newAgrees(t, nil)
	_, err := a.agree(vcard.DefaultPIN, nil)
	if e := wants(t, err, identity.CardUnsupported); !errors.Is(e, identity.ErrNoAgreementKey) {
		t.Error(err)
	}
	_, err = a.prepare("654321")
	wants(t, err, identity.CardWrongPIN)
	own := bytes.Repeat([]byte{7}, 24)
	a.SetManagementKey(vcard.AES192, own)
	if _, err = a.prepare(vcard.DefaultPIN); !errors.Is(err, identity.ErrManagementKey) || a.Certificate(vcard.KeyManagement) != nil {
		t.Errorf("by another's management key: %v", err)
	}
	a.SetManagementKey(vcard.AES192, vcard.DefaultManagementKey())
	before := a.Certificate(vcard.Authentication)
	made, err := a.prepare(vcard.DefaultPIN)
	must(t, err)
	if a.own = a.public(); !made.Made || !made.FactoryKey || !bytes.Equal(made.Public, a.own) || a.Verified() {
		t.Errorf("%+v", made)
	}
	a.right(nil)
	list, err := a.s.List(bg)
	if err != nil || len(list) != 2 || !bytes.Equal(list[0].Agreement, a.own) || list[1].Agreement != nil {
		t.Errorf("it is not listed: %+v, %v", list, err)
	}
	again, err := a.prepare(vcard.DefaultPIN)
	if err != nil || again.Made || !bytes.Equal(again.Public, made.Public) || !bytes.Equal(before, a.Certificate(vcard.Authentication)) {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// Promise verify-card-made, verify-card-agree.
func TestAKeyForKeyManagementThatIsNotTheOneIsLeftAlone(t *testing.T) {
	vcard.Start(t)
	a := newAgrees(t, nil)
	has := func(algorithm byte) func() {
		return func() { put(t, a.Card, vcard.KeyManagement, vcard.Key{Algorithm: algorithm}); a.own = a.public() }
	}
	for _, c := range []struct {
		sentence      string
		change        func()
		want, prepare error
	}{
		{"no metadata and no certificate", func() { a.TellKeys(false) }, identity.ErrAgreementUnknown, identity.ErrAgreementUnknown},
		{"a certificate, and no key", func() {
			a.TellKeys(true)
			a.PutCertificate(vcard.KeyManagement, a.Certificate(vcard.Authentication))
		}, identity.ErrNoAgreementKey, identity.ErrAgreementTaken},
		{"RSA", has(vcard.RSA2048), identity.ErrAgreementKind, identity.ErrAgreementKind},
		{"P-384", has(vcard.P384), identity.ErrAgreementKind, identity.ErrAgreementKind},
		{"another key", func() { has(vcard.P256)(); a.own = a.other.PublicKey().Bytes() }, identity.ErrAgreementOther, nil},
		{"no key is asked for", func() { a.own = nil }, identity.ErrAgreementOther, nil},
	} {
		c.change()
		before, there := len(a.Commands()), a.Certificate(vcard.KeyManagement)
		if _, err := a.agree(vcard.DefaultPIN, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: it agrees: %v", c.sentence, err)
		}
		wanted := identity.CardsWanted{Live: [][]byte{a.seen.Fingerprint}, Agreement: append([]byte{}, a.own...)}
		if _, err := a.s.Find(bg, wanted); !errors.Is(err, c.want) {
			t.Errorf("%s: it is found: %v", c.sentence, err)
		}
		if c.prepare != nil {
			if _, err := a.prepare(vcard.DefaultPIN); !errors.Is(err, c.prepare) {
				t.Errorf("%s: it is made ready: %v", c.sentence, err)
			}
		}
		if a.toldPIN(before) || !bytes.Equal(there, a.Certificate(vcard.KeyManagement)) {
			t.Errorf("%s: it was told its PIN, or the slot was changed", c.sentence)
		}
	}
}

// Promise verify-card-agree.
func TestACardWithoutMetadataAgreesByItsCertificate(t *testing.T) {
	vcard.Start(t)
	a := newAgrees(t, &vcard.Key{Algorithm: vcard.P256})
	a.TellKeys(false)
	a.right(nil)
	before := len(a.Commands())
	for _, theirs := range [][]byte{nil, {4}, bytes.Repeat([]byte{4}, 65)} {
		_, err := a.s.Agree(bg, a.seen, secret(vcard.DefaultPIN), a.own, theirs, nil)
		wants(t, err, identity.CardUnsupported)
	}
	if a.toldPIN(before) {
		t.Error("it was told its PIN for what is no key")
	}
	stranger := a.seen
	stranger.Fingerprint = []byte("another")
	_, err := a.s.Agree(bg, stranger, secret(vcard.DefaultPIN), a.own, a.other.PublicKey().Bytes(), nil)
	wants(t, err, identity.CardWrong)
}
