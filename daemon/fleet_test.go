package daemon

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Promise servers-login.
func TestALoginBeginsAnewWhereItsServerIsLost(t *testing.T) {
	const usedUp = "your code may be used up"
	for sentence, c := range map[string]struct {
		at      int64 // the step that is lost
		sent    bool
		typed   string
		prompts string
		told    bool
	}{
		"before the password got there":      {1, false, "secret 654321", "Password: |One-time code: ", false},
		"with the password on its way":       {1, true, "secret 654321", "Password: |One-time code: ", false},
		"before the code got there":          {2, false, "secret 654321", "Password: |One-time code: ", false},
		"with the code on its way":           {2, true, "secret 123456 654321", "Password: |One-time code: |One-time code: ", true},
		"and the same code is typed again":   {2, true, "secret 123456 123456 654321", "Password: |One-time code: |One-time code: |One-time code: ", true},
		"with password and code in one line": {1, true, "secret654321 secret 654321", "Password: |Password: |One-time code: ", true},
		"and the same line is typed again":   {1, true, "secret654321 secret654321 secret 654321", "Password: |Password: |Password: |One-time code: ", true},
		"and nothing else is typed at last":  {2, true, "secret 123456 123456 123456", "Password: |One-time code: |One-time code: |One-time code: |One-time code: ", true},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), func(p *person) {
				withTOTP(p)
				p.code = "654321"
			})
			h.online()
			h.wait("alice", func() bool { return h.d.Directory().Named("alice") != nil })
			h.srv.mu.Lock()
			var alice *person
			for _, p := range h.srv.people {
				alice = p
			}
			h.srv.lostBy = &provider.AnewError{Sent: c.sent, Err: errors.New("a server went away")}
			h.srv.mu.Unlock()
			h.srv.lostStepAt(c.at)
			conv := typing(strings.Split(c.typed, " ")...)
			v := h.d.Decide(bg, identity.Login{
				Operation: identity.OpAuthenticate, Service: "test", User: "alice", TTY: "tty1", Caller: nobodysLogin(),
			}, conv)
			want := identity.Granted
			if !strings.HasSuffix(c.typed, "654321") {
				want = identity.ConversationFailed // and never a denial
			}
			if got := strings.Join(conv.prompts, "|"); v.Code != want || got != c.prompts {
				t.Errorf("%s; prompts %q, told %q", v.Code, got, conv.told)
			}
			if told := strings.Contains(strings.Join(conv.told, "|"), usedUp); told != c.told {
				t.Errorf("told %q", conv.told)
			}
			if alice.failures != 0 {
				t.Error("a failure is counted")
			}
			if h.d.Link().Now() != resolver.Online || h.d.Link().JustFailed() {
				t.Error("the machine takes itself for offline")
			}
		})
	}
}

// Servers that are lost one after the other are, at last, no server.
// Promise servers-login.
func TestALoginGoesOnOfflineWhereEveryServerIsLost(t *testing.T) {
	h := remembered(t, nil)
	h.srv.mu.Lock()
	h.srv.lostStep, h.srv.lostBy = true, &provider.AnewError{Err: errors.New("a server went away")}
	h.srv.mu.Unlock()
	h.expect(identity.Granted, "alice", "secret")
}

// One server that is lost is not the realm: nobody who comes next is sent the offline way.
// Promise servers-login.
func TestALostServerAmongSeveralIsNoSignOfBeingOffline(t *testing.T) {
	h := newTestMachine(t)
	h.online()
	h.d.Note(resolver.Failed, &provider.AnewError{Sent: true, Err: provider.ErrOffline})
	if h.d.Link().Now() != resolver.Online || h.d.Link().JustFailed() {
		t.Error("the machine takes itself for offline")
	}
	h.d.Note(resolver.Failed, provider.ErrOffline)
	if !h.d.Link().JustFailed() {
		t.Error("and when no server answers, it does not")
	}
}
