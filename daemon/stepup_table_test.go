package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
)

// The policies of the table, and what they demand beyond a password.
func policies() map[string]policy.Service {
	return map[string]policy.Service{
		"no policy":       {},
		"step up":         {StepUp: true},
		"short":           {StepUp: true, MaxAge: time.Minute},
		"code":            {StepUp: true, Factors: []identity.FactorKind{identity.TOTP}},
		"group":           {StepUp: true, Require: []uuid.UUID{stuff.UUID}},
		"strong group":    {StepUp: true, Require: []uuid.UUID{wheel().UUID}},
		"another's group": {StepUp: true, Require: []uuid.UUID{uuid.MustParse("33333333-3333-4333-8333-333333333333")}},
		"nobody's group":  {StepUp: true, Require: []uuid.UUID{uuid.Nil}}, // of another realm
		"each time, code": {Factors: []identity.FactorKind{identity.TOTP}},
	}
}

// What became of the proof before the second question is asked; asks tells
// whether there is none then that counts.
type fate struct {
	asks  bool
	out   bool // refused whatever is typed
	close bool // the daemon or the machine began anew
	ends  bool // nothing can be checked offline any more, so nothing is asked there
	do    func(h *testMachine, s *sudo)
}

func fates(code bool) map[string]fate {
	held := func() identity.IDToken { return aliceHeld(code) }
	return map[string]fate{
		"none":       {asks: true, do: func(h *testMachine, _ *sudo) { h.d.proofs.ForgetAll() }},
		"fresh":      {do: func(*testMachine, *sudo) {}},
		"nearly old": {do: func(h *testMachine, _ *sudo) { h.clk.pass(59 * time.Second); h.truth.pass(59 * time.Second) }},
		"old":        {asks: true, do: func(h *testMachine, _ *sudo) { h.clk.pass(5*time.Minute + 1); h.truth.pass(5*time.Minute + 1) }},
		"old, clock back": {asks: true, do: func(h *testMachine, _ *sudo) {
			h.clk.pass(6 * time.Minute)
			h.clk.set(h.clk.now().Add(-6 * time.Minute))
		}},
		"other terminal":    {asks: true, do: func(_ *testMachine, s *sudo) { s.session.Terminal++ }},
		"other session":     {asks: true, do: func(_ *testMachine, s *sudo) { s.session.Audit++ }},
		"other leader":      {asks: true, do: func(_ *testMachine, s *sudo) { s.session.Leader++ }},
		"leader came again": {asks: true, do: func(_ *testMachine, s *sudo) { s.session.Started++ }},
		"no place":          {asks: true, do: func(_ *testMachine, s *sudo) { s.session = identity.LoginSession{} }},
		"other asker":       {asks: true, do: func(_ *testMachine, s *sudo) { s.asker = "local" }},
		"not root's word":   {asks: true, do: func(_ *testMachine, s *sudo) { s.uid = 1900000100 }},
		"another uid":       {asks: true, out: true, do: func(_ *testMachine, s *sudo) { s.uid = 1900000101 }},
		"dropped": {asks: true, do: func(h *testMachine, _ *sudo) {
			must(h.t, h.d.Handle(bg, identity.Peer{UID: 1900000100}, "drop", []byte(`{}`), func(any) error { return nil }))
		}},
		"logged out": {asks: true, do: func(h *testMachine, s *sudo) {
			h.sudo(identity.OpCloseSession, sudo{service: "login", user: "alice", session: identity.LoginSession{Audit: 7, Leader: 1, Started: 1}})
		}},
		"another logged out": {do: func(h *testMachine, s *sudo) {
			h.sudo(identity.OpCloseSession, sudo{service: "login", user: "alice", session: identity.LoginSession{Audit: 8, Terminal: 5, Leader: 1, Started: 1}})
		}},
		"sudo's session ends": {do: func(h *testMachine, s *sudo) { h.sudo(identity.OpCloseSession, *s) }},
		"other boot":          {asks: true, close: true, do: func(h *testMachine, _ *sudo) { h.clk.reboot(time.Minute); h.truth.pass(time.Minute) }},
		"disabled": {asks: true, out: true, do: func(h *testMachine, _ *sudo) {
			h.push(held(), func(t *identity.IDToken) { t.State = identity.Disabled })
		}},
		"disabled and enabled": {asks: true, ends: true, do: func(h *testMachine, _ *sudo) {
			h.push(held(), func(t *identity.IDToken) { t.State = identity.Disabled })
			h.push(held(), func(*identity.IDToken) {})
		}},
		"another password": {asks: true, ends: true, do: func(h *testMachine, _ *sudo) {
			h.push(held(), func(t *identity.IDToken) { t.Factors[0].Epoch++ })
		}},
		"another factor": {asks: true, ends: true, do: func(h *testMachine, _ *sudo) {
			h.push(held(), func(t *identity.IDToken) {
				t.Factors = append(t.Factors[:1:1], identity.Factor{Kind: identity.TOTP, Epoch: 9})
			})
		}},
		"gone": {asks: true, out: true, do: func(h *testMachine, _ *sudo) {
			must(h.t, h.d.Apply(bg, resolver.Update{Gone: []uuid.UUID{held().Account.UUID}}))
			h.srv.remove(held().Account.UUID)
		}},
	}
}

