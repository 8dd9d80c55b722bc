package directory

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

func tokenCode(b *servertest.Bench, name string, count uint32, scope *v1.Scope) string {
	b.T.Helper()
	resp, err := b.Admin.AddToken(b.T.Context(), &v1.AddTokenRequest{Name: name, Count: count, Seconds: 3600, Scope: scope})
	b.Must(nil, err)
	return resp.GetCode()
}

// Promise join-token.
func TestATokenJoinsAsManyMachinesAsItSays(t *testing.T) {
	b := servertest.New(t)
	d := New(b.Realm, nil)
	b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "web"}))
	code := tokenCode(b, "rollout", 2, &v1.Scope{Groups: []string{"web"}})
	join := func(code, name string) (*v1.JoinResponse, error) {
		key := newKey(t)
		return d.Join(as(t, "192.0.2.1", key), &v1.JoinRequest{Code: code, PublicKey: key, Name: name})
	}
	for what, name := range map[string]string{"no name": "", "a name that is none": "a b", "a name that is taken": "box"} {
		if _, err := join(code, name); err == nil {
			t.Errorf("%s joins", what)
		}
	}
	for _, name := range []string{"web1", "web2"} {
		resp, err := join(code, name)
		if err != nil || resp.GetMachineName() != name || len(resp.GetKeyList()) == 0 {
			t.Fatalf("%s: %v, %v", name, resp, err)
		}
	}
	if _, err := join(code, "web3"); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a third: %v", err)
	}
	list, err := b.Admin.ListMachines(t.Context(), &v1.ListRequest{})
	b.Must(nil, err)
	for _, m := range list.GetMachines() {
		if strings.HasPrefix(m.GetName(), "web") && (m.GetToken() != "rollout" || !m.GetScoped() || strings.Join(m.GetAdmits(), " ") != "web") {
			t.Errorf("%v", m)
		}
	}
	late := tokenCode(b, "late", 5, nil)
	b.Unix.Add(3601)
	if _, err := join(late, "late1"); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("after its end: %v", err)
	}
	revoked := tokenCode(b, "revoked", 5, nil)
	b.Must(b.Admin.RemoveToken(t.Context(), servertest.Named("revoked")))
	if _, err := join(revoked, "revoked1"); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("after it was removed: %v", err)
	}
	for what, req := range map[string]*v1.AddTokenRequest{
		"no machine": {Name: "x", Seconds: 60}, "no time": {Name: "x", Count: 1}, "a year": {Name: "x", Count: 1, Seconds: 365 * 24 * 3600},
		"a name twice": {Name: "rollout", Count: 1, Seconds: 60}, "no name": {Count: 1, Seconds: 60},
		"a group that is none": {Name: "x", Count: 1, Seconds: 60, Scope: &v1.Scope{Groups: []string{"nobody"}}},
	} {
		if _, err := b.Admin.AddToken(t.Context(), req); err == nil {
			t.Errorf("%s is a token", what)
		}
	}
	tokens, err := b.Admin.ListTokens(t.Context(), &v1.ListRequest{})
	b.Must(nil, err)
	if len(tokens.GetTokens()) != 2 || tokens.GetTokens()[1].GetRemaining() != 0 {
		t.Errorf("%v", tokens.GetTokens())
	}
}

// TestARightCodeIsNeverKeptWaiting: a thousand machines behind one address join while
// somebody there tries wrong codes.
// Promise join-token.
func TestARightCodeIsNeverKeptWaiting(t *testing.T) {
	b := servertest.New(t)
	d := New(b.Realm, nil)
	const machines = 300
	code := tokenCode(b, "rollout", machines, nil)
	try := func(code, name string) error {
		key := newKey(t)
		_, err := d.Join(as(t, "192.0.2.1", key), &v1.JoinRequest{Code: code, PublicKey: key, Name: name})
		return err
	}
	waits := 0
	for range 30 {
		if err := try("WRONG", "guesser"); connect.CodeOf(err) == connect.CodeResourceExhausted {
			waits++
		}
	}
	if waits == 0 {
		t.Error("wrong codes are tried without end")
	}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := w; n < machines; n += 4 {
				if err := try(code, fmt.Sprintf("m%d", n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.Must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Tokens()
		if len(list) != 1 || list[0].Remaining != 0 {
			t.Errorf("%+v", list)
		}
		return err
	}))
}
