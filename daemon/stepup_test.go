package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// desk is where ada's sudo runs.
func desk() identity.LoginSession {
	return identity.LoginSession{Audit: 7, Terminal: 34816, Leader: 1234, Started: 99999}
}

// wheel is a group that demands a one-time code.
func wheel() identity.Group {
	return identity.Group{
		UUID: uuid.MustParse("22222222-2222-4222-8222-222222222222"), Name: "wheel", GID: 1900000002, Demands: []identity.FactorKind{identity.TOTP},
	}
}

// sudo is one run of a host program: what it says of itself.
type sudo struct {
	service, user, asker, host string
	uid                        uint32
	session                    identity.LoginSession
}

func ofAlice() sudo { return sudo{service: "sudo", user: "alice", asker: "alice", session: desk()} }

func (h *testMachine) sudo(op identity.Operation, s sudo, answers ...string) (identity.Code, *typist) {
	h.t.Helper()
	conv := typing(answers...)
	v := h.d.Decide(bg, identity.Login{
		Operation: op, Service: s.service, User: s.user, RemoteUser: s.asker, RemoteHost: s.host, Session: s.session, Peer: identity.Peer{UID: s.uid},
	}, conv)
	return v.Code, conv
}

// machineWithSudo is a machine online where alice has a password, and sudo wants a proof.
func machineWithSudo(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.Services = map[string]policy.Service{"sudo": {StepUp: true}, "su": {StepUp: true}}
	})
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.srv.set(t, token("bob", 1900000101, stuff), nil)
	h.online()
	return h
}

// Promise attack-local-proof, proof-place.
func TestAReplayedLoginGrantsNothingElsewhere(t *testing.T) {
	h := machineWithSudo(t)
	recorded := ofAlice()
	if c, _ := h.sudo(identity.OpAuthenticate, recorded, "secret"); c != identity.Granted {
		t.Fatal(c)
	}
	elsewhere := recorded
	elsewhere.session.Leader, elsewhere.session.Started = 77, 5
	for sentence, again := range map[string]sudo{
		"by her own uid": {service: "sudo", user: "alice", asker: "alice", session: desk(), uid: 1900000100},
		"by another uid": {service: "sudo", user: "alice", asker: "alice", session: desk(), uid: 1900000101},
		"from elsewhere": elsewhere,
		"for another":    {service: "sudo", user: "bob", asker: "alice", session: desk()},
	} {
		for _, op := range []identity.Operation{identity.OpAuthenticate, identity.OpAccount} {
			if c, conv := h.sudo(op, again); c == identity.Granted {
				t.Errorf("%s %s: granted, prompts %q", op, sentence, conv.prompts)
			}
		}
	}
	// The answer sent along, too: it proves the password, and is remembered of
	// nobody who is not root.
	kept := h.remembered()
	h.sudo(identity.OpAuthenticate, sudo{service: "sudo", user: "alice", asker: "alice", session: desk(), uid: 1900000100}, "secret")
	if now := h.remembered(); now != kept {
		t.Errorf("remembered %s, was %s", now, kept)
	}
}

// Promise proof-place.
func TestNothingIsRememberedWhereNobodyCanVouchForThePlace(t *testing.T) {
	h := machineWithSudo(t)
	for sentence, s := range map[string]sudo{
		"no place":            {service: "sudo", user: "alice", asker: "alice"},
		"a leader of no time": {service: "sudo", user: "alice", asker: "alice", session: identity.LoginSession{Terminal: 1, Leader: 7}},
		"a time of no leader": {service: "sudo", user: "alice", asker: "alice", session: identity.LoginSession{Terminal: 1, Started: 7}},
		"her own word":        {service: "sudo", user: "alice", asker: "alice", session: desk(), uid: 1900000100},
		"no step-up":          {service: "login", user: "alice", session: desk()},
	} {
		for range 2 {
			if c, conv := h.sudo(identity.OpAuthenticate, s, "secret"); c != identity.Granted || len(conv.prompts) != 1 {
				t.Errorf("%s: %s, prompts %q", sentence, c, conv.prompts)
			}
		}
	}
	if list := h.d.proofs.StepUps.Of(token("alice", 1).Account.UUID, 0); len(list) != 0 {
		t.Errorf("remembered: %v", list)
	}
}

