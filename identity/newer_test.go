package identity_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"github.com/sallyport-auth/sallyport/identity"
)

// newer signs what a newer release might: the token with more in it than this one
// knows, and perhaps with a name in the header that may not be passed over.
func newer(t *testing.T, seed byte, critical ...any) []byte {
	t.Helper()
	s, pub := pair(t, seed)
	signed, err := s.SignIDToken(token())
	if err != nil {
		t.Fatal(err)
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(signed); err != nil {
		t.Fatal(err)
	}
	var fields map[int]any
	if err := cbor.Unmarshal(m.Payload, &fields); err != nil {
		t.Fatal(err)
	}
	fields[4000] = map[int]any{1: "of tomorrow"}
	account, ok := fields[2].(map[any]any)
	if !ok {
		t.Fatalf("the account is a %T", fields[2])
	}
	account[uint64(4001)] = []string{"deeper"}
	if m.Payload, err = cbor.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	if len(critical) > 0 {
		m.Headers.Protected[cose.HeaderLabelCritical] = critical
		for _, c := range critical {
			m.Headers.Protected[c] = true
		}
	}
	m.Headers.RawProtected = nil
	m.Signature = nil
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	if !pub.Equal(key.Public()) {
		t.Fatal("another key")
	}
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Sign(rand.Reader, nil, signer); err != nil {
		t.Fatal(err)
	}
	b, err := m.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAFieldOfANewerReleaseIsLeftOut(t *testing.T) {
	_, pub := pair(t, 1)
	got, err := ring(t, pub).IDToken(newer(t, 1))
	if err != nil || !reflect.DeepEqual(got, token()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsCriticalIsNotPassedOver(t *testing.T) {
	_, pub := pair(t, 1)
	got, err := ring(t, pub).IDToken(newer(t, 1, "sallyport-hours"))
	if !errors.Is(err, identity.ErrNewer) || errors.Is(err, identity.ErrToken) || got != nil {
		t.Errorf("%v, %v; want only ErrNewer", got, err)
	}
	// Who has no key of the realm cannot pass for a newer release.
	if _, err := ring(t, pub).IDToken(newer(t, 2, "sallyport-hours")); !errors.Is(err, identity.ErrToken) || errors.Is(err, identity.ErrNewer) {
		t.Errorf("of another key: %v; want only ErrToken", err)
	}
}
