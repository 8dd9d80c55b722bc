package card

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

func order(k identity.CardKey) identity.CardOrder {
	return identity.CardOrder{Generate: true, Key: k, Subject: "ada@example.org", Valid: 24 * time.Hour}
}

func TestACardMakesAKeyOfEachKindAndShowsWhereItWasMade(t *testing.T) {
	vcard.Start(t)
	s := service()
	c := vcard.New()
	insert(t, c, 0)
	for _, k := range []identity.CardKey{identity.CardP256, identity.CardP384, identity.CardEd25519, identity.CardRSA2048} {
		t.Run(string(k), func(t *testing.T) {
			o := order(k)
			o.Force = true
			made, err := s.Prepare(bg, o, secret(vcard.DefaultPIN), nil)
			must(t, err)
			if !made.FactoryKey {
				t.Error("the factory's management key is not told of")
			}
			proof, err := s.Enrol(bg, made, secret(vcard.DefaultPIN), challenge(), nil)
			must(t, err)
			must(t, proof.Verify(proof.Certificate, challenge()))
			cert, err := x509.ParseCertificate(proof.Certificate)
			must(t, err)
			if cert.Subject.CommonName != "ada@example.org" || !bytes.Equal(cert.Raw, c.Certificate(vcard.Authentication)) {
				t.Errorf("%v", cert.Subject)
			}
			if len(proof.Attestation) != 2 {
				t.Fatalf("%d attestations", len(proof.Attestation))
			}
			statement, err := x509.ParseCertificate(proof.Attestation[0])
			must(t, err)
			own, err := x509.ParseCertificate(proof.Attestation[1])
			must(t, err)
			must(t, statement.CheckSignatureFrom(own))
			must(t, own.CheckSignatureFrom(c.Maker()))
			if !bytes.Equal(statement.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo) {
				t.Error("it is about another key")
			}
		})
	}
}

// Promise enrol-overwrite.
func TestACertificateThatIsThereIsNotOverwrittenUnlessForced(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, c, 0)
	_, err := s.Prepare(bg, order(identity.CardP256), secret(vcard.DefaultPIN), nil)
	if !errors.Is(err, identity.ErrCardTaken) {
		t.Fatal(err)
	}
	made, err := s.Prepare(bg, identity.CardOrder{}, secret(vcard.DefaultPIN), nil)
	must(t, err)
	if !bytes.Equal(made.Seen.Fingerprint, f) {
		t.Error("it is not the one that was there")
	}
	_, err = s.Prepare(bg, identity.CardOrder{}, secret("654321"), nil)
	if e := wants(t, err, identity.CardWrongPIN); e.Retries != 2 {
		t.Errorf("%d tries left", e.Retries)
	}
}

func TestNothingIsMadeWithAWrongPINOrManagementKey(t *testing.T) {
	vcard.Start(t)
	s := service()
	c := vcard.New()
	insert(t, c, 0)
	_, err := s.Prepare(bg, identity.CardOrder{}, secret(vcard.DefaultPIN), nil)
	wants(t, err, identity.CardNotPIV) // nothing to enrol
	_, err = s.Prepare(bg, order(identity.CardP256), secret("654321"), nil)
	wants(t, err, identity.CardWrongPIN)
	own := bytes.Repeat([]byte{7}, 24)
	c.SetManagementKey(vcard.AES192, own)
	for _, k := range [][]byte{nil, bytes.Repeat([]byte{8}, 24), []byte("short")} {
		o := order(identity.CardP256)
		o.ManagementKey = identity.NewSecret(k)
		if _, err = s.Prepare(bg, o, secret(vcard.DefaultPIN), nil); !errors.Is(err, identity.ErrManagementKey) {
			t.Fatal(err)
		}
	}
	if c.Certificate(vcard.Authentication) != nil {
		t.Fatal("it was made all the same")
	}
	o := order(identity.CardP256)
	o.ManagementKey = identity.NewSecret(own)
	made, err := s.Prepare(bg, o, secret(vcard.DefaultPIN), nil)
	must(t, err)
	if made.FactoryKey {
		t.Error("it is not the factory's")
	}
	c.SetManagementKey(vcard.TripleDES, vcard.DefaultManagementKey()) // as older cards have it
	o = order(identity.CardP256)
	o.Force = true
	_, err = s.Prepare(bg, o, secret(vcard.DefaultPIN), nil)
	must(t, err)
}

func TestANewKeyThatWantsATouchSaysSo(t *testing.T) {
	vcard.Start(t)
	s := service()
	insert(t, vcard.New(), 0)
	touches := 0
	o := order(identity.CardP256)
	o.Touch = true
	made, err := s.Prepare(bg, o, secret(vcard.DefaultPIN), func() { touches++ })
	must(t, err)
	_, err = s.Enrol(bg, made, secret(vcard.DefaultPIN), challenge(), func() { touches++ })
	must(t, err)
	if touches != 2 {
		t.Errorf("%d touches are asked for", touches)
	}
}

