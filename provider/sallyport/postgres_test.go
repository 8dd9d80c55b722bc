package sallyport_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// TestADatabaseThatIsKilledIsNoNoOfTheAccount: while PostgreSQL is gone the server lets
// nobody in and denies nobody; once it is back, what was acknowledged is there.
// Promise database-away.
func TestADatabaseThatIsKilledIsNoNoOfTheAccount(t *testing.T) {
	db, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Stop()
	r := &liveRealm{t: t, dir: filepath.Join(t.TempDir(), "realm")}
	init := realm.InitOptions{Dir: r.dir, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14, Database: db.Realm(t)}
	if err := realm.Init(t.Context(), init); err != nil {
		t.Fatal(err)
	}
	init.Dir = filepath.Join(t.TempDir(), "another")
	if err := realm.Init(t.Context(), init); err == nil {
		t.Error("two realms in one database")
	}
	r.start("")
	r.account("ada")
	p := r.machine()
	if reply := try(t, p, "ada", testPassword); reply.Outcome != provider.Allow {
		t.Fatal(reply.Message)
	}
	names, at := r.listed(p)
	if len(names) != 1 {
		t.Fatal(names)
	}
	watching, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	watched, caughtUp := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		watched <- p.Watch(watching, at, nil, func(e provider.Event) error {
			if e.Kind == provider.CaughtUp {
				caughtUp <- struct{}{}
			}
			return nil
		})
	}()
	<-caughtUp
	for range 3 {
		if err := db.Kill(); err != nil {
			t.Fatal(err)
		}
		_, reply, err := p.Begin(t.Context(), provider.Attempt{Name: "ada", Service: "test"})
		if !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) || reply.Outcome == provider.Allow {
			t.Errorf("without the database: %+v, %v", reply, err)
		}
		if _, err := p.Fetch(t.Context(), "ada"); !errors.Is(err, provider.ErrOffline) {
			t.Errorf("a lookup without the database: %v", err)
		}
		if watched != nil {
			// A stream that went on would say that nothing has changed.
			if err := <-watched; !errors.Is(err, provider.ErrOffline) || strings.Contains(err.Error(), "deadline") {
				t.Errorf("a change stream without the database: %v", err)
			}
			watched = nil
		}
		if err := db.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if reply := try(t, p, "ada", testPassword); reply.Outcome != provider.Allow {
			t.Error("once it is back:", reply.Message)
		}
		if reply := try(t, p, "ada", "wrong"); reply.Outcome != provider.Deny {
			t.Error("a wrong password, once it is back")
		}
	}
	r.do(r.admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "ada", Disabled: true}))
	if err := errors.Join(db.Kill(), db.Run(t.Context())); err != nil {
		t.Fatal(err)
	}
	changed := errors.New("changed")
	ctx, end := context.WithTimeout(t.Context(), 20*time.Second)
	defer end()
	err = p.Watch(ctx, at, nil, func(e provider.Event) error {
		if e.Kind == provider.Changed && e.Record.Token.State == identity.Disabled {
			return changed
		}
		return nil
	})
	if !errors.Is(err, changed) {
		t.Error("a change that was acknowledged is lost:", err)
	}
}
