package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	keysFile = "bench.keys" // the seeds of the machines' keys
	people   = 16
	password = "correct horse battery"
)

// makeRealm makes a realm with a few people who have passwords, and so many machines that
// have joined.
func makeRealm(ctx context.Context, folder, listen, database string, machines int) error {
	if err := realm.Init(ctx, realm.InitOptions{Dir: folder, Realm: "example.org", Listen: listen, OfflineDays: 14, Database: database}); err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	admin, closer, err := server.Admin(ctx, folder, slog.New(slog.DiscardHandler))
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	for i := range people {
		name := fmt.Sprintf("u%d", i)
		if _, err := admin.AddAccount(ctx, &v1.AddAccountRequest{Name: name}); err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
		if _, err := admin.SetPassword(ctx, &v1.SetPasswordRequest{Name: name, Password: []byte(password)}); err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("close the realm: %w", err)
	}
	if database == "" {
		database = filepath.Join(folder, "sallyport.db")
	}
	s, err := store.Open(ctx, database)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	var seeds []byte
	err = s.Write(ctx, func(tx *store.Tx) error {
		now := time.Now()
		for i := range machines {
			_, seed, err := joined(tx, i, now)
			if err != nil {
				return err
			}
			seeds = append(seeds, seed...)
		}
		return nil
	})
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	if err := s.Close(); err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	return os.WriteFile(filepath.Join(folder, keysFile), seeds, 0o600) //nolint:wrapcheck // it says what it is about
}

// joined is a machine that has joined, and the seed of its key.
func joined(tx *store.Tx, i int, now time.Time) (store.Machine, []byte, error) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return store.Machine{}, nil, fmt.Errorf("make a key: %w", err)
	}
	code := fmt.Appendf(nil, "code %d", i)
	if _, err := tx.Invite(identity.Name(fmt.Sprintf("m%d", i)), code, now.Add(time.Hour)); err != nil {
		return store.Machine{}, nil, err //nolint:wrapcheck // it says what it is about
	}
	m, err := tx.Join(code, pub, now)
	return m, key.Seed(), err //nolint:wrapcheck // as above
}
