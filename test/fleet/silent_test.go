package fleet

import (
	"context"
	"errors"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

// TestADatabaseThatIsSilentIsNoWordAboutTheAccount: it hangs, or the network between it and
// the servers swallows everything. Nobody is denied, nothing is counted, and it is over with
// the silence.
// Promise fleet-silent.
func TestADatabaseThatIsSilentIsNoWordAboutTheAccount(t *testing.T) {
	r := newRig(t)
	r.person("ada", "")
	m := r.machine("box", 0)
	lets := func(when string) {
		t.Helper()
		if reply, err := login(t.Context(), m, "ada", ""); err != nil || reply.Outcome != provider.Allow {
			t.Errorf("%s: %+v, %v", when, reply, err)
		}
	}
	lets("before")
	r.must(nil, r.database.Suspend())
	ctx, end := context.WithTimeout(t.Context(), 8*time.Second) // as long as a person at a prompt waits
	reply, err := once(ctx, m, "ada", nil)
	end()
	if !errors.Is(err, provider.ErrOffline) {
		t.Errorf("in the silence: %+v, %v", reply, err)
	}
	r.must(nil, r.database.Resume())
	lets("after it")
	v, err := r.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: "ada"})
	if err != nil || v.GetFailures() > 0 {
		t.Errorf("failures are counted: %v, %v", v.GetFailures(), err)
	}
}

// TestAServerThatWasAwayForADayTakesUpWhatThereIs: keys, authority and accounts are others.
// Promise fleet-keys.
func TestAServerThatWasAwayForADayTakesUpWhatThereIs(t *testing.T) {
	a, b := two(t)
	b.Must(nil, b.Close())
	a.Must(a.Admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{}))
	a.Must(a.Admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{Emergency: true}))
	a.Must(a.Admin.RenewCA(t.Context(), &v1.RenewCARequest{}))
	a.Must(a.Admin.RotateRealmKey(t.Context(), &v1.RotateRealmKeyRequest{}))
	b.Unix.Add(24 * 3600)
	b.Open(string(b.Dir))
	b.Must(nil, b.BeginHistory(t.Context()))
	if _, err := ring(a).IDToken(token(b)); err != nil {
		t.Error(err)
	}
	if b.Keys().GetFingerprint() != a.Keys().GetFingerprint() || b.Keys().GetProblem() != "" {
		t.Errorf("%v", b.Keys())
	}
}
