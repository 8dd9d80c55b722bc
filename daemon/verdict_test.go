package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

func TestTheDaysThatAreLeftAreTheSameEverywhere(t *testing.T) {
	for name, off := range map[string]time.Duration{"right": 0, "a month behind": -30 * 24 * time.Hour, "a day ahead": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			h := remembered(t, nil)
			h.clk.set(h.clk.now().Add(off))
			c := h.expect(identity.Granted, "alice", "secret")
			x := h.explained()
			if said := strings.Join(c.told, " "); x.Offline.Left == "" || !strings.Contains(said, "works for "+x.Offline.Left) {
				t.Errorf("su says %q, explain %q", said, x.Offline.Left)
			}
		})
	}
}

func TestStatusCountsWhoCouldLogInOffline(t *testing.T) {
	h := remembered(t, nil)
	if n := h.status().Cache.Verifiers; n != 1 {
		t.Fatalf("%d could", n)
	}
	h.d.able.Store(nil)
	h.d.p.AllowAll, h.d.p.AllowGroups = false, []uuid.UUID{uuid.New()}
	if n := h.status().Cache.Verifiers; n != 0 {
		t.Errorf("%d could, and nobody may log in", n)
	}
	h.d.able.Store(nil)
	h.d.p.AllowAll = true
	h.clk.set(h.clk.now().Add(1000 * 24 * time.Hour))
	if n := h.status().Cache.Verifiers; n != 0 {
		t.Errorf("%d could, after a thousand days", n)
	}
}

func TestRootIsToldACommandAndOthersWhomToAsk(t *testing.T) {
	h := newTestMachine(t)
	crew := identity.Group{UUID: uuid.New(), Name: "crew", GID: 1900000777}
	h.srv.set(t, token("alice", 1900000100), nil)
	h.srv.set(t, token("bob", 1900000200, crew), nil)
	h.online()
	h.d.p.AllowAll, h.d.p.AllowGroups = false, []uuid.UUID{crew.UUID}
	last := func(root bool) report.Finding {
		x := h.d.explain(bg, report.ExplainArgs{Name: "alice"}, root)
		return x.Steps[len(x.Steps)-1]
	}
	if f := last(true); f.Cause != string(trouble.NotInGroup) || !strings.Contains(f.Detail, "(crew)") || !strings.HasSuffix(f.Mend, "group add-member crew alice") {
		t.Errorf("root is told %+v", f)
	}
	if f := last(false); strings.Contains(f.Detail+f.Mend, "crew") || !strings.Contains(f.Mend, "administrator") {
		t.Errorf("alice is told %+v", f)
	}
}

// speaking is a provider whose server says how it stands.
type speaking struct {
	*server
	verdict provider.Verdict
	err     error
	hangs   bool
}

func (s *speaking) Verdict(ctx context.Context, _ identity.Name) (provider.Verdict, error) {
	if s.hangs {
		<-ctx.Done()
		return provider.Verdict{}, ctx.Err() //nolint:wrapcheck // a fake's
	}
	return s.verdict, s.err
}

func TestTheServersWordIsPartOfAnExplanation(t *testing.T) {
	now := time.Now()
	lock := provider.VerdictLock{Factor: "password", Until: now.Add(5 * time.Minute)}
	far := lock
	far.Origin = "host 192.0.2.1"
	for name, c := range map[string]struct {
		s    speaking
		want trouble.ID
		may  bool
	}{
		"nothing against it":  {speaking{verdict: provider.Verdict{Known: true}}, "", true},
		"locked everywhere":   {speaking{verdict: provider.Verdict{Known: true, ServerTime: now, Locks: []provider.VerdictLock{lock}}}, trouble.LockedAtServer, false},
		"locked from a place": {speaking{verdict: provider.Verdict{Known: true, ServerTime: now, Locks: []provider.VerdictLock{far}}}, trouble.LockedAtServer, true},
		"a full disk":         {speaking{verdict: provider.Verdict{DiskFull: true}}, trouble.ServerFull, true}, // offline goes on
		"a fault":             {speaking{err: errors.New("no")}, trouble.UnknownAtServer, true},
		"silence":             {speaking{hangs: true}, trouble.UnknownAtServer, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := remembered(t, nil, func(h *testMachine) {
				c.s.server = h.srv
				h.front = &c.s
			})
			h.srv.be(up)
			h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
			x := h.explained()
			var said string
			for _, f := range x.Steps {
				if f.Cause != "" {
					said += f.Cause
				}
			}
			if said != string(c.want) || x.MayLogin != c.may {
				t.Errorf("it says %q and %t: %+v", said, x.MayLogin, x.Steps)
			}
		})
	}
}
