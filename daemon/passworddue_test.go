package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// What an administrator decides about ssh keys of people whose password has to be changed.
// Promise password-due-key.
func TestADuePasswordMayBarALoginWithoutIt(t *testing.T) {
	const refused = "Your password must be changed. Until then sshd takes nothing else. Log in with the password."
	for sentence, c := range map[string]struct {
		rule     policy.DueByKey
		service  string
		due      bool
		password bool // let in by it, and not by an ssh key
		offline  bool
		want     identity.Code
		told     string
		explain  string // that a login without it meets
	}{
		"refuse, a key":                  {policy.DueRefuses, "sshd", true, false, false, identity.NotPermitted, refused, "refuse"},
		"refuse, a key, offline":         {policy.DueRefuses, "sshd", true, false, true, identity.NotPermitted, refused, "refuse"},
		"refuse, the password":           {policy.DueRefuses, "sshd", true, true, false, identity.NewPasswordNeeded, "Your password must be changed now.", "refuse"},
		"refuse, it need not change":     {policy.DueRefuses, "sshd", false, false, false, identity.Granted, "", ""},
		"refuse, a job of cron":          {policy.DueRefuses, "cron", true, false, false, identity.Granted, "", ""},
		"ask, a key":                     {policy.DueAsks, "sshd", true, false, false, identity.NewPasswordNeeded, "Your password must be changed now.", "ask"},
		"ask, a key, offline":            {policy.DueAsks, "sshd", true, false, true, identity.Granted, "Your password must be changed. Run passwd when online.", "ask"},
		"ask, it need not change":        {policy.DueAsks, "sshd", false, false, false, identity.Granted, "", ""},
		"let in, which is what is meant": {policy.DueLetsIn, "sshd", true, false, false, identity.Granted, "", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t, func(h *testMachine) { h.policy.Services = map[string]policy.Service{"sshd": {DueByKey: c.rule}} })
			tok := token("alice", 1900000100, stuff)
			if c.due {
				tok.Factors[0].ChangeBy = identity.ChangeNow
			}
			h.srv.set(t, tok, nil)
			h.online()
			p := at(60, 50)
			if c.password {
				if v := h.by(identity.OpAuthenticate, p, nil, "secret"); v.Code != identity.Granted {
					t.Fatal(v.Code)
				}
			}
			if c.offline {
				h.lost()
			}
			conv := typing()
			l := identity.Login{Operation: identity.OpAccount, Service: c.service, User: "alice", Process: p, TTY: "tty1", Caller: nobodysLogin()}
			if v := h.d.Decide(bg, l, conv); v.Code != c.want || strings.Join(conv.told, "|") != c.told {
				t.Errorf("%s, told %q", v.Code, conv.told)
			}
			x := h.d.Explain(bg, report.ExplainArgs{Name: "alice", Service: c.service}, true)
			if (x.Password != nil) != c.due || c.due && x.Password.WithoutIt != c.explain {
				t.Errorf("explain says %+v", x.Password)
			}
		})
	}
}

// Promise password-due-changed, password-due-who.
func TestAPasswordThatIsDueIsAskedForWhereItLetSomebodyIn(t *testing.T) {
	for sentence, c := range map[string]struct {
		changeBy int64 // from now on, where it is not ChangeNow
		byKey    bool  // nothing was proved to us
		by       func(*identity.Login)
		offline  bool
		want     identity.Code
		told     bool
	}{
		"it does not expire":               {0, false, nil, false, identity.Granted, false},
		"it is young enough":               {3600, false, nil, false, identity.Granted, false},
		"it is too old":                    {-1, false, nil, false, identity.NewPasswordNeeded, false},
		"the administrator says so":        {identity.ChangeNow, false, nil, false, identity.NewPasswordNeeded, false},
		"let in by an ssh key":             {identity.ChangeNow, true, nil, false, identity.Granted, false},
		"another process was let in":       {identity.ChangeNow, false, func(l *identity.Login) { l.Process = at(70, 50) }, false, identity.Granted, false},
		"another service was let in":       {identity.ChangeNow, false, func(l *identity.Login) { l.Service = "cron" }, false, identity.Granted, false},
		"a locker of her own":              {identity.ChangeNow, false, func(l *identity.Login) { l.Peer.UID = 1900000100 }, false, identity.Granted, false},
		"the server is away, and it is":    {identity.ChangeNow, false, nil, true, identity.Granted, true},
		"the server is away, and by key":   {identity.ChangeNow, true, nil, true, identity.Granted, false},
		"the server is away, and it isn't": {0, false, nil, true, identity.Granted, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			tok := token("alice", 1900000100, stuff)
			if tok.Factors[0].ChangeBy = c.changeBy; c.changeBy != 0 && c.changeBy != identity.ChangeNow {
				tok.Factors[0].ChangeBy += h.clk.now().Unix()
			}
			h.srv.set(t, tok, nil)
			h.online()
			p := at(60, 50)
			if !c.byKey {
				if v := h.by(identity.OpAuthenticate, p, nil, "secret"); v.Code != identity.Granted {
					t.Fatal(v.Code)
				}
			}
			if c.offline {
				h.lost()
			}
			l := identity.Login{Operation: identity.OpAccount, Service: "sshd", User: "alice", Process: p, TTY: "tty1", Caller: nobodysLogin()}
			if c.by != nil {
				c.by(&l)
			}
			conv := typing()
			v := h.d.Decide(bg, l, conv)
			told := slices.Contains(conv.told, "Your password must be changed. Run passwd when online.")
			if v.Code != c.want || told != c.told {
				t.Errorf("%s, told %q", v.Code, conv.told)
			}
		})
	}
}

