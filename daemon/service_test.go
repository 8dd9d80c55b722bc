package daemon

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/identity"
)

func TestEachDemandOfAServiceIsJudgedByItself(t *testing.T) {
	password := []identity.FactorKind{identity.Password}
	both := []identity.FactorKind{identity.Password, identity.TOTP}
	foreign := uuid.MustParse("33333333-3333-4333-8333-333333333333")
	for sentence, c := range map[string]struct {
		service policy.Service
		proved  []identity.FactorKind // nil: it is not known what
		want    identity.Code
	}{
		"nothing":                             {policy.Service{}, password, identity.Granted},
		"a code, with a password":             {policy.Service{Factors: []identity.FactorKind{identity.TOTP}}, password, identity.NotPermitted},
		"a code, with a code too":             {policy.Service{Factors: []identity.FactorKind{identity.TOTP}}, both, identity.Granted},
		"a code, where nothing is known":      {policy.Service{Factors: []identity.FactorKind{identity.TOTP}}, nil, identity.Granted},
		"points that nothing comes to":        {policy.Service{Points: 50}, both, identity.NotPermitted},
		"a group that she is in":              {policy.Service{Require: []uuid.UUID{stuff.UUID}}, password, identity.Granted},
		"a group that she is not in":          {policy.Service{Require: []uuid.UUID{foreign}}, both, identity.NotPermitted},
		"the same, where nothing is known":    {policy.Service{Require: []uuid.UUID{foreign}}, nil, identity.NotPermitted},
		"the second of two groups":            {policy.Service{Require: []uuid.UUID{stuff.UUID, foreign}}, both, identity.NotPermitted},
		"a group that demands a code, passed": {policy.Service{Require: []uuid.UUID{wheel().UUID}}, both, identity.Granted},
		"a group that demands a code, not":    {policy.Service{Require: []uuid.UUID{wheel().UUID}}, password, identity.NotPermitted},
		"a group of another realm":            {policy.Service{Require: []uuid.UUID{uuid.Nil}}, nil, identity.NotPermitted},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t, func(h *testMachine) { h.policy.Services = map[string]policy.Service{"sudo": c.service} })
			h.give(aliceHeld(true))
			q := checks.Question{Typed: "alice", Service: "sudo", Entry: h.d.Directory().WithUID(1900000100), Methods: c.proved}
			if r := h.d.checks.Run(bg, serviceCheck(), &q, nil); r.Code != c.want {
				t.Errorf("%s: %s", r.Code, r.Detail)
			}
		})
	}
}

// serviceCheck is that row of the decision alone.
func serviceCheck() []checks.Check {
	return slices.DeleteFunc(checks.Access(), func(c checks.Check) bool { return c.Name != "service" })
}

func TestWhatEndsAProofEndsItByItself(t *testing.T) {
	h := newTestMachine(t)
	h.give(aliceHeld(true))
	e := h.d.Directory().WithUID(1900000100)
	password, code := identity.Factor{Kind: identity.Password, Epoch: 1}, identity.Factor{Kind: identity.TOTP, Epoch: 1}
	boot, wall := h.d.Clock().Boottime(), h.d.Clock().Now().Unix()
	short := policy.Service{StepUp: true, MaxAge: time.Minute}
	for sentence, c := range map[string]struct {
		service policy.Service
		proof   proofs.Proof
		counts  bool
	}{
		"just made":                   {short, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot}, true},
		"as old as it may be":         {short, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot - time.Minute}, true},
		"older":                       {short, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot - time.Minute - 1}, false},
		"of a time to come":           {short, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot + 1}, false},
		"no age is set: four minutes": {policy.Service{StepUp: true}, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot - 4*time.Minute}, true},
		"no age is set: six minutes":  {policy.Service{StepUp: true}, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot - 6*time.Minute}, false},
		"the server's word holds":     {short, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot, Expires: wall}, true},
		"the server's word is over":   {short, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot, Expires: wall - 1}, false},
		"a factor is too few":         {short, proofs.Proof{Factors: []identity.Factor{password}, At: boot}, false},
		"nothing was proved":          {short, proofs.Proof{At: boot}, false},
		"another password":            {short, proofs.Proof{Factors: []identity.Factor{{Kind: identity.Password, Epoch: 2}, code}, At: boot}, false},
		"the service demands a card":  {policy.Service{StepUp: true, Factors: []identity.FactorKind{identity.PIV}}, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot}, false},
		"the service demands a group": {policy.Service{StepUp: true, Require: []uuid.UUID{uuid.Nil}}, proofs.Proof{Factors: []identity.Factor{password, code}, At: boot}, false},
	} {
		if why := h.d.stale(c.service, e, c.proof); (why == "") != c.counts {
			t.Errorf("%s: %q", sentence, why)
		}
	}
}

