package identityservice_test

import (
	"sync"
	"testing"

	pb "github.com/sallyport-auth/sallyport/proto/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// TestTokensThatAreAskedAboutAtOnceStayApart: one question to the database is for several.
// Promise identity-service-together.
func TestTokensThatAreAskedAboutAtOnceStayApart(t *testing.T) {
	r := newRig(t)
	d, scoped := r.device("laptop"), r.device("desk")
	r.Must(r.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "few"}))
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "desk", Scope: &v1.Scope{Groups: []string{"few"}}}))
	r.Must(r.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "bob"}))
	tokens := map[string][]byte{"alice phone": d.registered()}
	var err error
	tokens["alice desk"], err = d.login("alice", "desk", password, whole)
	r.Must(nil, err)
	tokens["bob phone"], err = d.register("bob", "phone", d.invite("bob"), password, whole)
	r.Must(nil, err)
	var all sync.WaitGroup
	for range 20 {
		for whose, token := range tokens {
			for _, asked := range [][2]string{{"alice", "phone"}, {"alice", "desk"}, {"bob", "phone"}, {"bob", "desk"}, {"nobody", "phone"}} {
				all.Go(func() {
					v, err := d.VerifyUserToken(t.Context(), &pb.VerifyUserTokenRequest{UserID: asked[0], DeviceID: asked[1], Token: token})
					if is := asked[0]+" "+asked[1] == whose; err != nil || v.GetTokenValid() != is {
						t.Errorf("the token of %s, asked about as that of %v: %v, %v", whose, asked, v.GetTokenValid(), err)
					}
				})
			}
			all.Go(func() {
				v, err := scoped.VerifyUserToken(t.Context(), &pb.VerifyUserTokenRequest{UserID: "alice", DeviceID: "phone", Token: token})
				if err != nil || v.GetTokenValid() {
					t.Errorf("a machine that may not know her is told: %v", err)
				}
			})
		}
	}
	all.Wait()
}
