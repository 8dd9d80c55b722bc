package verify_test

import (
	"crypto/ecdh"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
)

// card is a private half that is out of reach. It counts what it is asked.
func (p person) card(t testing.TB, asked *int) verify.Agreement {
	t.Helper()
	k, err := ecdh.P256().NewPrivateKey(p.private.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return func(theirs *ecdh.PublicKey) (identity.Secret, error) {
		*asked++
		shared, err := k.ECDH(theirs)
		return identity.NewSecret(shared), err
	}
}

// Promise verify-card-codes.
func TestAPrivateHalfOutOfReachSaysTheSameCodes(t *testing.T) {
	ada, bob := newPerson(t, "a.example", 1, rfcOne), newPerson(t, "b.example", 2, rfcTwo)
	asked := 0
	call, err := verify.BeginBy(ada.card(t, &asked), ada.Party, bob.Party, "")
	if err != nil {
		t.Fatal(err)
	}
	other := call.Copy()
	call.End()
	if say, _ := other.Say(time.Unix(at, 0)); say != knownFromAda || asked != 1 || !hears(t, &other, knownFromBob, at) {
		t.Errorf("%q after %d agreements", say, asked)
	}
	if hears(t, &call, knownFromBob, at) {
		t.Error("a call that is over proves something")
	}
	off := bob.Party
	off.Public = append([]byte{}, bob.Public...)
	off.Public[64] ^= 1
	for sentence, c := range map[string]struct{ own, theirs verify.Party }{
		"no own key": {verify.Party{Realm: "a.example"}, bob.Party}, "theirs off the curve": {ada.Party, off}, "oneself": {ada.Party, ada.Party},
	} {
		if _, err := verify.BeginBy(ada.card(t, &asked), c.own, c.theirs, ""); err == nil || asked != 1 {
			t.Errorf("%s: %v, asked %d times", sentence, err, asked)
		}
	}
	nasty := errors.New("no card")
	for _, c := range []struct {
		shared []byte
		err    error
		want   error
	}{{nil, nil, verify.ErrKey}, {make([]byte, 31), nil, verify.ErrKey}, {make([]byte, 48), nil, verify.ErrKey}, {make([]byte, 32), nasty, nasty}} {
		agree := func(*ecdh.PublicKey) (identity.Secret, error) { return identity.NewSecret(c.shared), c.err }
		if call, err := verify.BeginBy(agree, ada.Party, bob.Party, ""); !errors.Is(err, c.want) || hears(t, &call, "0000 0000", at) {
			t.Errorf("%d bytes, %v: %v", len(c.shared), c.err, err)
		}
	}
}
