package test

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// hosts are machines that people log in to from the laptop.
type hosts struct{ *machine.Network }

// network makes the laptop with ada and bob in the realm, and hosts of those names.
func network(t *testing.T, names ...string) *hosts {
	t.Helper()
	r := joined(t)
	admin(t, r, "", "account", "add", "bob")
	admin(t, r, bobPass, "account", "set-password", "bob")
	n, err := r.Connect(t.Context(), names...)
	t.Cleanup(func() {
		for name, h := range n.Hosts {
			if t.Failed() && h.SSHD != nil {
				t.Logf("── %s ──\n%s\n%s", name, tail(h.Daemon.Output.String(), 60), tail(h.SSHD.Output.String(), 60))
			}
		}
		if err := n.Disconnect(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	must(t, err)
	// Ada signs in, so that the server knows who asks.
	lets(t, func(ctx context.Context) (machine.Outcome, error) { return r.SU(ctx, local, ada, adaPass) }, ada)
	return &hosts{n}
}

// hops runs "sallyport ssh" as ada at the laptop.
func (n *hosts) hops(t *testing.T, words string) machine.Outcome {
	t.Helper()
	o, err := n.TalkAs(t.Context(), ada, nil, "sallyport ssh "+words)
	must(t, err)
	return o
}

// in asserts that the command ran there, as ada.
func (*hosts) in(t *testing.T, o machine.Outcome, host string) {
	t.Helper()
	if !o.OK() || !strings.Contains(o.Screen, "I am "+ada+" at "+host) {
		t.Errorf("ada is not in at %s (exit code %d):\n%s", host, o.Code, o.Screen)
	}
}

// out asserts that no command ran anywhere.
func (*hosts) out(t *testing.T, o machine.Outcome) {
	t.Helper()
	if o.OK() || strings.Contains(o.Screen, "I am ") {
		t.Errorf("somebody is in (exit code %d):\n%s", o.Code, o.Screen)
	}
}
