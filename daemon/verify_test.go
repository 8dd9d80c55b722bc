package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// fakeKeys is a server that takes any key, and notes by which session.
type fakeKeys struct {
	provider.Verifier
	public []byte
	set    []string
}

func (f *fakeKeys) SetVerifyKey(_ context.Context, session, public []byte) (time.Time, error) {
	f.set, f.public = append(f.set, string(session)), public
	return time.Unix(1, 0), nil
}

// Promise verify-set-up.
func TestANewKeyTakesAProofThatIsMadeForIt(t *testing.T) {
	h := plainAlice(t)
	f := &fakeKeys{}
	h.d.Gate.o.Provider.Verifier = f
	purpose := ""
	h.srv.tamper = func(r *provider.Reply) {
		r.Session.Purpose, r.Session.ExpiresAt = purpose, r.Session.AuthenticatedAt+int64(8*time.Hour/time.Second)
		r.SignedSession = []byte("a session to " + purpose)
	}
	set := func(uid uint32, password string, remove bool) (report.Requested, error) {
		t.Helper()
		a, err := h.enrol(uid, report.VerbVerifySetUp, report.VerifySetUp{ProofArgs: report.ProofArgs{EnrolArgs: report.EnrolArgs{Password: password}}, Remove: remove})
		r, _ := a.(report.Requested)
		return r, err
	}
	for _, uid := range []uint32{0, 1000, aliceUID + 1} {
		if r, err := set(uid, "secret", false); !errors.Is(err, report.ErrForbidden) {
			t.Errorf("uid %d: %+v, %v", uid, r, err)
		}
	}
	h.expect(identity.Granted, "alice", "secret") // this session sets nothing
	if r, err := set(aliceUID, "", false); err != nil || !r.NeedsProof || len(f.set) > 0 {
		t.Fatalf("without a proof: %+v, %v, %q", r, err, f.set)
	}
	for _, other := range []string{"", identity.PurposeOf(uuid.New(), true), identity.PurposeOfVerifyKey([]byte("another"), false)} {
		purpose = other
		if r, err := set(aliceUID, "secret", true); err == nil || len(f.set) > 0 {
			t.Fatalf("with a session to %q: %+v, %v, %q", other, r, err, f.set)
		}
	}
	purpose = identity.PurposeOfVerifyKey(nil, false)
	if r, err := set(aliceUID, "secret", true); err != nil || len(f.set) != 1 || f.public != nil || r.VerifyKey != nil {
		t.Errorf("with one that is for it: %+v, %v, %q", r, err, f.set)
	}
}

// Promise verify-set-up.
func TestWhereTheServerKeepsNoKeysEachVerbOfVerifyingSaysSo(t *testing.T) {
	h := plainAlice(t)
	for verb, args := range map[string]any{
		report.VerbVerifySetUp: report.VerifySetUp{}, report.VerbVerifyKey: nil,
		report.VerbVerifyCall: report.VerifyWith{Name: "bob"}, report.VerbVerifyHeard: report.VerifyHeard{Name: "bob"},
	} {
		if a, err := h.enrol(aliceUID, verb, args); !errors.Is(err, errNoVerifying) {
			t.Errorf("%s: %+v, %v", verb, a, err)
		}
	}
	if !slices.Contains(h.status().Providers[0].Missing, "verify") {
		t.Errorf("status does not say so: %q", h.status().Providers[0].Missing)
	}
}
