package daemon

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

const cardPIN = "123456"

// makes is a machine with a reader where alice, who has a password, may enrol the
// card that lies there, and with the cards that she has already.
func makes(t *testing.T, held ...*softCard) (*testMachine, *maker) {
	t.Helper()
	m := newMaker(validCard(t))
	h := newTestMachine(t, func(h *testMachine) { h.enrols = m })
	h.srv.set(t, token("alice", aliceUID), func(p *person) {
		for _, c := range held {
			carded(c)(p)
		}
	})
	h.srv.set(t, token("bob", 1900000101), nil)
	h.online()
	return h, m
}

// begins proves who alice is by her password, and wants a handle for a card.
func (h *testMachine) begins() string {
	h.t.Helper()
	a, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{Password: "secret"})
	must(h.t, err)
	e := a.(report.Enrolment)
	if e.Handle == "" || e.Done || e.NeedsCode {
		h.t.Fatalf("%+v", e)
	}
	return e.Handle
}

// ready makes the card ready.
func (h *testMachine) ready(uid uint32, handle string) (report.CardMade, error) {
	a, err := h.enrol(uid, report.VerbEnrolCard, report.CardArgs{Handle: handle, PIN: cardPIN, Generate: true, ManagementKey: strings.Repeat("0f", 24)})
	made, _ := a.(report.CardMade)
	return made, err
}

// confirms lets it sign.
func (h *testMachine) confirms(uid uint32, handle string) (report.Enrolled, error) {
	a, err := h.enrol(uid, report.VerbEnrolPIVDone, report.ConfirmArgs{Handle: handle, PIN: cardPIN})
	done, _ := a.(report.Enrolled)
	return done, err
}

// enrols goes the whole way.
func (h *testMachine) enrolsCard(handle string) {
	h.t.Helper()
	made, err := h.ready(aliceUID, handle)
	if err != nil || made.Card == nil || made.Problem != "" {
		h.t.Fatalf("%+v, %v", made, err)
	}
	done, err := h.confirms(aliceUID, handle)
	if err != nil || !done.Done {
		h.t.Fatalf("%+v, %v", done, err)
	}
}

// holds is how many cards alice has, as this machine knows it.
func (h *testMachine) holds() int {
	h.t.Helper()
	t, err := h.d.SignedToken(bg, h.d.Directory().Named("alice"))
	must(h.t, err)
	n := 0
	for _, f := range t.Factors {
		if f.Kind == identity.PIV {
			n++
		}
	}
	return n
}

func TestACardIsEnrolledAndOpensTheDoorWithTheServerAndWithout(t *testing.T) {
	h, m := makes(t)
	h.enrolsCard(h.begins())
	if o := m.orders[0]; o.Subject != "alice@"+realm || !o.Generate || o.Key != identity.CardP256 || o.Valid != certificateDays*24*time.Hour {
		t.Errorf("the order is %+v", o)
	}
	m.insert(m.fresh)
	v, conv := h.login("alice", cardPIN)
	if v.Code != identity.Granted || len(conv.prompts) != 1 || !strings.HasPrefix(conv.prompts[0], "PIN (green)") {
		t.Fatalf("%d, prompts %q, told %q", v.Code, conv.prompts, conv.told)
	}
	h.lost()
	if v, conv := h.login("alice", cardPIN); v.Code != identity.Granted {
		t.Fatalf("offline: %d, told %q", v.Code, conv.told)
	}
}

// Promise attack-person-handle, enrol-order.
func TestNobodyGoesOnWithWhatAnotherBegan(t *testing.T) {
	h, m := makes(t)
	handle := h.begins()
	for _, uid := range []uint32{0, 1000, 1900000101} {
		if _, err := h.ready(uid, handle); !errors.Is(err, errEnrol) {
			t.Errorf("uid %d makes a card ready: %v", uid, err)
		}
	}
	if made, err := h.ready(aliceUID, handle); err != nil || made.Card == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	for _, uid := range []uint32{0, 1000, 1900000101} {
		if _, err := h.confirms(uid, handle); !errors.Is(err, errEnrol) {
			t.Errorf("uid %d confirms: %v", uid, err)
		}
		for _, verb := range []string{report.VerbEnrolPIV, report.VerbEnrolCodes} {
			if _, err := h.enrol(uid, verb, report.EnrolArgs{Password: "wrong"}); err == nil {
				t.Errorf("uid %d begins %q", uid, verb)
			}
		}
	}
	if n := m.prepared; n != 1 {
		t.Errorf("cards were made ready %d times", n)
	}
	if done, err := h.confirms(aliceUID, handle); err != nil || !done.Done {
		t.Fatalf("%+v, %v", done, err)
	}
}

