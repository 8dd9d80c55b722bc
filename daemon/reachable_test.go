package daemon

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
)

func TestOfflineNobodyIsAskedForAPasswordThatCannotBeChanged(t *testing.T) {
	// The machine is offline and has not tried for a while.
	h := newTestMachine(t, func(h *testMachine) { h.policy.BackoffMin, h.policy.BackoffMax = time.Hour, time.Hour })
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.srv.be(down)
	h.wait("offline", func() bool { return h.d.Link().Now() == resolver.Offline })
	ask := func() (identity.Verdict, *typist) {
		conv := typing("secret")
		return h.d.Decide(context.Background(), identity.Login{
			Operation: identity.OpChangePassword, User: "alice", Prelim: true,
		}, conv), conv
	}
	if v, conv := ask(); v.Code != identity.PasswordUnchanged || len(conv.prompts) > 0 || !strings.Contains(conv.told[0], "cannot be changed without the server") {
		t.Errorf("code %d, prompts %q, told %q", v.Code, conv.prompts, conv.told)
	}
	h.srv.be(up)
	h.wait("some time to pass", func() bool { return !h.d.Link().JustFailed() })
	if v, conv := ask(); v.Code != identity.Granted || len(conv.prompts) != 1 {
		t.Errorf("with the server back: code %d, told %q", v.Code, conv.told)
	}
}
