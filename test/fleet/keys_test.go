package fleet

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// token is alice's ID token as that server signs it.
func token(b *servertest.Bench) (signed []byte) {
	b.T.Helper()
	b.Must(nil, b.Store.Read(b.T.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		if err == nil {
			signed, err = b.IDToken(b.Call(), tx, a)
		}
		return err
	}))
	return signed
}

// ring is what a machine believes that asks that server.
func ring(b *servertest.Bench) *identity.Keyring {
	b.T.Helper()
	resp, err := b.Describe(b.T.Context(), &v1.DescribeRequest{})
	b.Must(nil, err)
	bundle, err := identity.DecodeKeyBundle(resp.GetKeyList())
	b.Must(nil, err)
	list, err := identity.OpenKeyList(bundle.RealmKey, bundle.List)
	b.Must(nil, err)
	r, err := list.Keyring()
	b.Must(nil, err)
	return r
}

// Promise fleet-keys.
func TestWhatOneServerSignsIsBelievedByWhoeverAskedAnother(t *testing.T) {
	a, b := two(t)
	agree := func(what string) {
		t.Helper()
		for _, signer := range []*servertest.Bench{a, b} {
			for _, asked := range []*servertest.Bench{a, b} {
				if _, err := ring(asked).IDToken(token(signer)); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
		if a.Keys().GetFingerprint() != b.Keys().GetFingerprint() {
			t.Errorf("%s: the fingerprints differ", what)
		}
	}
	agree("at first")
	was := token(b)
	a.Must(a.Admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{}))
	agree("after a rotation")
	if bytes.Equal(was, token(b)) {
		t.Error("the other server signs with the old key")
	}
	a.Must(a.Admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{Emergency: true}))
	agree("after an emergency")
	if _, err := ring(b).IDToken(was); err == nil {
		t.Error("the other server's list names a key that was stolen")
	}
	if _, err := b.Admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{}); err == nil || !strings.Contains(err.Error(), "the realm key is not in the folder") {
		t.Errorf("a server without the realm key: %v", err)
	}
}

// Promise fleet-keys.
func TestAnotherServerNeedsTheRealmsSealKey(t *testing.T) {
	a := servertest.New(t)
	wrong := filepath.Join(t.TempDir(), "seal.key")
	a.Must(nil, os.WriteFile(wrong, make([]byte, 32), 0o600))
	right := filepath.Join(string(a.Dir), "seal.key")
	o := realm.InitOptions{Listen: "127.0.0.1:0", Database: a.Settings.Database}
	for what, c := range map[string]struct {
		change func(*realm.InitOptions)
		says   string
	}{
		"another realm's key": {func(o *realm.InitOptions) { o.SealKey = wrong }, "seal.key is not the one"},
		"no such file":        {func(o *realm.InitOptions) { o.SealKey = "/nowhere" }, "no such file"},
		"no database":         {func(o *realm.InitOptions) { o.SealKey, o.Database = right, "" }, "--database"},
		"another realm":       {func(o *realm.InitOptions) { o.SealKey, o.Realm = right, "example.net" }, `holds the realm "example.org"`},
		"a URL of no use":     {func(o *realm.InitOptions) { o.SealKey, o.URL = right, "http://id.example" }, "--url"},
	} {
		o := o
		o.Dir = filepath.Join(t.TempDir(), "another")
		c.change(&o)
		if err := realm.InitAnother(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
		for _, file := range []string{"seal.key", "server.json"} {
			if _, err := os.Stat(filepath.Join(o.Dir, file)); err == nil {
				t.Errorf("%s leaves %s", what, file)
			}
		}
	}
	o.Dir, o.Realm = filepath.Join(t.TempDir(), "second"), "example.org"
	if err := realm.Init(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--seal-key") {
		t.Errorf("a realm over a realm: %v", err)
	}
	o.SealKey = right
	a.Must(nil, realm.InitAnother(t.Context(), o))
}

// Promise fleet-keys.
func TestEachServerServesByTheAuthorityThatThereIs(t *testing.T) {
	a, b := two(t)
	go b.Follow(t.Context())
	authority := func(s *servertest.Bench) []byte {
		c, err := s.GetCertificate(nil)
		a.Must(nil, err)
		ca, err := x509.ParseCertificate(c.Certificate[1])
		a.Must(nil, err)
		return ca.Raw
	}
	was := authority(b)
	next := b.NewKeys.Next()
	a.Must(a.Admin.RenewCA(t.Context(), &v1.RenewCARequest{}))
	select {
	case <-next: // machines are told to ask for the list
	case <-time.After(within):
		t.Error("machines are not told of another list")
	}
	if now := authority(b); bytes.Equal(now, was) || !bytes.Equal(now, authority(a)) {
		t.Error("the other server does not serve by the new authority")
	}
}
