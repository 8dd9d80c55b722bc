package daemon

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// refusedFor is the reason that status gives for a name.
func (h *testMachine) refusedFor(name string) string {
	h.t.Helper()
	for _, r := range h.status().Providers[0].Refused {
		if r.Name == name {
			return r.Reason
		}
	}
	return ""
}

// outside has carol, whose uid is outside of the machine's range.
func outside(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.srv.set(t, token("carol", 70000), nil)
	h.online()
	if h.refusedFor("carol") == "" {
		t.Fatal("carol is not refused")
	}
	return h
}

// Promise names-refusals.
func TestARefusalAndItsReasonOutliveARestart(t *testing.T) {
	h := outside(t)
	was := h.refusedFor("carol")
	h.srv.be(down)
	h.restart()
	if got := h.refusedFor("carol"); got != was {
		t.Errorf("after the restart: %q, before: %q", got, was)
	}
	if h.known("carol") != nil {
		t.Error("carol is known")
	}
	h.srv.be(up)
	h.online()
	if got := h.refusedFor("carol"); got != was {
		t.Errorf("online, from where the stream was: %q, before: %q", got, was)
	}
}

// Promise names-refusals.
func TestAWiderRangeLetsTheRefusedInAtTheNextStart(t *testing.T) {
	h := outside(t)
	h.stop()
	h.policy.IDs = append(h.policy.IDs, identity.IDRange{Min: 70000, Max: 80000})
	h.srv.be(down)
	h.start()
	if h.known("carol") != nil || h.d.Contact().Complete {
		t.Error("what was refused is taken without the server's word, or nothing is asked for")
	}
	h.srv.be(up)
	h.run()
	h.wait("carol", func() bool { return h.known("carol") != nil })
	h.expect(identity.Granted, "carol", "secret")
	if got := h.refusedFor("carol"); got != "" {
		t.Errorf("still refused: %s", got)
	}
	h.stop()
	h.start()
	if !h.d.Contact().Complete || h.known("carol") == nil {
		t.Error("the next start asks for everything again")
	}
}

// Promise names-refusals.
func TestARefusalEndsWithItsAccount(t *testing.T) {
	for sentence, end := range map[string]func(h *testMachine){
		"the account is removed": func(h *testMachine) { tok := token("carol", 70000); h.srv.remove(tok.Account.UUID) },
		"its uid is mended": func(h *testMachine) {
			h.srv.set(h.t, token("carol", 70000), func(p *person) {
				p.token.Account.UID = 1900000107
				p.token.Account.GID = 1900000107
				p.token.Groups[0].GID = 1900000107
			})
		},
		"a whole list is without it": func(h *testMachine) {
			tok := token("carol", 70000)
			h.srv.mu.Lock()
			delete(h.srv.people, tok.Account.UUID)
			h.srv.reset = true
			h.srv.mu.Unlock()
			h.srv.be(down)
			h.srv.be(up)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := outside(t)
			end(h)
			h.wait("the end of the refusal", func() bool { return h.refusedFor("carol") == "" })
			h.stop()
			h.start()
			if got := h.refusedFor("carol"); got != "" {
				t.Errorf("after a restart it is refused again: %s", got)
			}
		})
	}
}

func TestARefusalIsToldWithWhatCanBeDoneAboutIt(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	for name, c := range map[string]struct {
		uid  uint32
		mend string
	}{
		"carol": {70000, "widen [ids] allow in sallyportd.toml, then: sudo systemctl restart sallyportd"},
		"dora":  {999, "no setting of this machine can allow this one"},
		"eve":   {1900000100, "an id on the server that nobody had before"},
	} {
		h.give(token(name, c.uid))
		steps := h.d.explain(bg, report.ExplainArgs{Name: name}, true).Steps
		if got := steps[len(steps)-1].Mend; !strings.Contains(got, c.mend) {
			t.Errorf("%s (%s): %s", name, h.refusedFor(name), got)
		}
	}
}

// What the server has lost lets nobody in until the list is read, whatever else makes the
// machine read it again.
// Promise history-disowned.
func TestWhatIsDisownedStaysSoWhenTheListIsDue(t *testing.T) {
	for sentence, due := range map[string]func(h *testMachine){
		"a wider range":             func(h *testMachine) { h.policy.IDs = append(h.policy.IDs, identity.IDRange{Min: 70000, Max: 80000}) },
		"a token that is damaged":   func(h *testMachine) { h.stores(`UPDATE tokens SET signed = x'00' WHERE name = 'bob'`) },
		"somebody who is forgotten": func(h *testMachine) { h.start(); must(h.t, h.d.ForgetAccount(bg, h.known("bob"))); h.stop() },
	} {
		t.Run(sentence, func(t *testing.T) {
			h := outside(t)
			h.srv.set(t, token("bob", 1900000101), nil)
			h.wait("bob", func() bool { return h.known("bob") != nil })
			h.expect(identity.Granted, "alice", "secret")
			h.srv.be(down)
			h.stop()
			h.stores(`UPDATE contact SET disowned = 1`)
			due(h)
			h.start()
			h.run()
			h.lost()
			if v, _ := h.login("alice", "secret"); v.Code == identity.Granted {
				t.Error("what the server has lost lets her in")
			}
			h.srv.be(up)
			h.wait("the list", func() bool { return h.d.Contact().Complete })
			h.expect(identity.Granted, "alice", "secret")
		})
	}
}
