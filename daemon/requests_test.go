package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// fakeRequests is a server that notes by which session something is asked.
type fakeRequests struct {
	provider.Requester
	asked []string
}

func (f *fakeRequests) note(what string, session []byte) (report.Request, error) {
	f.asked = append(f.asked, what+" by "+string(session))
	return report.Request{ID: "R", State: "granted", Account: "alice"}, nil
}

func (f *fakeRequests) Ask(_ context.Context, session []byte, from identity.Origin, a report.AskArgs) (report.Request, *report.Certified, error) {
	r, err := f.note("ask "+a.Reason+" from "+from.String(), session)
	return r, &report.Certified{Hops: []report.CertifiedHop{{Machine: string(a.PublicKey)}}}, err
}

func (f *fakeRequests) Decide(_ context.Context, session []byte, _ string, approve bool, _ string) (report.Request, error) {
	return f.note(map[bool]string{true: "approve", false: "deny"}[approve], session)
}

func (f *fakeRequests) Request(_ context.Context, id, _ string, _ time.Duration) (report.Request, error) {
	return report.Request{ID: id, Account: map[string]string{"hers": "alice"}[id]}, nil
}

// requesting is alice's machine, whose server takes requests. purpose is what the server
// says that a session is for.
func requesting(t *testing.T, purpose *string) (*testMachine, *fakeRequests) {
	t.Helper()
	h := plainAlice(t)
	f := &fakeRequests{}
	h.d.Gate.o.Provider.Requester = f
	h.srv.tamper = func(r *provider.Reply) {
		r.Session.Purpose, r.Session.ExpiresAt = *purpose, r.Session.AuthenticatedAt+int64(8*time.Hour/time.Second)
		r.SignedSession = []byte("a session to " + *purpose)
	}
	return h, f
}

// Promise request-session.
func TestARequestGoesWithTheServersWordForWhoAsks(t *testing.T) {
	purpose := ""
	h, f := requesting(t, &purpose)
	ask := func(uid uint32, password string) (report.Requested, error) {
		t.Helper()
		a, err := h.enrol(uid, report.VerbAsk, report.AskArgs{ProofArgs: report.ProofArgs{EnrolArgs: report.EnrolArgs{Password: password}}, ID: "R", Reason: "why", Hops: []report.Hop{{Host: "web1"}}})
		r, _ := a.(report.Requested)
		return r, err
	}
	for _, uid := range []uint32{0, 1000, aliceUID + 1} {
		if r, err := ask(uid, "secret"); !errors.Is(err, report.ErrForbidden) {
			t.Errorf("uid %d: %+v, %v", uid, r, err)
		}
	}
	if r, err := ask(aliceUID, ""); err != nil || !r.NeedsProof || r.Request != nil || len(f.asked) > 0 {
		t.Fatalf("without a proof: %+v, %v, %q", r, err, f.asked)
	}
	if r, err := ask(aliceUID, "wrong"); err == nil || len(f.asked) > 0 {
		t.Fatalf("with a wrong one: %+v, %v, %q", r, err, f.asked)
	}
	if r, err := ask(aliceUID, "secret"); err != nil || r.Request == nil || len(f.asked) != 1 || !strings.HasSuffix(f.asked[0], " by a session to ") {
		t.Fatalf("with the right one: %+v, %v, %q", r, err, f.asked)
	}
	if r, err := ask(aliceUID, ""); err != nil || r.Request == nil || len(f.asked) != 2 || !strings.Contains(f.asked[1], "uid ") {
		t.Fatalf("and from then on: %+v, %v, %q", r, err, f.asked)
	}
	_, err := h.enrol(aliceUID, report.VerbDrop, report.DropArgs{})
	must(t, err)
	if r, err := ask(aliceUID, ""); err != nil || !r.NeedsProof || len(f.asked) != 2 {
		t.Errorf("after a logout: %+v, %v, %q", r, err, f.asked)
	}
}

// Promise request-session.
func TestADecisionTakesAProofThatIsMadeForIt(t *testing.T) {
	purpose, id := "", uuid.New()
	h, f := requesting(t, &purpose)
	decide := func(password string, approve bool) (report.Requested, error) {
		t.Helper()
		a, err := h.enrol(aliceUID, report.VerbDecide, report.RequestArgs{ProofArgs: report.ProofArgs{EnrolArgs: report.EnrolArgs{Password: password}}, ID: id.String(), Approve: approve})
		r, _ := a.(report.Requested)
		return r, err
	}
	h.expect(identity.Granted, "alice", "secret") // this session decides nothing
	if r, err := decide("", true); err != nil || !r.NeedsProof || len(f.asked) > 0 {
		t.Fatalf("without a proof: %+v, %v, %q", r, err, f.asked)
	}
	for _, other := range []string{"", identity.PurposeOf(id, false), identity.PurposeOf(uuid.New(), true)} {
		purpose = other
		if r, err := decide("secret", true); err == nil || len(f.asked) > 0 {
			t.Fatalf("with a session to %q: %+v, %v, %q", other, r, err, f.asked)
		}
	}
	purpose = identity.PurposeOf(id, true)
	if r, err := decide("secret", true); err != nil || r.Request == nil || len(f.asked) != 1 || f.asked[0] != "approve by a session to "+purpose {
		t.Fatalf("with one that is for it: %+v, %v, %q", r, err, f.asked)
	}
	if r, err := decide("", true); err != nil || !r.NeedsProof {
		t.Errorf("once more: %+v, %v", r, err)
	}
}

// Promise request-session.
func TestARequestIsShownToWhoAskedAlone(t *testing.T) {
	purpose := ""
	h, _ := requesting(t, &purpose)
	if a, err := h.enrol(aliceUID, report.VerbRequest, report.RequestArgs{ID: "hers"}); err != nil || a.(report.Requested).Request.ID != "hers" {
		t.Errorf("her own: %+v, %v", a, err)
	}
	if a, err := h.enrol(aliceUID, report.VerbRequest, report.RequestArgs{ID: "another's"}); !errors.Is(err, report.ErrForbidden) {
		t.Errorf("another's: %+v, %v", a, err)
	}
	if a, err := h.enrol(1000, report.VerbRequest, report.RequestArgs{ID: "hers"}); !errors.Is(err, report.ErrForbidden) {
		t.Errorf("to another: %+v, %v", a, err)
	}
}

// TestWhereTheServerKnowsOfNoRequestsEachVerbSaysSo: as with Kanidm. Nothing is asked of
// anybody for it.
// Promise request-session.
func TestWhereTheServerKnowsOfNoRequestsEachVerbSaysSo(t *testing.T) {
	h := plainAlice(t)
	id := uuid.NewString()
	for verb, args := range map[string]any{
		report.VerbAsk:      report.AskArgs{ID: id, Hops: []report.Hop{{Host: "web1"}}},
		report.VerbRequest:  report.RequestArgs{ID: id},
		report.VerbRequests: report.RequestArgs{},
		report.VerbWithdraw: report.RequestArgs{ID: id},
		report.VerbDecide:   report.RequestArgs{ID: id, Approve: true},
		report.VerbCertify:  report.RequestArgs{ID: id},
	} {
		if a, err := h.enrol(aliceUID, verb, args); !errors.Is(err, errNoRequests) {
			t.Errorf("%s: %+v, %v", verb, a, err)
		}
	}
	if !slices.Contains(h.status().Providers[0].Missing, "requests") {
		t.Errorf("status does not say so: %q", h.status().Providers[0].Missing)
	}
}