// Promise proof-session.
func TestAProofOfASessionCountsInAllOfItAndNowhereElse(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.Services = map[string]policy.Service{"sudo": {StepUp: true, WholeSession: true}, "su": {StepUp: true}}
	})
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	asked := func(sentence string, s sudo, want bool) {
		t.Helper()
		c, conv := h.sudo(identity.OpAuthenticate, s, "secret")
		if c != identity.Granted || (len(conv.prompts) > 0) != want {
			t.Errorf("%s: %s, prompts %q", sentence, c, conv.prompts)
		}
	}
	at := func(session identity.LoginSession) sudo { return sudo{"sudo", "alice", "alice", "", 0, session} }
	task := func(n uint32, audit uint32) sudo {
		return at(identity.LoginSession{Audit: audit, Leader: n, Started: uint64(n)})
	}
	asked("the first of a connection", task(10, 7), true)
	asked("the next, without a terminal", task(11, 7), false)
	asked("the next, at a new terminal", at(identity.LoginSession{Audit: 7, Terminal: 9, Leader: 12, Started: 12}), false)
	asked("another connection", task(13, 8), true)
	asked("no connection that the kernel knows", task(14, identity.NoAuditSession), true)
	asked("the next of those", task(15, identity.NoAuditSession), true)
	su := at(identity.LoginSession{Audit: 7, Terminal: 9, Leader: 12, Started: 12})
	su.service = "su"
	asked("a service whose proofs are of a terminal", su, true)
	other := task(16, 7)
	other.asker = "bob"
	asked("asked for by another", other, true)

	v := h.d.proofs.StepUps.Of(token("alice", 1).Account.UUID, 0)
	for _, p := range v {
		whole := p.Session.Leader == 0
		for _, s := range h.d.describeProof(h.d.Directory().WithUID(1900000100), p).Services {
			if (s.Service == "sudo") != whole && p.Session.Audit != identity.NoAuditSession {
				t.Errorf("a proof of %+v is said to count for %s", p.Session, s.Service)
			}
		}
	}
	if len(v) < 5 {
		t.Errorf("remembered %v", v)
	}
	h.d.Decide(bg, identity.Login{Operation: identity.OpCloseSession, Service: "sshd", User: "alice", Session: desk()}, typing())
	asked("after the connection is closed", task(17, 7), true)
}

// The server says for how long its word counts, whatever the age that policy allows.
// Promise attack-person-weak-proof, proof-server-word.
func TestAProofDoesNotOutliveTheServersWord(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.Services = map[string]policy.Service{"sudo": {StepUp: true, MaxAge: 24 * time.Hour}}
	})
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	h.srv.tamper = func(r *provider.Reply) {
		if r.Session != nil {
			r.Session.ExpiresAt = h.d.Clock().Now().Add(10 * time.Minute).Unix()
		}
	}
	asked := func() int {
		c, conv := h.sudo(identity.OpAccount, ofAlice(), "secret")
		if c != identity.Granted {
			t.Fatal(c)
		}
		return len(conv.prompts)
	}
	if n := asked(); n != 1 {
		t.Fatalf("%d prompts at first", n)
	}
	pass := func(d time.Duration) { h.clk.pass(d); h.truth.pass(d) }
	pass(10 * time.Minute)
	if n := asked(); n != 0 {
		t.Errorf("%d prompts while the word of the server counts", n)
	}
	pass(time.Second)
	if n := asked(); n != 1 {
		t.Errorf("%d prompts after the word of the server has expired, want 1", n)
	}
}

// Promise proof-ends.
func TestAProofThatIsForgottenWhileItIsMadeIsNotKept(t *testing.T) {
	for sentence, forget := range map[string]func(h *testMachine){
		"dropped": func(h *testMachine) { h.d.proofs.StepUps.Forget(token("alice", 1).Account.UUID, nil) },
		"cleared": func(h *testMachine) { must(h.t, h.d.ForgetEverything(bg)); h.give(token("alice", 1900000100, stuff)) },
		"disabled and enabled": func(h *testMachine) {
			h.push(token("alice", 1900000100, stuff), func(t *identity.IDToken) { t.State = identity.Disabled })
			h.push(token("alice", 1900000100, stuff), func(*identity.IDToken) {})
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := machineWithSudo(t)
			w := h.d.proofs.StepUps.Begin(proofs.Place{Account: token("alice", 1).Account.UUID})
			forget(h)
			h.d.proofs.StepUps.Keep(w, proofs.Proof{})
			h.d.proofs.StepUps.Done(w)
			if s := h.remembered(); s != "[] []" {
				t.Errorf("remembered: %s", s)
			}
		})
	}
}

