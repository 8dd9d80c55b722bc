package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base32"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TestADatabaseAloneOpensNothing: the thief has sallyport.db, and makes all other files
// himself.
// Promise stolen-database.
func TestADatabaseAloneOpensNothing(t *testing.T) {
	b := servertest.New(t)
	b.TOTP()
	made, err := b.Admin.NewBackupCodes(t.Context(), servertest.Named("alice"))
	b.Must(nil, err)
	codes := made.GetCodes()
	invited, err := b.Admin.AddMachine(t.Context(), &v1.NameRequest{Name: "invited"})
	b.Must(nil, err)
	var alice store.Account
	b.Must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
		alice, err = tx.AccountByName("alice")
		return err
	}))
	secrets := [][]byte{[]byte(servertest.Right), []byte(servertest.TOTPKey), []byte(invited.GetCode()), []byte("PRIVATE KEY")}
	raw, err := base32.StdEncoding.DecodeString(servertest.TOTPKey)
	b.Must(nil, err)
	secrets = append(secrets, raw)
	for _, c := range codes {
		secrets = append(secrets, []byte(c), []byte(strings.ReplaceAll(c, "-", "")))
	}
	for _, file := range []string{"seal.key", "realm.key"} {
		text, err := os.ReadFile(filepath.Join(string(b.Dir), file))
		b.Must(nil, err)
		secrets = append(secrets, text)
	}
	of := servertest.Steal(t, string(b.Dir))
	for _, k := range []any{of.Signing, of.Authority.PrivateKey} {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		b.Must(nil, err)
		secrets = append(secrets, der)
	}
	authority, err := of.Authority.PrivateKey.(*ecdsa.PrivateKey).Bytes()
	b.Must(nil, err)
	secrets = append(secrets, of.Signing.Seed(), authority)
	b.Must(nil, b.Close())
	stolen, err := os.ReadFile(b.Dir.Database())
	b.Must(nil, err)
	for _, s := range secrets {
		if bytes.Contains(stolen, s) {
			t.Errorf("the database holds %.20q", s)
		}
	}
	if !regexp.MustCompile(`\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$`).Match(stolen) {
		t.Error("no password is there as Argon2id")
	}

	// The settings and keys are of a realm of the thief's own.
	folder := filepath.Join(t.TempDir(), "realm")
	b.Must(nil, realm.Init(t.Context(), realm.InitOptions{Dir: folder, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14}))
	own, err := realm.Open(t.Context(), realm.Dir(folder), "", slog.New(slog.DiscardHandler), time.Now)
	b.Must(nil, err)
	b.Must(nil, own.Close())
	b.Must(nil, os.WriteFile(realm.Dir(folder).Database(), stolen, 0o600))
	r, err := realm.Open(t.Context(), realm.Dir(folder), "", slog.New(slog.DiscardHandler), time.Now)
	if err == nil {
		t.Error("the realm opens, and signs")
		b.Must(nil, r.Close())
	}
	s, err := store.Open(t.Context(), realm.Dir(folder).Database())
	b.Must(nil, err)
	defer s.Close()
	var held store.TOTP
	b.Must(nil, s.Read(t.Context(), func(tx *store.Tx) error {
		held, err = tx.TOTP(alice.UUID)
		return err
	}))
	for _, account := range []uuid.UUID{alice.UUID, uuid.Nil} {
		if _, err := own.Box.Open(account, held.Sealed); err == nil {
			t.Error("the secret of the one-time codes opens")
		}
	}
}
