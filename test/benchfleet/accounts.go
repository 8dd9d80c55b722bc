package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// few is how many people the limited machine may know, as in many offices.
const few = 200

// crowd measures a realm of very many accounts: the start of a server, the first lists of
// machines, and what the server holds for that. The first machine may know everybody, the
// second few.
func crowd(ctx context.Context, o options, folder string) error {
	addr, err := freePort(ctx)
	if err != nil {
		return err
	}
	took, err := makeCrowd(ctx, folder, addr, o.accounts)
	if err != nil {
		return err
	}
	row(fmt.Sprintf("%d accounts: made", o.accounts), took.Round(100*time.Millisecond).String(), "")
	began := time.Now()
	s, err := start(ctx, o.binary, "serve", "--dir", folder)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := up(ctx, addr); err != nil {
		return err
	}
	empty, err := s.resident()
	if err != nil {
		return err
	}
	row("server's start", time.Since(began).Round(time.Millisecond).String(), fmt.Sprintf("%.0f MB resident", empty/1e6))
	m, err := self(ctx, "machines", "https://"+addr, folder)
	if err != nil {
		return err
	}
	defer m.stop()
	for _, kind := range []struct {
		machine int
		what    string
	}{{0, "first list of a machine that may know everybody"}, {0, "the same, once more"}, {1, fmt.Sprintf("first list of a machine that may know %d", few)}} {
		before, err := s.cpu()
		if err != nil {
			return err
		}
		var l listed
		if err := m.ask(fmt.Sprintf("list %d", kind.machine), &l); err != nil {
			return err
		}
		after, err := s.cpu()
		if err != nil {
			return err
		}
		most, err := s.resident()
		if err != nil {
			return err
		}
		row(kind.what, fmt.Sprintf("%d tokens, %.1f MB in %s", l.Tokens, float64(l.Bytes)/1e6, l.Took.Round(10*time.Millisecond)),
			fmt.Sprintf("%.2f s of a processor, then %.0f MB resident", (after-before).Seconds(), most/1e6))
	}
	return nil
}

// listed is what a machine got by a list.
type listed struct {
	Tokens, Bytes int
	Took          time.Duration
}

func (f *fleet) list(ctx context.Context, i int) (any, error) {
	c, err := f.client(i)
	if err != nil {
		return nil, err
	}
	defer c.CloseIdleConnections()
	began := time.Now()
	list, err := sallyportv1connect.NewDirectoryServiceClient(withForms{c}, f.url).ListIDTokens(ctx, &v1.ListIDTokensRequest{})
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	var l listed
	for list.Receive() {
		for _, t := range list.Msg().GetIdTokens() {
			l.Tokens, l.Bytes = l.Tokens+1, l.Bytes+len(t)
		}
	}
	l.Took = time.Since(began)
	return l, errors.Join(list.Err(), list.Close())
}

// makeCrowd makes a realm of that many accounts and two machines, of which the second may
// know few.
func makeCrowd(ctx context.Context, folder, listen string, accounts int) (time.Duration, error) {
	if err := realm.Init(ctx, realm.InitOptions{Dir: folder, Realm: "example.org", Listen: listen, OfflineDays: 14}); err != nil {
		return 0, err //nolint:wrapcheck // it says what it is about
	}
	s, err := store.Open(ctx, filepath.Join(folder, "sallyport.db"))
	if err != nil {
		return 0, err //nolint:wrapcheck // it says what it is about
	}
	began := time.Now()
	var seeds []byte
	err = s.Write(ctx, func(tx *store.Tx) error {
		office, err := tx.AddGroup(identity.Group{Name: "office"})
		if err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
		for i := range accounts {
			name := identity.Name(fmt.Sprintf("person%d", i))
			a, err := tx.AddAccount(store.Account{State: identity.Active, Account: identity.Account{
				Name: name, FullName: "Person " + string(name), Home: "/home/" + string(name), Shell: "/bin/bash",
			}})
			if err != nil {
				return err //nolint:wrapcheck // it says what it is about
			}
			if i < few {
				err = tx.AddAccountTo(office.UUID, a.UUID)
			}
			if err != nil {
				return err //nolint:wrapcheck // it says what it is about
			}
		}
		for i := range 2 {
			m, seed, err := joined(tx, i, began)
			if err == nil && i == 1 {
				err = tx.SetScope(m.UUID, []uuid.UUID{office.UUID})
			}
			if err != nil {
				return err
			}
			seeds = append(seeds, seed...)
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		return 0, err
	}
	return time.Since(began), os.WriteFile(filepath.Join(folder, keysFile), seeds, 0o600) //nolint:wrapcheck // it says what it is about
}
