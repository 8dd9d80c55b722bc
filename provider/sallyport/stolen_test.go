package sallyport_test

import (
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
)

// TestAStolenMachineKeyIsThatMachineAndNoMore: the thief has machine.key and what lies
// beside it, and nothing of what the machine remembers.
// Promise stolen-machine-key.
func TestAStolenMachineKeyIsThatMachineAndNoMore(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	r.account("bob")
	r.do(r.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "crew"}))
	r.do(r.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "crew", Member: "alice"}))
	stolen := r.options("box")
	stolen.Memory = &providertest.Memory{}
	r.do(r.admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "box", Scope: &v1.Scope{Groups: []string{"crew"}}}))
	thief := open(t, stolen)

	if names, _ := r.listed(thief); len(names) != 1 || names[0] != "alice" {
		t.Errorf("the thief reads %v, want whom the scope admits", names)
	}
	if got := try(t, thief, "alice", testPassword); got.Outcome != provider.Allow {
		t.Errorf("a password that he has: %+v", got)
	}
	if got := try(t, thief, "alice", "wrong"); got.Outcome != provider.Deny {
		t.Errorf("a password that he has not: %+v", got)
	}
	if got := try(t, thief, "bob", testPassword); got.Outcome != provider.Deny {
		t.Errorf("somebody beyond the scope: %+v", got)
	}

	// The administrators' service is not on the network, whoever calls.
	client := newTap(t, stolen).http
	admin := sallyportv1connect.NewAdminServiceClient(client, stolen.URL)
	_, err := admin.ListAccounts(t.Context(), &v1.ListRequest{})
	if connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("the list of accounts: %v", err)
	}
	_, err = admin.SetPassword(t.Context(), &v1.SetPasswordRequest{Name: "alice", Password: []byte("of the thief's own")})
	if connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("a new password: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, stolen.URL+"/"+sallyportv1connect.AdminServiceName+"/ListAccounts", http.NoBody)
	r.do(nil, err)
	resp, err := client.Do(req)
	r.do(nil, err)
	r.do(nil, resp.Body.Close())
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the administrators' path answers %s", resp.Status)
	}

	r.do(r.admin.RemoveMachine(t.Context(), &v1.NameRequest{Name: "box"}))
	if _, err := thief.Fetch(t.Context(), "alice"); !errors.Is(err, provider.ErrRefusedMachine) {
		t.Errorf("after the machine was removed: %v", err)
	}
}
