package realm

import (
	"bytes"
	"os"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestManyRotationsLeaveTheNewestKeysInTheList(t *testing.T) {
	b := newBoard(t)
	for range identity.MaxListKeys + 3 {
		b.rotate()
	}
	keys, err := b.signingKeys(t.Context())
	b.must(nil, err)
	list := b.list.Load().list
	if len(list.Keys) != identity.MaxListKeys || !bytes.Equal(list.Keys[0], keys[0]) {
		t.Errorf("the list names %d keys", len(list.Keys))
	}
	b.reopen()
	if v := b.list.Load().list.Version; v != list.Version {
		t.Errorf("it was signed again at the start: version %d after %d", v, list.Version)
	}
}

func TestAChangeOfTheRealmKeyThatIsCutOffIsSettled(t *testing.T) {
	b := newBoard(t)
	was := b.list.Load().bundle.RealmKey
	next, err := newRealmKey()
	b.must(nil, err)
	// Cut off before the list was signed: undone.
	b.must(nil, replace(b.Dir.nextRealmKey(), next.pem))
	b.reopen()
	if _, err := os.Stat(b.Dir.nextRealmKey()); err == nil {
		t.Error("the key that signed nothing is still there")
	}
	b.must(nil, b.SignList(t.Context(), nil))
	// Cut off after it: finished.
	b.must(nil, replace(b.Dir.nextRealmKey(), next.pem))
	keys, err := b.signingKeys(t.Context())
	b.must(nil, err)
	b.must(nil, b.issue(next, identity.KeyBundle{}, keys))
	b.reopen()
	b.must(nil, b.SignList(t.Context(), nil))
	if b.list.Load().bundle.RealmKey == nil || bytes.Equal(b.list.Load().bundle.RealmKey, was) {
		t.Error("the new key does not sign")
	}
}

func TestARenewalOfTheAuthorityThatIsCutOffIsSettled(t *testing.T) {
	b := newBoard(t)
	cert, key, err := newCA(b.Name, b.Now())
	b.must(nil, err)
	was, err := os.ReadFile(b.Dir.caCert())
	b.must(nil, err)
	b.must(nil, replace(b.Dir.nextCACert(), cert))
	b.reopen()
	if now, err := os.ReadFile(b.Dir.caCert()); err != nil || !bytes.Equal(now, was) {
		t.Errorf("cut off before the key: %v", err)
	}
	b.must(nil, replace(b.Dir.caKey(), key))
	b.reopen()
	if now, err := os.ReadFile(b.Dir.caCert()); err != nil || !bytes.Equal(now, cert) {
		t.Errorf("cut off after the key: %v", err)
	}
	if !b.list.Load().list.TLS[0].Equal(b.certs.trust()) {
		t.Error("the list names the old authority")
	}
}
