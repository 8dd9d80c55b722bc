package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// fakeKeys is a server that takes any key, and notes by which session.
type fakeKeys struct {
	provider.Verifier
	public   []byte
	partners bool
	set      []string
}

func (f *fakeKeys) SetVerifyKey(_ context.Context, session, public []byte, partners bool) (time.Time, error) {
	f.set, f.public, f.partners = append(f.set, string(session)), public, partners
	return time.Unix(1, 0), nil
}

// verifyServer tells of bob, and takes notes.
type verifyServer struct {
	*server
	fakeKeys

	mu      sync.Mutex
	purpose string // of the last attempt
	bob     provider.VerifyPerson
	asked   []string
	notes   []provider.VerifyNote
}

func (f *verifyServer) Begin(ctx context.Context, a provider.Attempt) (provider.Exchange, provider.Reply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.purpose = a.Purpose
	return f.server.Begin(ctx, a)
}

func (f *verifyServer) FindVerifyPerson(ctx context.Context, account, name, realm string) (person, own provider.VerifyPerson, err error) {
	if err := f.answer(ctx); err != nil {
		return person, own, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, account+" "+name+" "+realm)
	person = f.bob
	person.Name, person.Realm = name, realm
	return person, provider.VerifyPerson{ID: token("alice", aliceUID).Account.UUID, Public: f.public}, nil
}

func (f *verifyServer) NoteVerification(ctx context.Context, n provider.VerifyNote) error {
	if err := f.answer(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, n)
	return nil
}

func (f *verifyServer) noted() []provider.VerifyNote {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.notes)
}

// setsVerifyKey sets a key of alice's.
func (h *testMachine) setsVerifyKey(f *verifyServer, in report.VerifySetUp) report.VerifyKey {
	h.t.Helper()
	h.srv.tamper = func(r *provider.Reply) {
		f.mu.Lock()
		defer f.mu.Unlock()
		r.Session.Purpose = f.purpose
		r.Session.ExpiresAt = r.Session.AuthenticatedAt + int64(8*time.Hour/time.Second)
		r.SignedSession = []byte("a session to " + r.Session.Purpose)
	}
	in.Password = "secret"
	a, err := h.enrol(aliceUID, report.VerbVerifySetUp, in)
	must(h.t, err)
	k := a.(report.Requested).VerifyKey
	if want := "a session to " + identity.PurposeOfVerifyKey(f.public, in.Partners); f.fakeKeys.set[len(f.fakeKeys.set)-1] != want || f.partners != in.Partners || k.Partners != in.Partners {
		h.t.Fatalf("%q to %+v: %+v", f.fakeKeys.set, in, k)
	}
	return *k
}

// Promise verify-partners.
func TestThatPartnersAreToldOfAKeyTakesAProofForThat(t *testing.T) {
	var f *verifyServer
	h := newTestMachine(t, func(h *testMachine) { f = &verifyServer{server: h.srv}; h.front = f })
	h.srv.set(t, token("alice", aliceUID), nil)
	h.online()
	shown := func() report.VerifyKey {
		t.Helper()
		a, err := h.enrol(aliceUID, report.VerbVerifyKey, nil)
		must(t, err)
		return a.(report.VerifyKey)
	}
	if _, err := h.enrol(aliceUID, report.VerbVerifySetUp, report.VerifySetUp{Keep: true, Partners: true}); !errors.Is(err, verification.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	first := h.setsVerifyKey(f, report.VerifySetUp{})
	told := h.setsVerifyKey(f, report.VerifySetUp{Keep: true, Partners: true})
	if told.Fingerprint != first.Fingerprint || !shown().Partners {
		t.Errorf("told: %+v, of %+v", told, first)
	}
	h.setsVerifyKey(f, report.VerifySetUp{Keep: true})
	if k := shown(); k.Fingerprint != first.Fingerprint || k.Partners {
		t.Errorf("told no more: %+v", k)
	}
	if k := h.setsVerifyKey(f, report.VerifySetUp{Partners: true}); k.Fingerprint == first.Fingerprint {
		t.Errorf("a new one: %+v", k)
	}
}

// Promise verify-noted.
func TestACallThatNoServerAnswersIsNotedOnceOneDoes(t *testing.T) {
	var f *verifyServer
	h := newTestMachine(t, func(h *testMachine) { f = &verifyServer{server: h.srv}; h.front = f })
	h.srv.set(t, token("alice", aliceUID), nil)
	h.online()
	h.setsVerifyKey(f, report.VerifySetUp{})
	private, err := verify.NewKey()
	must(t, err)
	f.bob.ID = uuid.New()
	f.bob.Public, err = verify.Public(private)
	must(t, err)
	call := func(name string) (report.VerifyCall, error) {
		t.Helper()
		a, err := h.enrol(aliceUID, report.VerbVerifyCall, report.VerifyWith{Name: name})
		c, _ := a.(report.VerifyCall)
		return c, err
	}
	hear := func(c report.VerifyCall, name, code string) report.VerifyVerdict {
		t.Helper()
		a, err := h.enrol(aliceUID, report.VerbVerifyHeard, report.VerifyHeard{Name: name, PublicKey: c.PublicKey, Code: code})
		must(t, err)
		return a.(report.VerifyVerdict)
	}
	for _, typed := range []string{"", "@b.example", "bob@", "bob@b\x1b.example"} {
		if c, err := call(typed); !errors.Is(err, errWho) {
			t.Errorf("%q: %+v, %v", typed, c, err)
		}
	}
	for typed, asked := range map[string]string{"bob": "alice bob ", "bob@EXAMPLE.org": "alice bob ", "bob@b.example": "alice bob b.example"} {
		if c, err := call(typed); err != nil || f.asked[len(f.asked)-1] != asked || c.OwnRealm != (asked == "alice bob ") {
			t.Errorf("%q: %q, %+v, %v", typed, f.asked, c, err)
		}
	}
	c, err := call("bob@b.example")
	must(t, err)
	if v := hear(c, "bob@b.example", "12345678"); v.Late || v.Unrecorded || v.Verdict != verify.Wrong {
		t.Errorf("with a server: %+v", v)
	}
	h.srv.be(down)
	h.wait("offline", func() bool { return h.d.Link().Now() == resolver.Offline })
	if c, err = call("bob@b.example"); err != nil || !c.Away || c.OwnRealm {
		t.Errorf("without one: %+v, %v", c, err)
	}
	if v := hear(c, "bob@b.example", "12345678"); !v.Late || v.Unrecorded {
		t.Errorf("without one: %+v", v)
	}
	if v := hear(c, "bob@b.example", "1234"); v.Late || v.Unrecorded {
		t.Errorf("what is no code: %+v", v)
	}
	h.srv.be(up)
	h.wait("the notes", func() bool { return len(f.noted()) == 3 })
	for i, want := range []provider.VerifyEvent{provider.VerifyFailed, provider.VerifyBegun, provider.VerifyFailed} {
		if n := f.noted()[i]; n.Event != want || n.Made.IsZero() != (i == 0) || n.Account != "alice" || n.ID != f.bob.ID || n.Realm != "b.example" {
			t.Errorf("note %d: %+v", i, n)
		}
	}
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
