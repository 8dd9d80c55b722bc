package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// machineWithGuard is makes, with the mutual authentication in front of the cards.
func machineWithGuard(t *testing.T, held ...*softCard) (*testMachine, guardedMaker) {
	t.Helper()
	g := guardedMaker{newMaker(validCard(t))}
	h := newTestMachine(t, func(h *testMachine) { h.enrols = g })
	h.srv.set(t, token("alice", aliceUID), func(p *person) {
		for _, c := range held {
			carded(c)(p)
		}
	})
	h.online()
	return h, g
}

func (m guardedMaker) proves(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prove = func() (string, error) {
		if err == nil {
			return "environment", nil
		}
		return "", &identity.CardError{Fault: identity.CardServiceUnproved, Retries: -1, Err: err}
	}
}

// Promise mutual-machine.
func TestNoCardIsMadeReadyBeforeTheMutualProof(t *testing.T) {
	h, g := machineWithGuard(t)
	g.proves(identity.ErrCardServiceKey)
	_, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{Password: "secret"})
	if !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "are not proved to each other") || h.srv.begins.Load() != 0 {
		t.Fatalf("%v; the server was asked %d times", err, h.srv.begins.Load())
	}
	g.proves(nil)
	h.enrolsCard(h.begins())
	if p := g.orders[0].Proved; p != "environment" {
		t.Errorf("the order was made in %q", p)
	}
}

// Promise mutual-machine.
func TestStatusSaysWhyNoPINIsAskedForAndHowToMendIt(t *testing.T) {
	h, g := machineWithGuard(t)
	finding := func() (f report.Finding) {
		h.clk.pass(10 * time.Second)
		a, err := h.enrol(1000, report.VerbStatus, nil)
		must(t, err)
		for _, f := range a.(report.Status).Findings {
			if f.Check == "cards" {
				return f
			}
		}
		return report.Finding{}
	}
	for _, c := range []struct {
		err  error
		mend string
	}{
		{identity.ErrCardServiceOff, "card-keys"},
		{identity.ErrCardServiceKey, "mutual_index"},
		{identity.ErrCardServiceProof, "mutual_roots"},
		{provider.ErrOffline, `mutual = "online"`},
		{errors.New("something\x1b[2J"), "log"},
	} {
		g.proves(c.err)
		if f := finding(); f.Severity != report.Warning || !strings.Contains(f.Mend, c.mend) || strings.Contains(f.Detail, "\x1b") ||
			!strings.Contains(f.Detail, "No PIN is asked for here") {
			t.Errorf("%v: %+v", c.err, f)
		}
	}
	g.proves(nil)
	if f := finding(); f.Check != "" {
		t.Errorf("mended: %+v", f)
	}
	before := g.proved
	for range 5 {
		if _, err := h.enrol(1000, report.VerbStatus, nil); err != nil {
			t.Fatal(err)
		}
	}
	if g.proved != before {
		t.Errorf("who asks for the status again and again has %d proofs made", g.proved-before)
	}
}

// Promise card-signature.
func TestAStoredTokenThatIsNotTheNewestNamesNoCard(t *testing.T) {
	h, card := machineWithCard(t)
	newer := token("alice", aliceUID)
	newer.Revision = h.d.Directory().WithUUID(h.alice()).Revision() + 1
	e := directory.NewEntry(&newer, h.clk.now())
	if _, err := h.d.SignedToken(bg, e); err == nil {
		t.Error("it is taken")
	}
	if _, err := cards.Fits(&identity.IDToken{Factors: []identity.Factor{{Kind: piv, Certificate: card.der}}}, identity.CardSeen{Fingerprint: []byte("other")}, h.clk.now()); err == nil {
		t.Error("a card that is not the account's is taken")
	}
}
