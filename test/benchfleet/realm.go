package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/identityservice"
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
	on := true
	if _, err := admin.SetIdentityService(ctx, &v1.SetIdentityServiceRequest{Enabled: &on}); err != nil {
		return err //nolint:wrapcheck // it says what it is about
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
		return devices(tx, now)
	})
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	if err := s.Close(); err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	return os.WriteFile(filepath.Join(folder, keysFile), seeds, 0o600) //nolint:wrapcheck // it says what it is about
}

// device is whose tokens are verified: each person has one.
const device = "bench"

// deviceToken is the one of a person.
func deviceToken(i int) []byte {
	t := sha256.Sum256(fmt.Appendf(nil, "token %d", i))
	return t[:]
}

// devices gives everybody their token.
func devices(tx *store.Tx, now time.Time) error {
	for i := range people {
		a, err := tx.AccountByName(identity.Name(fmt.Sprintf("u%d", i)))
		if err == nil {
			err = tx.SetIdentityToken(a.UUID, store.IdentityToken{Device: device, Hash: identityservice.HashToken(deviceToken(i)), AuthType: "password", Created: now, Used: now}, 1)
		}
		if err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
	}
	return nil
}

// bareReads is how many times a second an account and its token are read from the database by
// itself, by as many at once as ask the server.
func bareReads(ctx context.Context, database string, span time.Duration) (float64, error) {
	s, err := store.Open(ctx, database)
	if err != nil {
		return 0, err //nolint:wrapcheck // it says what it is about
	}
	defer s.Close()
	began, end := time.Now(), time.Now().Add(span)
	var done atomic.Int64
	var g errgroup.Group
	for i := range askers {
		g.Go(func() error {
			for time.Now().Before(end) {
				err := s.Read(ctx, func(tx *store.Tx) error {
					a, err := tx.AccountByName(identity.Name(fmt.Sprintf("u%d", i%people)))
					if err == nil {
						_, err = tx.IdentityToken(a.UUID, device)
					}
					return err //nolint:wrapcheck // a measurement
				})
				if err != nil {
					return err //nolint:wrapcheck // a measurement
				}
				done.Add(1)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err //nolint:wrapcheck // a measurement
	}
	return float64(done.Load()) / time.Since(began).Seconds(), nil
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
