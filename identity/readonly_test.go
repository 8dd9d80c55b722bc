package identity_test

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// TestWhatAServerThatOnlyReadsSignsLetsInAndNothingElse, by the ring of a key list that names
// its key, and by no other ring: not that of a program of before, and none of whoever changes
// something by a token.
// Promise reading-signs.
func TestWhatAServerThatOnlyReadsSignsLetsInAndNothingElse(t *testing.T) {
	full, _ := realmPair(t, 2)
	reads, by := realmPair(t, 3)
	_, realm := realmPair(t, 1)
	next, _ := realmPair(t, 4)
	l := someList(full)
	l.ReadOnly = [][]byte{reads}
	if _, err := realm.SignKeyList(l); err != nil {
		t.Fatal(err)
	}
	ring, err := l.Keyring()
	if err != nil {
		t.Fatal(err)
	}
	before, err := identity.NewKeyring(l.Realm, []ed25519.PublicKey{full})
	if err != nil {
		t.Fatal(err)
	}
	session, err1 := by.SignSessionToken(&identity.SessionToken{Realm: l.Realm, ID: uuid.New()})
	servers, err2 := by.SignServerList(&identity.ServerList{Realm: l.Realm, Version: 1})
	introduction, err3 := by.SignIntroduction(l.Realm, next, 1)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.SessionToken(session); err != nil {
		t.Errorf("a session: %v", err)
	}
	if _, err := before.SessionToken(session); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("a session, to a ring without its key: %v", err)
	}
	if _, err := ring.ServerList(servers); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("a list of servers: %v", err)
	}
	if _, err := (&identity.KeyBundle{Introductions: [][]byte{introduction}}).Introduced(ring); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("an introduction of a realm key: %v", err)
	}
}

// TestAKeyThatOnlyReadsIsNoOther: one key cannot be both, and there are bounds.
func TestAKeyThatOnlyReadsIsNoOther(t *testing.T) {
	full, _ := realmPair(t, 2)
	_, realm := realmPair(t, 1)
	for name, keys := range map[string][][]byte{
		"the same key": {full}, "no key": {nil}, "half a key": {full[:16]}, "too many": make([][]byte, identity.MaxReadOnly+1),
	} {
		l := someList(full)
		l.ReadOnly = keys
		if _, err := realm.SignKeyList(l); !errors.Is(err, identity.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