func TestAServiceLooksForProofsWhereItKeepsThem(t *testing.T) {
	unaudited := desk()
	unaudited.Audit = identity.NoAuditSession
	for sentence, c := range map[string]struct {
		whole, looks bool
		kept         identity.LoginSession
	}{
		"of a terminal, at one":                    {false, true, desk()},
		"of a terminal, of a whole session":        {false, false, identity.LoginSession{Audit: 7}},
		"of a session, at a terminal":              {true, false, desk()},
		"of a session, of a whole one":             {true, true, identity.LoginSession{Audit: 7}},
		"of a session that the kernel has no word": {true, true, unaudited},
	} {
		if got := (policy.Service{StepUp: true, WholeSession: c.whole}).LooksAt(c.kept); got != c.looks {
			t.Errorf("%s: %t", sentence, got)
		}
	}
}

func TestOnlyWhoIsSignedInHereStepsUp(t *testing.T) {
	h := machineWithSudo(t)
	for sentence, c := range map[string]struct {
		service string
		peer    uint32
		session identity.LoginSession
		want    bool
	}{
		"sudo":                      {"sudo", 0, desk(), true},
		"a service without step-up": {"login", 0, desk(), false},
		"a program of her own":      {"sudo", 1900000100, desk(), false},
		"nobody knows where":        {"sudo", 0, identity.LoginSession{}, false},
	} {
		s := &login{d: h.d.Gate, Login: identity.Login{Service: c.service, Session: c.session, Peer: identity.Peer{UID: c.peer}}}
		s.q.Entry = h.d.Directory().WithUID(1900000100)
		if got := s.steppingUp(); got != c.want {
			t.Errorf("%s: %t", sentence, got)
		}
	}
}

// alice proved her password, and is refused for what sudo demands beyond it.
func TestWhatWasProvedInARefusedAttemptIsNotRemembered(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.Services = map[string]policy.Service{"sudo": {StepUp: true, Require: []uuid.UUID{uuid.Nil}}}
	})
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	c, conv := h.sudo(identity.OpAuthenticate, ofAlice(), "secret")
	if c == identity.Granted || len(conv.prompts) != 1 {
		t.Fatalf("%s, prompts %q", c, conv.prompts)
	}
	if list := h.d.proofs.StepUps.Of(token("alice", 1).Account.UUID, 0); len(list) != 0 {
		t.Errorf("remembered: %v", list)
	}
}

func TestARememberedProofIsWhatTheSessionEarnsBy(t *testing.T) {
	h := machineWithSudo(t)
	if c, _ := h.sudo(identity.OpAuthenticate, ofAlice(), "secret"); c != identity.Granted {
		t.Fatal(c)
	}
	l := &login{d: h.d.Gate, Login: identity.Login{Service: "sudo", User: "alice", RemoteUser: "alice", Session: desk()}, q: checks.Question{Typed: "alice", Service: "sudo"}}
	if r := l.preChecks(bg); r.Code != identity.Granted {
		t.Fatal(r)
	}
	yes := checks.Check{Name: "yes", Rule: func(*checks.Checker, context.Context, *checks.Question) checks.Ruling { return checks.Fine("") }}
	if !l.again(bg, yes) || len(l.proved) != 1 || len(l.q.Methods) != 1 {
		t.Errorf("proved %v, by %v", l.proved, l.q.Methods)
	}
}

func TestWhatEndsNoSessionOfHersVoidsNoProof(t *testing.T) {
	h := machineWithSudo(t)
	if c, _ := h.sudo(identity.OpAuthenticate, ofAlice(), "secret"); c != identity.Granted {
		t.Fatal(c)
	}
	own := sudo{service: "login", user: "alice", session: desk(), uid: 1900000100}
	for sentence, s := range map[string]sudo{"sudo's own session": ofAlice(), "a program of hers": own} {
		h.sudo(identity.OpCloseSession, s)
		if c, conv := h.sudo(identity.OpAuthenticate, ofAlice()); c != identity.Granted {
			t.Errorf("%s: %s, prompts %q", sentence, c, conv.prompts)
		}
	}
}

// Her uid changed on the server, which this machine refuses.
func TestWhoIsRefusedHereLosesWhatWasProved(t *testing.T) {
	h := machineWithSudo(t)
	if c, _ := h.sudo(identity.OpAuthenticate, ofAlice(), "secret"); c != identity.Granted {
		t.Fatal(c)
	}
	h.srv.set(t, token("alice", 1900000100, stuff), func(p *person) { p.token.Account.UID++ })
	id := token("alice", 1).Account.UUID
	h.wait("the change", func() bool { e := h.d.Directory().WithUUID(id); return e != nil && e.Blocked() != "" })
	h.wait("its end", func() bool { return len(h.d.proofs.StepUps.Of(id, 0)) == 0 })
}