// Promise enrol-order.
func TestTheStepsOfACardsEnrolmentComeInTheirOrderAndOnce(t *testing.T) {
	h, m := makes(t)
	handle := h.begins()
	if _, err := h.confirms(aliceUID, handle); !errors.Is(err, report.ErrVerb) {
		t.Errorf("confirmed before the card is ready: %v", err)
	}
	h.enrolsCard(handle) // which ended nothing
	for what, again := range map[string]func() error{
		"ready":     func() error { _, err := h.ready(aliceUID, handle); return err },
		"confirmed": func() error { _, err := h.confirms(aliceUID, handle); return err },
		"no handle": func() error { _, err := h.confirms(aliceUID, ""); return err },
	} {
		if err := again(); !errors.Is(err, errEnrol) {
			t.Errorf("%s once more: %v", what, err)
		}
	}
	if n := h.holds(); n != 1 || m.prepared != 1 {
		t.Errorf("%d cards; made ready %d times", n, m.prepared)
	}
}

// Promise enrol-order.
func TestAnEnrolmentIsConfirmedAsWhatItIs(t *testing.T) {
	h, m := makes(t)
	handle := h.begins()
	if _, err := h.enrol(aliceUID, report.VerbEnrolConfirm, report.ConfirmArgs{Handle: handle, Code: "123456"}); !errors.Is(err, report.ErrVerb) {
		t.Errorf("a card by a code: %v", err)
	}
	e := h.begun(report.EnrolArgs{Password: "secret"})
	if _, err := h.ready(aliceUID, e.Handle); !errors.Is(err, report.ErrVerb) || m.prepared != 0 {
		t.Errorf("a generator by a card: %v", err)
	}
	e = h.begun(report.EnrolArgs{Password: "secret"})
	if _, err := h.confirms(aliceUID, e.Handle); !errors.Is(err, report.ErrVerb) {
		t.Errorf("a generator by a card's signature: %v", err)
	}
}

// Promise enrol-order.
func TestOneHandleMakesOneCardReadyAtATime(t *testing.T) {
	h, m := makes(t)
	handle := h.begins()
	m.holding, m.release = make(chan struct{}), make(chan struct{})
	first := make(chan error)
	go func() { _, err := h.ready(aliceUID, handle); first <- err }()
	<-m.holding
	for range 2 {
		if _, err := h.ready(aliceUID, handle); !errors.Is(err, errEnrol) {
			t.Errorf("the same handle, meanwhile: %v", err)
		}
		if _, err := h.confirms(aliceUID, handle); !errors.Is(err, errEnrol) {
			t.Errorf("confirmed meanwhile: %v", err)
		}
	}
	other := h.begins() // she begins anew, at another terminal
	close(m.release)
	must(t, <-first)
	m.mu.Lock()
	m.holding = nil
	m.mu.Unlock()
	if _, err := h.confirms(aliceUID, handle); !errors.Is(err, errEnrol) {
		t.Errorf("the one before: %v", err)
	}
	h.enrolsCard(other)
}

// Promise enrol-order.
func TestACardsEnrolmentThatTakesTooLongIsOver(t *testing.T) {
	for _, at := range []string{"before the card is ready", "after"} {
		h, m := makes(t)
		handle := h.begins()
		if at == "after" {
			_, err := h.ready(aliceUID, handle)
			must(t, err)
		}
		h.clk.pass(enrolWait)
		h.truth.pass(enrolWait)
		_, ready := h.ready(aliceUID, handle)
		_, done := h.confirms(aliceUID, handle)
		if !errors.Is(ready, errEnrol) || !errors.Is(done, errEnrol) || h.holds() != 0 || m.prepared > 1 {
			t.Errorf("%s: %v, %v", at, ready, done)
		}
	}
}

