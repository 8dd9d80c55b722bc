package server

import (
	"bytes"
	"os"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

func TestManyRotationsLeaveTheNewestKeysInTheList(t *testing.T) {
	b := newBench(t)
	for range identity.MaxListKeys + 3 {
		b.must(b.admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{}))
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
	b := newBench(t)
	was := b.list.Load().bundle.RealmKey
	next, err := newRealmKey()
	b.must(nil, err)
	// Cut off before the list was signed: undone.
	b.must(nil, replace(b.dir.nextRealmKey(), next.pem))
	b.reopen()
	if _, err := os.Stat(b.dir.nextRealmKey()); err == nil {
		t.Error("the key that signed nothing is still there")
	}
	b.must(b.admin.SignKeys(t.Context(), &v1.SignKeysRequest{}))
	// Cut off after it: finished.
	b.must(nil, replace(b.dir.nextRealmKey(), next.pem))
	keys, err := b.signingKeys(t.Context())
	b.must(nil, err)
	b.must(nil, b.issue(next, identity.KeyBundle{}, keys))
	b.reopen()
	view, err := b.admin.SignKeys(t.Context(), &v1.SignKeysRequest{})
	b.must(view, err)
	if b.list.Load().bundle.RealmKey == nil || bytes.Equal(b.list.Load().bundle.RealmKey, was) {
		t.Error("the new key does not sign")
	}
}

func TestARenewalOfTheAuthorityThatIsCutOffIsSettled(t *testing.T) {
	b := newBench(t)
	cert, key, err := newCA(b.Name, b.now())
	b.must(nil, err)
	was, err := os.ReadFile(b.dir.caCert())
	b.must(nil, err)
	b.must(nil, replace(b.dir.nextCACert(), cert))
	b.reopen()
	if now, err := os.ReadFile(b.dir.caCert()); err != nil || !bytes.Equal(now, was) {
		t.Errorf("cut off before the key: %v", err)
	}
	b.must(nil, replace(b.dir.caKey(), key))
	b.reopen()
	if now, err := os.ReadFile(b.dir.caCert()); err != nil || !bytes.Equal(now, cert) {
		t.Errorf("cut off after the key: %v", err)
	}
	if !b.list.Load().list.TLS[0].Equal(b.certs.trust()) {
		t.Error("the list names the old authority")
	}
}
