package directory

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// list is whom a machine's list names, and why it ended.
func (s *served) list(name string) (names []identity.Name, err error) {
	s.T.Helper()
	ctx, info := connect.NewClientContext(s.T.Context())
	info.RequestHeader().Set("Machine", name)
	l, err := sallyportv1connect.NewDirectoryServiceClient(http.DefaultClient, s.url).ListIDTokens(ctx, &v1.ListIDTokensRequest{})
	s.Must(nil, err)
	defer func() { _ = l.Close() }()
	for l.Receive() {
		for _, signed := range l.Msg().GetIdTokens() {
			s.Must(nil, s.Store.Read(context.Background(), func(tx *store.Tx) error {
				t, err := s.SignedHere(tx, signed)
				if err == nil {
					names = append(names, t.Account.Name)
				}
				return err
			}))
		}
	}
	return names, l.Err()
}

// TestALongListNamesEverybodyOnce: a list is read in parts, and names whom the machine may
// know, each once, the first time and from what was signed for another machine.
// Promise list-parts.
func TestALongListNamesEverybodyOnce(t *testing.T) {
	s := newServed(t)
	people := 2*listAtOnce + 7
	var few store.Account
	var group identity.Group
	s.Must(nil, s.Store.Write(t.Context(), func(tx *store.Tx) (err error) {
		if group, err = tx.AddGroup(identity.Group{Name: "office"}); err != nil {
			return err
		}
		for i := range people {
			few, err = tx.AddAccount(store.Account{State: identity.Active, Account: identity.Account{Name: identity.Name(fmt.Sprintf("person%d", i)), Home: "/", Shell: "/bin/sh"}})
			if err != nil {
				return err
			}
		}
		return tx.AddAccountTo(group.UUID, few.UUID)
	}))
	s.joined("laptop", formsOfToday)
	s.joined("other", formsOfToday)
	for _, name := range []string{"laptop", "other"} {
		names, err := s.list(name)
		seen := make(map[identity.Name]bool)
		for _, n := range names {
			seen[n] = true
		}
		if err != nil || len(seen) != len(names) || len(seen) < people {
			t.Errorf("%s is told of %d accounts in %d tokens: %v", name, len(seen), len(names), err)
		}
	}
	s.Must(s.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "other", Scope: &v1.Scope{Groups: []string{"office"}}}))
	if names, err := s.list("other"); err != nil || len(names) != 1 || names[0] != few.Name {
		t.Errorf("a machine that may know one is told of %d: %v", len(names), err)
	}
	s.Must(s.Admin.RemoveMachine(t.Context(), servertest.Named("other")))
	if names, err := s.list("other"); len(names) != 0 || connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("a machine that was removed is told of %d: %v", len(names), err)
	}
}
