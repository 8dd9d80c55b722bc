package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

func (h *testMachine) remote(password ...string) (identity.Verdict, *typist) {
	h.t.Helper()
	l := bySSH("203.0.113.9")
	l.Operation, l.User = identity.OpAuthenticate, "alice"
	conv := typing(password...)
	return h.d.Decide(bg, l, conv), conv
}

// Whatever is the matter with the name, a guess from another host looks like one at a
// name that nobody has, which pam_unix asks for.
// Promise attack-network-names, guess-names.
func TestANameCannotBeTriedOutFromAnotherHost(t *testing.T) {
	for state, c := range map[string]struct {
		make    func(p *person)
		then    func(h *testMachine)
		away    bool
		reason  string // that whoever knows the password is told; "" none
		granted bool   // with the right password
	}{
		"a wrong password":         {granted: true},
		"a wrong password offline": {away: true, granted: true},
		"locked by the server": {then: func(h *testMachine) {
			h.srv.mu.Lock()
			defer h.srv.mu.Unlock()
			for _, p := range h.srv.people {
				p.locked = true
			}
		}},
		"locked here": {away: true, then: func(h *testMachine) {
			for range h.d.p.OfflineTries {
				h.remote("wrong")
			}
		}},
		"not allowed here":                 {then: func(h *testMachine) { h.d.p.AllowAll = false }, reason: "none of the groups that may log in here"},
		"no password that is known here":   {away: true, then: func(h *testMachine) { must(h.t, h.cache.Clear(bg)) }},
		"a code that cannot be checked":    {make: withTOTP, away: true, reason: "one-time code"},
		"away for too long":                {away: true, then: func(h *testMachine) { h.clk.pass(1000 * 24 * time.Hour) }, reason: "Offline"},
		"disabled while it was not looked": {away: true, then: func(h *testMachine) { h.renumbered() }, reason: "refuses"},
	} {
		t.Run(state, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), c.make)
			h.online()
			h.expect(identity.Granted, "alice", "secret", "123456")
			if c.away {
				h.lost()
			}
			if c.then != nil {
				c.then(h)
			}
			v, conv := h.remote("wrong")
			if v.Code != identity.Denied || !slices.Equal(conv.prompts, []string{"Password: "}) || len(conv.told) > 0 || v.DelayMicros != 2_000_000 {
				t.Errorf("wrong: %s, prompts %q, told %q, delay %d", v.Code, conv.prompts, conv.told, v.DelayMicros)
			}
			v, conv = h.remote("secret")
			if (v.Code == identity.Granted) != c.granted {
				t.Errorf("right: %s, told %q", v.Code, conv.told)
			}
			if !c.granted && (len(conv.told) > 0) != (c.reason != "") || c.reason != "" && !strings.Contains(conv.told[0], c.reason) {
				t.Errorf("right: told %q, want %q", conv.told, c.reason)
			}
		})
	}
}

// Promise guess-names.
func TestReasonsAreToldAtTheSeatOrWhereTheSettingsSay(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), withTOTP)
	h.online()
	h.expect(identity.Granted, "alice", "secret", "123456")
	h.lost()
	if conv := h.expect(identity.Denied, "alice", "wrong"); len(conv.told) == 0 || len(conv.prompts) > 0 {
		t.Errorf("here: told %q after %q", conv.told, conv.prompts)
	}
	h.d.p.RemoteReasons = true
	if _, conv := h.remote("wrong"); len(conv.told) == 0 || len(conv.prompts) > 0 {
		t.Errorf("set: told %q after %q", conv.told, conv.prompts)
	}
}

