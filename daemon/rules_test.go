package daemon

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

func TestATokenThatBreaksTheRulesIsRefusedByName(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	for name, id := range map[string]uint32{"zero": 0, "dynamic": 61200, "minus": 4294967295} {
		bad := token(name, 1900000200)
		bad.Account.UID, bad.Account.GID, bad.Groups[0].GID = id, id, id
		_ = h.d.Apply(context.Background(), resolver.Update{Records: []provider.Record{{Token: &bad}}})
		if _, err := h.d.AccountByName(context.Background(), name); err == nil {
			t.Errorf("%s is found", name)
		}
		if !slices.ContainsFunc(h.d.Refused(), func(r report.Refusal) bool { return r.Name == name && strings.Contains(r.Reason, "belongs to") }) {
			t.Errorf("%s is not among %v", name, h.d.Refused())
		}
	}
	h.expect(identity.Granted, "alice", "secret")
}
