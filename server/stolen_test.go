package server

import (
	"bytes"
	"encoding/base32"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TestADatabaseAloneOpensNothing: the thief has sallyport.db, and makes all other files
// himself.
func TestADatabaseAloneOpensNothing(t *testing.T) {
	b := newBench(t)
	b.totp()
	codes := b.backupCodes()
	invited, err := b.admin.AddMachine(t.Context(), &v1.NameRequest{Name: "invited"})
	b.must(nil, err)
	var alice store.Account
	b.must(nil, b.store.Read(t.Context(), func(tx *store.Tx) error {
		alice, err = tx.AccountByName("alice")
		return err
	}))
	signing, err := filepath.Glob(filepath.Join(string(b.dir), "signing", "*.pem"))
	b.must(nil, err)
	secrets := [][]byte{[]byte(right), []byte(totpKey), []byte(invited.GetCode()), []byte("PRIVATE KEY")}
	raw, err := base32.StdEncoding.DecodeString(totpKey)
	b.must(nil, err)
	secrets = append(secrets, raw)
	for _, c := range codes {
		secrets = append(secrets, []byte(c), []byte(strings.ReplaceAll(c, "-", "")))
	}
	keys := 0
	for _, file := range append(signing, b.dir.sealKey(), filepath.Join(string(b.dir), "realm.key"), filepath.Join(string(b.dir), "ca.key")) {
		text, err := os.ReadFile(file)
		b.must(nil, err)
		secrets = append(secrets, text)
		keys++
	}
	if keys < 4 {
		t.Fatalf("%d files of keys", keys)
	}
	b.must(nil, b.Close())
	stolen, err := os.ReadFile(b.dir.database())
	b.must(nil, err)
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
	b.must(nil, Init(t.Context(), InitOptions{Dir: folder, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14}))
	b.must(nil, os.WriteFile(dir(folder).database(), stolen, 0o600))
	r, err := openRealm(t.Context(), dir(folder), "", slog.New(slog.DiscardHandler), time.Now)
	if err == nil {
		t.Error("the realm opens, and signs")
		b.must(nil, r.Close())
	}
	box, err := dir(folder).openBox()
	b.must(nil, err)
	s, err := store.Open(t.Context(), dir(folder).database())
	b.must(nil, err)
	defer s.Close()
	var held store.TOTP
	b.must(nil, s.Read(t.Context(), func(tx *store.Tx) error {
		held, err = tx.TOTP(alice.UUID)
		return err
	}))
	for _, account := range []uuid.UUID{alice.UUID, uuid.Nil} {
		if _, err := box.open(account, held.Sealed); err == nil {
			t.Error("the secret of the one-time codes opens")
		}
	}
}

func TestAOneTimeCodeAloneLetsNobodyIn(t *testing.T) {
	b := newBench(t)
	b.totp()
	a := b.begin(session{})
	if slices.Contains(a.offers, identity.TOTP) {
		t.Fatal("a code is asked for before the password: " + a.said())
	}
	for _, typed := range []string{b.code(0), "wrong" + b.code(0), right + "x" + b.code(0)} {
		if got := b.send(b.begin(session{}).cookie, identity.Password, typed, false); got.allow || len(got.offers) > 0 {
			t.Errorf("%q leads on: %s", typed, got.said())
		}
	}
	got, err := b.step(t.Context(), machineAsClient(b.box), b.begin(session{}).cookie, identity.TOTP, identity.NewSecret([]byte(b.code(0))), false)
	if err == nil && (got.allow || len(got.offers) > 0) {
		t.Errorf("the code alone leads on: %s", got.said())
	}
}