// Promise enrol-faults.
func TestTheServerCanBeLostAtEachStepOfACardsEnrolment(t *testing.T) {
	h, m := makes(t)
	h.srv.lostStepAt(1)
	_, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{Password: "secret"})
	if !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("at the password: %v", err)
	}
	h.wait("online", func() bool { return !h.d.Link().JustFailed() })
	handle := h.begins()
	made, err := h.ready(aliceUID, handle) // a matter of the card alone
	if err != nil || made.Card == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	h.srv.lostStepAt(1)
	_, err = h.confirms(aliceUID, handle)
	if !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "it is not known whether") {
		t.Errorf("at the signature: %v", err)
	}
	if _, err := h.confirms(aliceUID, handle); !errors.Is(err, errEnrol) {
		t.Errorf("the same once more: %v", err)
	}
	h.wait("online", func() bool { return !h.d.Link().JustFailed() })
	h.enrolsCard(h.begins())
	h.lost()
	for verb, args := range map[string]any{
		report.VerbEnrolPIV: report.EnrolArgs{Password: "secret"}, report.VerbEnrolCodes: report.EnrolArgs{Password: "secret"},
		report.VerbEnrolRemove: report.RemoveArgs{EnrolArgs: report.EnrolArgs{PIN: cardPIN}, Kind: "piv"},
	} {
		m.insert(m.fresh)
		if _, err := h.enrol(aliceUID, verb, args); !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("%s offline: %v", verb, err)
		}
	}
	if n := h.holds(); n != 1 {
		t.Errorf("%d cards", n)
	}
}

// Promise enrol-faults.
func TestTroubleWithTheCardEndsNoEnrolment(t *testing.T) {
	h, m := makes(t)
	handle := h.begins()
	for _, c := range []struct {
		err  error
		want func(report.CardMade) bool
	}{
		{identity.ErrCardTaken, func(m report.CardMade) bool { return m.Taken }},
		{identity.ErrManagementKey, func(m report.CardMade) bool { return m.NeedsManagementKey }},
		{identity.ErrManyCards, func(m report.CardMade) bool { return strings.Contains(m.Problem, "--reader") }},
		{fault(identity.CardNone), func(m report.CardMade) bool { return m.Fault == "no card" }},
		{&identity.CardError{Fault: identity.CardWrongPIN, Retries: 1}, func(m report.CardMade) bool { return m.Fault == "wrong PIN" }},
		{errors.New("SCARD_E_NASTY"), func(m report.CardMade) bool { return m.Fault == "unknown" }},
	} {
		m.fails(c.err)
		made, err := h.ready(aliceUID, handle)
		if err != nil || !c.want(made) || made.Problem == "" || made.Card != nil || strings.Contains(made.Problem, "NASTY") {
			t.Errorf("%v: %+v, %v", c.err, made, err)
		}
	}
	for _, args := range []report.CardArgs{
		{Handle: handle, Generate: true, Label: "a\nb"},
		{Handle: handle, Generate: true, ValidDays: -1},
		{Handle: handle, Generate: true, ValidDays: maxCertificateDays + 1},
		{Handle: handle, Generate: true, Key: "rsa1024"},
		{Handle: handle, Generate: true, ManagementKey: "abc"},
		{Handle: handle, Generate: true, ManagementKey: "abcd"},
	} {
		before := m.prepared
		if _, err := h.enrol(aliceUID, report.VerbEnrolCard, args); !errors.Is(err, report.ErrVerb) || m.prepared != before {
			t.Errorf("%+v: %v", args, err)
		}
	}
	made, err := h.ready(aliceUID, handle)
	if err != nil || made.Card == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	m.fails(fault(identity.CardUntouched))
	if done, err := h.confirms(aliceUID, handle); err != nil || done.Done || !strings.Contains(done.Message, "not touched") {
		t.Errorf("%+v, %v", done, err)
	}
	if n := h.holds(); n != 0 {
		t.Fatalf("%d cards", n)
	}
	if done, err := h.confirms(aliceUID, handle); err != nil || !done.Done {
		t.Errorf("%+v, %v", done, err)
	}
}