func TestOfSeveralCardsOneIsToBeNamed(t *testing.T) {
	vcard.Start(t)
	s := service()
	insert(t, vcard.New(), 0)
	second := vcard.New()
	insert(t, second, 1)
	_, err := s.Prepare(bg, order(identity.CardP256), secret(vcard.DefaultPIN), nil)
	if !errors.Is(err, identity.ErrManyCards) {
		t.Fatal(err)
	}
	o := order(identity.CardP256)
	o.Reader = vcard.Reader1
	_, err = s.Prepare(bg, o, secret(vcard.DefaultPIN), nil)
	must(t, err)
	if second.Certificate(vcard.Authentication) == nil {
		t.Error("it was the other card")
	}
	list, err := s.List(bg)
	must(t, err)
	if len(list) != 2 || len(list[1].Certificates) != 1 || list[1].Retries != 3 {
		t.Fatalf("%+v", list)
	}
	wants(t, list[0].Err, identity.CardNotPIV)
}

// Whoever has an account may enrol, also somebody else's card that was left in a
// reader: with guesses nobody shall block it.
// Promise card-last-try, enrol-last-try.
func TestEnrollingNeverUsesUpTheLastTry(t *testing.T) {
	vcard.Start(t)
	s := service()
	c := vcard.New()
	insert(t, c, 0)
	for range 2 {
		_, err := s.Prepare(bg, order(identity.CardP256), secret("654321"), nil)
		wants(t, err, identity.CardWrongPIN)
	}
	for _, pin := range []string{"654321", vcard.DefaultPIN} {
		_, err := s.Prepare(bg, order(identity.CardP256), secret(pin), nil)
		wants(t, err, identity.CardLastTry)
	}
	if n := c.Retries(); n != 1 {
		t.Errorf("%d tries are left", n)
	}
}

// Promise card-last-try.
func TestSigningNeverUsesUpTheLastTry(t *testing.T) {
	vcard.Start(t)
	s := service()
	c, f := ours(t, vcard.Key{Algorithm: vcard.P256})
	insert(t, c, 0)
	seen, err := s.Find(bg, live(f))
	must(t, err)
	for range 2 {
		_, err := s.Sign(bg, seen, secret("654321"), challenge(), nil)
		wants(t, err, identity.CardWrongPIN)
	}
	for _, pin := range []string{"654321", vcard.DefaultPIN} {
		_, err := s.Sign(bg, seen, secret(pin), challenge(), nil)
		wants(t, err, identity.CardLastTry)
	}
	if n := c.Retries(); n != 1 {
		t.Errorf("%d tries are left", n)
	}
}

// Whoever may enrol must not try PINs of a card that is another's, nor replace its key
// when they know the PIN.
// Promise attack-person-card, card-last-try.
func TestAnothersCardIsToldNoPINAndLosesNoKey(t *testing.T) {
	vcard.Start(t)
	s := service()
	for _, slot := range []byte{vcard.Authentication, vcard.Signature} {
		c := vcard.New()
		_, err := c.Put(slot, vcard.Key{Algorithm: vcard.P256, PIN: vcard.PINOnce, Touch: vcard.TouchNever}, "eve", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		must(t, err)
		in := insert(t, c, 0)
		before := c.Certificate(slot)
		o := order(identity.CardP256)
		o.Force, o.Others = true, func(f []byte) bool { return bytes.Equal(f, identity.CardFingerprint(before)) }
		for _, pin := range []string{"654321", vcard.DefaultPIN} {
			_, err := s.Prepare(bg, o, secret(pin), nil)
			if !errors.Is(err, identity.ErrOthersCard) {
				t.Errorf("slot %v: %v", slot, err)
			}
		}
		if n := c.Retries(); n != 3 || !bytes.Equal(c.Certificate(slot), before) {
			t.Errorf("slot %v: %d tries are left, or the certificate is another", slot, n)
		}
		in.Remove()
		until(t, "it is out", func() bool { return !present(t, vcard.Reader0) })
	}
}

// Promise card-library.
func TestACardThatAnswersTooLittleEndsNoDaemon(t *testing.T) {
	vcard.Start(t)
	s := service()
	c := vcard.New()
	insert(t, c, 0)
	for _, ins := range []byte{0xf7, 0x47, 0x87, 0xcb, 0xfd, 0xf8, 0xf9, 0x20} {
		c.OnCommand(func(i byte) vcard.Fault {
			if i == ins {
				return vcard.Short
			}
			return vcard.None
		})
		o := order(identity.CardP256)
		o.Force = true
		_, _ = s.Prepare(bg, o, secret(vcard.DefaultPIN), nil) // some answers are not needed
		_, _ = s.List(bg)
	}
	c.OnCommand(nil)
	o := order(identity.CardP256)
	o.Force = true
	_, err := s.Prepare(bg, o, secret(vcard.DefaultPIN), nil)
	must(t, err)
}
