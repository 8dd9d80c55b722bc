package daemon

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// TestWhatIsAskedForIsTheSameOnlineAndOffline goes through the factors that are
// held, where the network is, and what is typed.
// Promise otp-same-offline.
func TestWhatIsAskedForIsTheSameOnlineAndOffline(t *testing.T) {
	held := map[string]func(*person){
		"password":                func(*person) {},
		"password and code":       coded,
		"a code that is not here": func(p *person) { coded(p); p.shared = false },
	}
	network := map[string]func(h *testMachine){
		"online":                  func(*testMachine) {},
		"offline":                 func(h *testMachine) { h.lost() },
		"lost before the word":    func(h *testMachine) { h.srv.mode.Store(int32(down)) },
		"lost after the password": func(h *testMachine) { h.srv.lostStepAt(1) },
		"lost after the code":     func(h *testMachine) { h.srv.lostStepAt(2) },
	}
	typed := map[string]struct {
		answers func(h *testMachine) []string
		coded   bool // lets in who holds a code
		plain   bool // lets in who holds none
	}{
		"right":              {func(h *testMachine) []string { return []string{"secret", h.code(0)} }, true, true},
		"one step late":      {func(h *testMachine) []string { return []string{"secret", h.code(-1)} }, true, true},
		"one step early":     {func(h *testMachine) []string { return []string{"secret", h.code(1)} }, true, true},
		"two steps late":     {func(h *testMachine) []string { return []string{"secret", h.code(-2)} }, false, true},
		"two steps early":    {func(h *testMachine) []string { return []string{"secret", h.code(2)} }, false, true},
		"a wrong code":       {func(*testMachine) []string { return []string{"secret", "no code"} }, false, true},
		"an empty code":      {func(*testMachine) []string { return []string{"secret", ""} }, false, true},
		"a wrong password":   {func(h *testMachine) []string { return []string{"wrong", h.code(0)} }, false, false},
		"one line":           {func(h *testMachine) []string { return []string{"secret" + h.code(0)} }, true, false},
		"one line, late":     {func(h *testMachine) []string { return []string{"secret" + h.code(-1)} }, true, false},
		"one line, too late": {func(h *testMachine) []string { return []string{"secret" + h.code(-2)} }, false, false},
		"one line, wrong":    {func(h *testMachine) []string { return []string{"wrong" + h.code(0)} }, false, false},
		"only a code":        {func(h *testMachine) []string { return []string{h.code(0)} }, false, false},
	}
	for holds, give := range held {
		for where, lose := range network {
			for what, row := range typed {
				t.Run(holds+", "+where+", "+what, func(t *testing.T) {
					t.Parallel()
					h := newTestMachine(t)
					h.srv.set(t, token("alice", 1900000100), give)
					h.online()
					h.expect(identity.Granted, "alice", "secret", h.code(0))
					h.later()
					lose(h)
					v, conv := h.login("alice", row.answers(h)...)
					want := row.plain
					switch holds {
					case "password and code":
						want = row.coded
					case "a code that is not here":
						want = row.coded && where == "online"
						if where == "lost after the code" && strings.HasPrefix(what, "one line") {
							want = row.coded // it took one step, and that was answered
						}
					}
					if (v.Code == identity.Granted) != want {
						t.Fatalf("%s, want granted %t; prompts %q, told %q", v.Code, want, conv.prompts, conv.told)
					}
					if want && string(v.Password.Reveal()) != "secret" {
						t.Fatalf("%d bytes are handed on as the password", v.Password.Len())
					}
					if !want {
						return
					}
					again, _ := h.login("alice", row.answers(h)...)
					if (again.Code == identity.Granted) != (holds == "password") {
						t.Fatalf("the same once more: %s", again.Code)
					}
				})
			}
		}
	}
}