// While somebody types a password for sudo, other sessions of theirs come and go: cron's,
// root's su, another ssh.
// Promise proof-other-session.
// Promise clients-sudo-question.
func TestASessionThatEndsElsewhereVoidsNoProof(t *testing.T) {
	other := identity.LoginSession{Audit: 8, Terminal: 34817, Leader: 4321, Started: 88888}
	unaudited := desk()
	unaudited.Audit = identity.NoAuditSession
	for sentence, c := range map[string]struct {
		at, ends identity.LoginSession
		kept     bool
	}{
		"another ssh":                 {desk(), other, true},
		"cron, audited":               {desk(), identity.LoginSession{Audit: 9, Leader: 5, Started: 5}, true},
		"cron, unaudited":             {desk(), identity.LoginSession{Audit: identity.NoAuditSession, Leader: 5, Started: 5}, true},
		"root's su at another tty":    {desk(), identity.LoginSession{Audit: identity.NoAuditSession, Terminal: 5, Leader: 5, Started: 5}, true},
		"nothing is known of it":      {desk(), identity.LoginSession{}, true},
		"cron, where nobody is":       {unaudited, identity.LoginSession{Leader: 5, Started: 5}, true},
		"its own":                     {desk(), desk(), false},
		"its own, from another place": {desk(), identity.LoginSession{Audit: 7, Leader: 1, Started: 1}, false},
		"its terminal's":              {unaudited, identity.LoginSession{Terminal: desk().Terminal, Leader: 1, Started: 1}, false},
		"unaudited, other terminals":  {unaudited, identity.LoginSession{Audit: identity.NoAuditSession, Terminal: 5, Leader: 5, Started: 5}, true},
		"no number, other terminals":  {identity.LoginSession{Terminal: 4, Leader: 6, Started: 6}, identity.LoginSession{Terminal: 5, Leader: 5, Started: 5}, true},
		"one that is less known":      {identity.LoginSession{Audit: 7, Leader: 6, Started: 6}, identity.LoginSession{Leader: 5, Started: 5}, true},
		"one that is better known":    {identity.LoginSession{Leader: 6, Started: 6}, identity.LoginSession{Audit: 8, Leader: 5, Started: 5}, true},
		"one as little known":         {identity.LoginSession{Leader: 6, Started: 6}, identity.LoginSession{Leader: 5, Started: 5}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := machineWithSudo(t)
			at := proofs.Place{Account: token("alice", 1).Account.UUID, Session: c.at}
			before, during := at, at
			before.Asker = "alice"
			h.d.proofs.StepUps.Keep(h.d.proofs.StepUps.Begin(before), proofs.Proof{At: 1})
			w := h.d.proofs.StepUps.Begin(during)
			h.sudo(identity.OpCloseSession, sudo{service: "login", user: "alice", session: c.ends})
			h.d.proofs.StepUps.Keep(w, proofs.Proof{At: 1})
			if _, kept := h.d.proofs.StepUps.At(before); kept != c.kept {
				t.Errorf("what was proved before: kept %t", kept)
			}
			if _, kept := h.d.proofs.StepUps.At(during); kept != c.kept {
				t.Errorf("what is being proved: kept %t", kept)
			}
		})
	}
}

func TestAProofForOneServiceIsNoneWhereNoneIsRemembered(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.Services = map[string]policy.Service{"sudo": {StepUp: true}, "vlock": {}}
	})
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	if c, _ := h.sudo(identity.OpAuthenticate, ofAlice(), "secret"); c != identity.Granted {
		t.Fatal(c)
	}
	for _, service := range []string{"vlock", "login"} {
		s := ofAlice()
		s.service = service
		if c, conv := h.sudo(identity.OpAuthenticate, s, "secret"); c != identity.Granted || len(conv.prompts) != 1 {
			t.Errorf("%s: %s, prompts %q", service, c, conv.prompts)
		}
	}
}

func TestAProofThatEndsWhileItIsJudgedIsNone(t *testing.T) {
	h := machineWithSudo(t)
	s := ofAlice()
	if c, _ := h.sudo(identity.OpAuthenticate, s, "secret"); c != identity.Granted {
		t.Fatal(c)
	}
	l := &login{d: h.d.Gate, Login: identity.Login{Service: "sudo", User: "alice", RemoteUser: "alice", Session: desk()}, q: checks.Question{Typed: "alice", Service: "sudo"}}
	if r := l.preChecks(bg); r.Code != identity.Granted {
		t.Fatal(r)
	}
	drops := checks.Check{Name: "drops", Rule: func(_ *checks.Checker, _ context.Context, q *checks.Question) checks.Ruling {
		h.d.proofs.StepUps.Forget(q.Entry.Account().UUID, nil)
		return checks.Fine("")
	}}
	yes := checks.Check{Name: "yes", Rule: func(*checks.Checker, context.Context, *checks.Question) checks.Ruling { return checks.Fine("") }}
	if !l.again(bg, yes) {
		t.Fatal("the proof does not count")
	}
	if l.again(bg, drops) {
		t.Error("a proof that ended while the checks ran counts")
	}
}

