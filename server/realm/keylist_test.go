package realm

import (
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

func TestManyRotationsLeaveTheNewestKeysInTheList(t *testing.T) {
	b := newBoard(t)
	for range identity.MaxListKeys + 3 {
		b.rotate()
	}
	list := b.keys()
	if n := len(list.GetSigningKeys()); n != identity.MaxListKeys || list.GetSigningKeys()[0] != hex.EncodeToString(b.key().Pub) {
		t.Errorf("the list names %d keys", n)
	}
	b.reopen()
	if v := b.keys().GetVersion(); v != list.GetVersion() {
		t.Errorf("it was signed again at the start: version %d after %d", v, list.GetVersion())
	}
}

func TestAChangeOfTheRealmKeyThatIsCutOffIsSettled(t *testing.T) {
	b := newBoard(t)
	was := b.keys().GetRealmKey()
	next, err := newRealmKey()
	b.must(nil, err)
	// Cut off before the list was signed: undone.
	b.must(nil, replace(b.Dir.nextRealmKey(), next.pem))
	b.reopen()
	if _, err := os.Stat(b.Dir.nextRealmKey()); err == nil {
		t.Error("the key that signed nothing is still there")
	}
	b.must(b.changer().SignList(t.Context(), nil))
	// Cut off after it: finished.
	b.must(nil, replace(b.Dir.nextRealmKey(), next.pem))
	b.must(nil, b.Write(t.Context(), func(tx *store.Tx) error {
		_, err := b.issue(tx, next, identity.KeyBundle{}, nil)
		return err
	}))
	b.reopen()
	b.must(b.changer().SignList(t.Context(), nil))
	if now := b.keys().GetRealmKey(); now != hex.EncodeToString(next.pub) || now == was {
		t.Error("the new key does not sign")
	}
}

// TestAChangeOfKeysHappensWholeOrNotAtAll: what cannot be written down does not happen, and
// what the realm key does not sign neither.
func TestAChangeOfKeysHappensWholeOrNotAtAll(t *testing.T) {
	b := newBoard(t)
	was, signs, authority := b.keys(), b.key().ID, b.certs.trust()
	full := errors.New("the audit log cannot be written")
	refused := Keys{Realm: b.Realm, Record: func(*store.Tx, *v1.KeysView) error { return full }}
	elsewhere := b.Dir.realmKey() + ".elsewhere"
	for what, change := range map[string]func(Keys) error{
		"a signing key": func(k Keys) error { _, _, err := k.Rotate(t.Context(), nil, false); return err },
		"an emergency":  func(k Keys) error { _, _, err := k.Rotate(t.Context(), nil, true); return err },
		"an authority":  func(k Keys) error { _, err := k.NewCA(t.Context(), nil); return err },
		"a list":        func(k Keys) error { _, err := k.SignList(t.Context(), nil); return err },
		"the realm key": func(k Keys) error { _, err := k.NewRealmKey(t.Context(), nil, false); return err },
	} {
		if err := change(refused); !errors.Is(err, full) {
			t.Errorf("%s: %v", what, err)
		}
		b.must(nil, os.Rename(b.Dir.realmKey(), elsewhere))
		if err := change(b.changer()); !isRefusal(err) {
			t.Errorf("%s without the realm key: %v", what, err)
		}
		b.must(nil, os.Rename(elsewhere, b.Dir.realmKey()))
		if now := b.keys(); now.GetVersion() != was.GetVersion() || strings.Join(now.GetSigningKeys(), " ") != strings.Join(was.GetSigningKeys(), " ") ||
			b.key().ID != signs || !b.certs.trust().Equal(authority) {
			t.Errorf("%s came to something", what)
		}
	}
	b.reopen()
	if now := b.keys(); now.GetRealmKey() != was.GetRealmKey() || now.GetFingerprint() != was.GetFingerprint() {
		t.Error("after a restart the realm has other keys")
	}
}
