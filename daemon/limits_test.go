package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// explained is what explain says of alice at a server that can all, or only fetch.
func explained(t *testing.T, only bool, factors ...identity.FactorKind) report.Explanation {
	t.Helper()
	h := newTestMachine(t, func(h *testMachine) { h.only = only })
	tok := token("alice", 1900000100)
	for _, k := range factors {
		tok.Factors = append(tok.Factors, identity.Factor{Kind: k, Epoch: 1})
	}
	h.srv.set(t, tok, func(*person) {})
	h.run()
	h.wait("alice", func() bool { _, err := h.d.AccountByName(bg, "alice"); return err == nil })
	var x report.Explanation
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbExplain, []byte(`{"name":"alice"}`), func(v any) error { x = v.(report.Explanation); return nil }))
	return x
}

// Promise kanidm-limits.
func TestExplainSaysWhatTheServerCannotDoWhereItMatters(t *testing.T) {
	const changes, codes = "does not tell of changes", "no machine the secrets of one-time codes"
	for name, c := range map[string]struct {
		only    bool
		factors []identity.FactorKind
		says    []string
	}{
		"a server that can all":              {false, []identity.FactorKind{identity.TOTP}, nil},
		"one that only fetches":              {true, nil, []string{changes}},
		"one that only fetches, with a code": {true, []identity.FactorKind{identity.TOTP}, []string{changes, codes}},
	} {
		t.Run(name, func(t *testing.T) {
			x := explained(t, c.only, c.factors...)
			if len(x.Limits) != len(c.says) {
				t.Fatalf("explain says %q", x.Limits)
			}
			for i, s := range c.says {
				if !strings.Contains(x.Limits[i], s) {
					t.Errorf("explain says %q", x.Limits[i])
				}
			}
			if offline := x.Offline; slices.Contains(c.says, codes) && (offline.Possible || !strings.Contains(offline.Reason, "one-time code")) {
				t.Errorf("offline: %+v", offline)
			}
		})
	}
}
