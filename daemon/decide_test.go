package daemon

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestAPersonLogsInOnlineAndThenOffline(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	h.expect(identity.Denied, "alice", "wrong")
	h.expect(identity.Granted, "alice", "secret")
	if c := h.phase(identity.OpAccount, "alice"); c != identity.Granted {
		t.Fatalf("account phase: %d", c)
	}
	h.lost()
	h.expect(identity.Denied, "alice", "wrong")
	conv := h.expect(identity.Granted, "alice", "secret")
	if len(conv.told) != 1 || conv.told[0] != "Offline. Last checked 1 s ago; works for 13 more days." &&
		conv.told[0] != "Offline. Last checked 1 s ago; works for 14 more days." {
		t.Fatalf("told %q", conv.told)
	}
	h.restart()
	h.expect(identity.Granted, "alice", "secret")
	if c := h.phase(identity.OpAccount, "alice"); c != identity.Granted {
		t.Fatalf("account phase: %d", c)
	}
}