// Promise screen-lockers.
func TestARefusalBeforeAnyPromptWaitsForThePersonInGDM(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), withTOTP)
	h.srv.set(t, token("bob", 1900000101), nil)
	h.srv.set(t, token("carol", 1900000102), func(p *person) { p.token.ValidUntil = 1 })
	h.online()
	h.expect(identity.Granted, "alice", "secret", "123456")
	h.expect(identity.Granted, "bob", "secret")
	h.lost()
	for sentence, c := range map[string]struct {
		login   identity.Login
		answers []string
		want    identity.Code
		prompts string
	}{
		"nothing can be asked":           {identity.Login{User: "alice"}, []string{""}, identity.Denied, "[Press Enter to try again: ]"},
		"and the person leaves":          {identity.Login{User: "alice"}, nil, identity.ConversationFailed, "[Press Enter to try again: ]"},
		"by an earlier module's word":    {identity.Login{User: "alice", OnlyFirstPass: true}, nil, identity.Denied, "[]"},
		"elsewhere it waits for nobody":  {identity.Login{User: "alice", Service: "sudo"}, nil, identity.Denied, "[]"},
		"something was asked":            {identity.Login{User: "bob"}, []string{"wrong"}, identity.Denied, "[Password: ]"},
		"from another host, as pam_unix": {identity.Login{User: "alice", RemoteHost: "192.0.2.1"}, []string{"wrong"}, identity.Denied, "[Password: ]"},
		"in another phase":               {identity.Login{User: "carol", Operation: identity.OpAccount}, nil, identity.AccountExpired, "[]"},
	} {
		t.Run(sentence, func(t *testing.T) {
			l, conv := c.login, typing(c.answers...)
			if l.TTY, l.Caller = "tty1", nobodysLogin(); l.Service == "" {
				l.Service = "gdm-password"
			}
			if l.Operation == 0 {
				l.Operation = identity.OpAuthenticate
			}
			if v := h.d.Decide(t.Context(), l, conv); v.Code != c.want || fmt.Sprint(conv.prompts) != c.prompts {
				t.Errorf("%v after %q, told %q", v.Code, conv.prompts, conv.told)
			}
			if c.prompts == "[Press Enter to try again: ]" && len(conv.told) != 1 {
				t.Errorf("told %q", conv.told)
			}
		})
	}
}

// Promise guess-names.
func TestTheServersReasonIsToldOnlyWithAProof(t *testing.T) {
	for _, proved := range []bool{false, true} {
		h := newTestMachine(t)
		h.srv.set(t, token("alice", 1900000100), nil)
		h.online()
		h.srv.mu.Lock()
		h.srv.tamper = func(r *provider.Reply) { *r = provider.Reply{Message: "This account is disabled.", Proved: proved} }
		h.srv.mu.Unlock()
		if _, conv := h.remote("secret"); (len(conv.told) > 0) != proved {
			t.Errorf("proved %t: told %q", proved, conv.told)
		}
	}
}

// Promise guess-names.
func TestTheDelayIsWhatIsLeftOfIt(t *testing.T) {
	h := newTestMachine(t)
	now := h.clk.now()
	s := &login{d: h.d.Gate, answered: now}
	h.clk.pass(700 * time.Millisecond)
	if got := s.delay(identity.Denied); got != 1_300_000 {
		t.Errorf("%d µs", got)
	}
	h.clk.pass(time.Hour)
	if got := s.delay(identity.Denied); got != 0 {
		t.Errorf("%d µs after an hour", got)
	}
	s = &login{d: h.d.Gate, Login: bySSH("192.0.2.1")}
	h.d.p.FailDelay = time.Second
	if got := s.delay(identity.UnknownUser); got != 2_000_000 {
		t.Errorf("%d µs for an unknown name at another host", got)
	}
}

// renumbered has the server say, in memory alone, that alice has another uid.
func (h *testMachine) renumbered() {
	h.t.Helper()
	tok := token("alice", 1900000100)
	tok.Revision, tok.Account.UID = 99, 1900000999
	if did := h.d.Directory().Apply(&tok, h.clk.now(), nil); !did.Blocked {
		h.t.Fatalf("%+v", did)
	}
}