func aliceHeld(code bool) identity.IDToken {
	tok := token("alice", 1900000100, stuff, wheel())
	if code {
		tok.Factors = append(tok.Factors, identity.Factor{Kind: identity.TOTP, Epoch: 1})
	}
	return tok
}

// push brings a change of an account, as if the server had sent it just now.
func (h *testMachine) push(tok identity.IDToken, change func(*identity.IDToken)) {
	h.t.Helper()
	change(&tok)
	h.srv.set(h.t, tok, func(p *person) { p.token = tok })
	if h.d.Link().Now() == resolver.Online {
		want := tok.State
		h.wait("the change", func() bool {
			e := h.d.Directory().WithUUID(tok.Account.UUID)
			h.srv.mu.Lock()
			defer h.srv.mu.Unlock()
			return e != nil && e.State() == want && e.Revision() == h.srv.people[tok.Account.UUID].token.Revision
		})
		return
	}
	h.srv.mu.Lock()
	tok.Revision = h.srv.people[tok.Account.UUID].token.Revision
	h.srv.mu.Unlock()
	h.give(tok)
}

// TestEveryPolicyMeetsEveryProof is the table of step-up: what a service demands,
// what became of the proof, online and offline, and with a code or without.
// Promise proof-place, proof-fresh, proof-ends, strength-everything.
func TestEveryPolicyMeetsEveryProof(t *testing.T) {
	for _, where := range []string{"online", "offline"} {
		for _, code := range []bool{false, true} {
			for name, p := range policies() {
				for what, f := range fates(code) {
					t.Run(fmt.Sprintf("%s, code %t, %s, %s", where, code, name, what), func(t *testing.T) {
						tableRow(t, where, code, name, p, f)
					})
				}
			}
		}
	}
}

func tableRow(t *testing.T, where string, code bool, name string, p policy.Service, f fate) {
	t.Helper()
	h := newTestMachine(t, func(h *testMachine) { h.policy.Services = map[string]policy.Service{"sudo": p} })
	h.srv.set(t, aliceHeld(code), func(who *person) {
		if code {
			who.secret, who.shared = aliceSecret, true
		}
	})
	h.online()
	typed := func() []string {
		if code {
			return []string{"secret", h.code(0)}
		}
		return []string{"secret"}
	}
	h.expect(identity.Granted, "alice", typed()...)
	h.clk.pass(2 * identity.TOTPPeriod * time.Second) // her generator shows another code
	h.truth.pass(2 * identity.TOTPPeriod * time.Second)
	if where == "offline" {
		h.lost()
	}
	strong := code || name != "code" && name != "strong group" && name != "each time, code"
	closed := len(p.Require) > 0 && strings.HasSuffix(name, "'s group")
	may := strong && !closed
	s := ofAlice()
	began := h.d.Clock().Boottime()
	first, conv := h.sudo(identity.OpAuthenticate, s, typed()...)
	if (first == identity.Granted) != may || len(conv.prompts) == 0 {
		t.Fatalf("the first: %s, asked %q, told %q; may %t", first, conv.prompts, conv.told, may)
	}
	f.do(h, &s)
	if f.close {
		h.restart()
		if where == "online" {
			h.online()
		} else {
			h.lostAgain()
		}
	}
	old := f.asks || !p.StepUp || !may
	if name == "short" && f.do != nil && h.d.Clock().Boottime() > began+time.Minute {
		old = true
	}
	for _, op := range []identity.Operation{identity.OpAuthenticate, identity.OpAccount} {
		left := h.remembered()
		got, conv := h.sudo(op, s)
		asked := len(conv.prompts) > 0
		switch {
		case f.out || op == identity.OpAccount && closed:
			if got == identity.Granted {
				t.Errorf("%s: %s", op, got)
			}
		case op == identity.OpAccount && !p.StepUp:
			if got != identity.Granted || asked {
				t.Errorf("%s: %s, asked %t", op, got, asked)
			}
		case old:
			if got == identity.Granted || asked == (f.ends && where == "offline") {
				t.Errorf("%s without a proof: %s, asked %t", op, got, asked)
			}
		default:
			if got != identity.Granted || asked {
				t.Errorf("%s with a proof: %s, asked %t, told %q", op, got, asked, conv.told)
			}
		}
		if now := h.remembered(); now != left && !f.out {
			t.Errorf("%s: an answer that never came changed what is remembered: %s, was %s", op, now, left)
		}
	}
}

// remembered is what alice and bob have proved, as a text that can be compared.
func (h *testMachine) remembered() string {
	of := &h.d.proofs.StepUps
	return fmt.Sprint(of.Of(token("alice", 1).Account.UUID, 0), of.Of(token("bob", 1).Account.UUID, 0))
}

// lostAgain begins offline, after a restart.
func (h *testMachine) lostAgain() {
	h.t.Helper()
	h.run()
	h.wait("offline", func() bool { return h.d.Link().Now() == resolver.Offline })
}