// Who has to change the password in the login has earned what they proved before it.
// Promise password-change-groups.
func TestAChangeInTheLoginLosesNoGroupThatWasEarned(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100, stuff, vault())
	h.srv.set(t, tok, coded)
	h.online()
	p := at(60, 50)
	h.signsIn(p)
	h.clk.pass(45 * time.Second) // to another code
	h.truth.pass(45 * time.Second)
	if v := h.by(identity.OpChangePassword, p, func(l *identity.Login) { l.OldPass = identity.NewSecret([]byte("secret")) }, "longer", "longer", h.code(0)); v.Code != identity.Granted {
		t.Fatal(v.Code)
	}
	if v := h.by(identity.OpSetCredentials, p, nil); v.Code != identity.Granted || !slices.Contains(v.Groups, vault().GID) {
		t.Errorf("%s with %v", v.Code, v.Groups)
	}
}

// Promise password-due-no-more.
func TestExplainSaysThatAPasswordIsDue(t *testing.T) {
	h := newTestMachine(t)
	h.online()
	now := h.clk.now().Unix()
	for sentence, c := range map[string]struct {
		changeBy int64
		there    bool
		due, day bool
	}{
		"it does not expire":        {0, false, false, false},
		"it is young enough":        {now + 3600, true, false, true},
		"it is too old":             {now - 1, true, true, true},
		"the administrator says so": {identity.ChangeNow, true, true, false},
	} {
		tok := token("alice", 1900000100)
		tok.Factors[0].ChangeBy = c.changeBy
		h.srv.set(t, tok, func(p *person) { p.token = tok })
		h.wait(sentence, func() bool {
			e := h.d.Directory().Named("alice")
			return e != nil && e.Factors()[0].ChangeBy == c.changeBy
		})
		p := h.explained().Password
		if (p != nil) != c.there || p != nil && (p.Due != c.due || (p.ChangeBy != nil) != c.day) {
			t.Errorf("%s: %+v", sentence, p)
		}
	}
}

// Promise password-due-code.
func TestACodeOfTheLoginIsNotAskedForAgain(t *testing.T) {
	for sentence, c := range map[string]struct {
		due, counts bool
		process     identity.Process
		want        string
	}{
		"it counts":                        {true, true, at(60, 50), "[New password:  Retype new password: ]"},
		"the server wants one after all":   {true, false, at(60, 50), "[New password:  Retype new password:  One-time code: ]"},
		"the password is not due":          {false, true, at(60, 50), "[New password:  Retype new password:  One-time code: ]"},
		"another process was let in by it": {true, true, at(70, 51), "[New password:  Retype new password:  One-time code: ]"},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			tok := token("alice", 1900000100)
			h.srv.set(t, tok, func(p *person) {
				coded(p)
				if p.codeCounts = c.counts; c.due {
					p.token.Factors[0].ChangeBy = identity.ChangeNow
				}
			})
			h.online()
			if v := h.by(identity.OpAuthenticate, at(60, 50), nil, "secret", h.code(0)); v.Code != identity.Granted {
				t.Fatal(v.Code)
			}
			h.later()
			conv := typing("a longer one", "a longer one", h.code(0))
			v := h.d.Decide(bg, identity.Login{
				Operation: identity.OpChangePassword, Service: "sshd", User: "alice", Process: c.process, OldPass: identity.NewSecret([]byte("secret")),
			}, conv)
			if got := fmt.Sprint(conv.prompts); v.Code != identity.Granted || got != c.want {
				t.Errorf("%s, prompts %s, told %q", v.Code, got, conv.told)
			}
		})
	}
}