// Promise enrol-faults.
func TestASignatureThatTheServerRefusesEnrolsNothing(t *testing.T) {
	h, m := makes(t)
	m.forge = true
	handle := h.begins()
	_, err := h.ready(aliceUID, handle)
	must(t, err)
	if _, err := h.confirms(aliceUID, handle); !errors.Is(err, errEnrol) || h.holds() != 0 {
		t.Fatalf("%v, %d cards", err, h.holds())
	}
	m.forge = false
	if _, err := h.confirms(aliceUID, handle); !errors.Is(err, errEnrol) {
		t.Errorf("tried again behind the refusal: %v", err)
	}
}

// Promise enrol-second-card (daemon and whole machine).
func TestASecondCardTakesTheFirst(t *testing.T) {
	first := validCard(t)
	h, m := makes(t, first)
	m.insert(first)
	_, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{Password: "secret"})
	if !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "--by-card") {
		t.Errorf("by password: %v", err)
	}
	if _, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{PIN: "654321"}); !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "PIN is wrong") {
		t.Errorf("by a wrong PIN: %v", err)
	}
	m.insert(validCard(t))
	if _, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{PIN: cardPIN}); !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "not one of this account") {
		t.Errorf("by a stranger's card: %v", err)
	}
	m.insert(first)
	a, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{PIN: cardPIN})
	must(t, err)
	h.enrolsCard(a.(report.Enrolment).Handle)
	if n := h.holds(); n != 2 {
		t.Fatalf("%d cards", n)
	}
	t.Run("and which one is given up must be said", func(t *testing.T) {
		_, err := h.enrol(aliceUID, report.VerbEnrolRemove, report.RemoveArgs{EnrolArgs: report.EnrolArgs{PIN: cardPIN}, Kind: "piv"})
		gone := hex.EncodeToString(first.fingerprint())
		if !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), gone) {
			t.Fatal(err)
		}
		if _, err = h.enrol(aliceUID, report.VerbEnrolRemove, report.RemoveArgs{EnrolArgs: report.EnrolArgs{Password: "secret"}, Kind: "piv", Card: gone}); err == nil || h.holds() != 2 {
			t.Fatalf("by password: %v", err)
		}
		a, err := h.enrol(aliceUID, report.VerbEnrolRemove, report.RemoveArgs{EnrolArgs: report.EnrolArgs{PIN: cardPIN}, Kind: "piv", Card: gone})
		if err != nil || !a.(report.Enrolment).Done || h.holds() != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		if _, conv := h.login("alice", "secret"); !strings.Contains(strings.Join(conv.told, " "), "taken from the account") {
			t.Errorf("told %q, prompts %q", conv.told, conv.prompts)
		}
	})
}

// Promise enrol-wiped.
func TestSecretsOfAnEnrolmentAreWiped(t *testing.T) {
	h, m := makes(t)
	handle := h.begins()
	for verb, args := range map[string]any{
		report.VerbEnrolPIV:  report.EnrolArgs{Password: "wrong", PIN: cardPIN},
		report.VerbEnrolCard: report.CardArgs{Handle: "none", PIN: cardPIN},
	} {
		b, err := json.Marshal(args)
		must(t, err)
		_ = h.d.Handle(bg, identity.Peer{UID: 1900000101}, verb, b, func(any) error { return nil })
		if slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
			t.Errorf("%s leaves %q", verb, b)
		}
	}
	m.fails(fault(identity.CardRemoved))
	_, err := h.ready(aliceUID, handle)
	must(t, err)
	h.enrolsCard(handle)
	if len(m.secrets) != 5 { // a PIN and a management key, twice, and a PIN
		t.Fatalf("%d secrets reached the card", len(m.secrets))
	}
	for i, s := range m.secrets {
		if slices.ContainsFunc(s.Reveal(), func(c byte) bool { return c != 0 }) {
			t.Errorf("the secret %d that the card service was given is not wiped", i)
		}
	}
}
