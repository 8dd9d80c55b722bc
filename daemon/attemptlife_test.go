package daemon

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
)

// slow answers a prompt after something has happened.
type slow struct {
	*typist
	before map[string]func()
}

func (c *slow) Ask(ctx context.Context, style identity.Style, text string) (identity.Secret, error) {
	if f := c.before[text]; f != nil {
		f()
	}
	return c.typist.Ask(ctx, style, text)
}

// The server waits for two minutes, a prompt for longer: nobody is refused for that.
// Promise screen-left-open.
func TestARightAnswerOutlivesTheServersAttempt(t *testing.T) {
	for sentence, happens := range map[string]func(h *testMachine){
		"three minutes": func(h *testMachine) { h.clk.pass(3 * time.Minute); h.truth.pass(3 * time.Minute) },
		"a new start": func(h *testMachine) {
			h.clk.pass(time.Second)
			h.truth.pass(time.Second)
			h.lost()
			h.srv.starts.Add(1)
			h.srv.be(up)
			h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online && !h.d.Link().JustFailed() })
		},
	} {
		for _, prompt := range []string{"Password: ", "One-time code: "} {
			t.Run(sentence+" at "+prompt, func(t *testing.T) {
				h := newTestMachine(t)
				h.srv.set(t, token("alice", 1900000100), withTOTP)
				h.online()
				h.wait("alice", func() bool { return h.d.Directory().Named("alice") != nil })
				conv := &slow{typing("secret", "123456"), map[string]func(){prompt: func() { happens(h) }}}
				v := h.d.Decide(context.Background(), identity.Login{
					Operation: identity.OpAuthenticate, Service: "test", User: "alice", TTY: "tty1", Caller: nobodysLogin(),
				}, conv)
				if got := strings.Join(conv.prompts, "|"); v.Code != identity.Granted || got != "Password: |One-time code: " {
					t.Errorf("%s; prompts %q, told %q", v.Code, got, conv.told)
				}
			})
		}
	}
}
