package servertest

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Stolen is what a thief of the whole folder has of the realm's keys.
type Stolen struct {
	Signing   ed25519.PrivateKey
	Authority *tls.Certificate
	// List is the key list as machines are given it.
	List []byte
}

// Steal reads them. A server may be serving the folder.
func Steal(t testing.TB, folder string) (stolen Stolen) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := realm.Dir(folder)
	set, err := d.Load()
	must(err)
	box, err := d.OpenBox()
	must(err)
	s, err := store.Open(t.Context(), d.DatabaseOf(set))
	must(err)
	must(s.Read(t.Context(), func(tx *store.Tx) error {
		pub, sealed, err := tx.SignsNow()
		must(err)
		key, err := box.OpenKey(realm.ForTokens, pub, sealed)
		must(err)
		stolen.Signing = key.(ed25519.PrivateKey) //nolint:forcetypeassert // the realm signs with no other
		der, sealed, err := tx.Authority()
		must(err)
		leaf, err := x509.ParseCertificate(der)
		must(err)
		authority, err := box.OpenKey(realm.ForCertificates, leaf.RawSubjectPublicKeyInfo, sealed)
		must(err)
		stolen.Authority = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: authority, Leaf: leaf}
		stolen.List, err = tx.KeyList()
		return err
	}))
	must(s.Close())
	return stolen
}