// Promise sudo-local.
func TestRootItselfIsAskedForNoProof(t *testing.T) {
	h := machineWithSudo(t)
	for sentence, c := range map[string]struct {
		s    sudo
		free bool
	}{
		"su by root":                     {sudo{service: "su", user: "alice", asker: "root", session: desk()}, true},
		"su by someone":                  {sudo{service: "su", user: "alice", asker: "local", session: desk()}, false},
		"someone called root from afar":  {sudo{service: "su", user: "alice", asker: "root", host: "elsewhere", session: desk()}, false},
		"someone who says he is root":    {sudo{service: "su", user: "alice", asker: "root", session: desk(), uid: 1900000100}, false},
		"sudo, where nobody says who":    {sudo{service: "sudo", user: "alice", session: desk()}, false},
		"a service without a policy":     {sudo{service: "sshd", user: "alice", session: desk()}, true},
		"a service that is nearly sudo":  {sudo{service: "sudo ", user: "alice", session: desk()}, true},
		"a place that nobody can vouch ": {sudo{service: "sudo", user: "alice", asker: "alice"}, false},
	} {
		if got, conv := h.sudo(identity.OpAccount, c.s); (got == identity.Granted) != c.free || (len(conv.prompts) == 0) != c.free {
			t.Errorf("%s: %s, prompts %q", sentence, got, conv.prompts)
		}
	}
}

// Promise proof-fresh.
func TestTheAccountPhaseAsksAndSaysWhatIsWrong(t *testing.T) {
	h := machineWithSudo(t)
	got, conv := h.sudo(identity.OpAccount, ofAlice(), "wrong")
	if got != identity.NotPermitted || len(conv.told) == 0 || conv.told[len(conv.told)-1] != "That was not right, and sudo demands a fresh proof. Run the command again." {
		t.Errorf("%s, told %q", got, conv.told)
	}
	if got, conv = h.sudo(identity.OpAccount, ofAlice(), "secret"); got != identity.Granted || conv.prompts[0] != "Password for alice: " {
		t.Errorf("%s, prompts %q", got, conv.prompts)
	}
	if got, conv = h.sudo(identity.OpAuthenticate, ofAlice()); got != identity.Granted || len(conv.prompts) != 0 {
		t.Errorf("%s, prompts %q", got, conv.prompts)
	}
}

// Promise attack-local-others, proof-ends.
func TestOnlyRootDropsAndSeesOthersProofs(t *testing.T) {
	for sentence, c := range map[string]struct {
		peer uint32
		verb string
		args string
		left int // of the two, alice's and bob's
		fail bool
	}{
		"her own":                     {1900000100, "drop", `{}`, 1, false},
		"her own by name":             {1900000100, "drop", `{"name":"alice"}`, 1, false},
		"of her session":              {1900000100, "drop", `{"session":{"audit":7,"terminal":0,"leader":9,"started":9}}`, 1, false},
		"of another session":          {1900000100, "drop", `{"session":{"audit":4294967295,"terminal":0,"leader":9,"started":9}}`, 2, false},
		"another's":                   {1900000100, "drop", `{"name":"bob"}`, 2, true},
		"nobody's":                    {1900000100, "drop", `{"name":"nobody"}`, 2, true},
		"root, of bob":                {0, "drop", `{"name":"bob"}`, 1, false},
		"root, of itself":             {0, "drop", `{}`, 2, true},
		"root, of who is not there":   {0, "drop", `{"name":"carol"}`, 2, true},
		"a stranger":                  {4711, "drop", `{}`, 2, true},
		"an argument that is unknown": {0, "drop", `{"nam":"bob"}`, 2, true},
		"root is nobody of the realm": {0, "whoami", `{"session":{"audit":7,"terminal":0,"leader":9,"started":9}}`, 2, true},
		"she asks who she is":         {1900000100, "whoami", `{"session":{"audit":7,"terminal":0,"leader":9,"started":9}}`, 2, false},
		"without saying where she is": {1900000100, "whoami", `nonsense`, 2, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := machineWithSudo(t)
			bob := ofAlice()
			bob.user, bob.asker = "bob", "bob"
			for _, s := range []sudo{ofAlice(), bob} {
				if c, _ := h.sudo(identity.OpAuthenticate, s, "secret"); c != identity.Granted {
					t.Fatal(c)
				}
			}
			err := h.d.Handle(bg, identity.Peer{UID: c.peer}, c.verb, []byte(c.args), func(any) error { return nil })
			left := len(h.d.proofs.StepUps.Of(token("alice", 1).Account.UUID, 0)) + len(h.d.proofs.StepUps.Of(token("bob", 1).Account.UUID, 0))
			if (err != nil) != c.fail || left != c.left {
				t.Errorf("%v; %d are left, want %d", err, left, c.left)
			}
		})
	}
}
