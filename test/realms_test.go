package test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// Promise verify-realms-machine.
func TestPeopleOfTwoRealmsMakeSureOfEachOther(t *testing.T) {
	r, ctx := joined(t), t.Context()
	n, err := machine.Neighbour(ctx, "neighbour.example", "9443")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("── the neighbour's server ──\n%s", tail(n.Server.Output.String(), 60))
		}
		must(t, n.Close())
	})
	must(t, err)
	admin(t, n, "", "realm", "set", "--organisation", "Neighbours")
	admin(t, n, "", "account", "add", "carol")
	admin(t, n, bobPass, "account", "set-password", "carol")
	within(t, n, machine.Patience, func() error { _, err := n.Run(ctx, "/usr/bin/id", "carol"); return err })
	sets := func(r *machine.Realm, who, password, words string) {
		t.Helper()
		o, err := r.SetsUp(ctx, who, password, words)
		must(t, err)
		wantsScreen(t, o, 0, "")
	}
	const carol, adaThere = "carol@neighbour.example", ada + "@" + machine.RealmName
	sets(r, ada, adaPass, "--set-up")
	sets(n, "carol", bobPass, "--set-up --partners")
	wantsScreen(t, verifies(t, r, ada, nil, carol), 70, "neighbour.example is no partner of example")

	if out, err := r.TellPartner(ctx, &machine.Realm{Machine: n.Machine, Name: "ne1ghbour.example", Port: n.Port, Fingerprint: n.Fingerprint}); err == nil {
		t.Errorf("a realm is a partner by a name that is not its own:\n%s", out)
	}
	if out, err := r.TellPartner(ctx, &machine.Realm{Machine: n.Machine, Name: n.Name, Port: n.Port, Fingerprint: r.Fingerprint}); err == nil {
		t.Errorf("a realm is a partner by another's fingerprint:\n%s", out)
	}
	_, err = r.TellPartner(ctx, n)
	must(t, err)
	within(t, r, machine.Patience, func() error {
		if s := verifies(t, r, ada, nil, carol).Screen; !strings.Contains(s, "neighbour.example does not trust example") {
			return errors.New(s)
		}
		return nil
	})
	sets(r, ada, adaPass, "--partners=true")
	_, err = n.TellPartner(ctx, r)
	must(t, err)
	said := func(from *machine.Realm, who, other string) (code string) {
		t.Helper()
		within(t, from, machine.Patience, func() error {
			call, err := from.Says(ctx, who, other)
			code = call.Say
			return err
		})
		return code
	}
	const about = " --about 'Invoice 4711'"
	his, hers := said(r, ada, carol), said(n, "carol", adaThere+about)
	wantsScreen(t, hearing(t, r, ada, carol, his), 1, "NOT CONFIRMED")
	wantsScreen(t, hearing(t, r, ada, carol, hers), 1, "Or they have typed what the call is about")
	heard := hearing(t, r, ada, carol+" --about 'invoice #4711'", hers)
	for _, line := range []string{"Confirmed: whoever said this code has the key of " + carol, "For them, too, the call is about: invoice #4711", "in the realm neighbour.example, which yours trusts", "belongs to: Neighbours"} {
		wantsScreen(t, heard, 0, line)
	}
	wantsScreen(t, hearing(t, n, "carol", adaThere, his), 0, "Confirmed: whoever said this code has the key of "+adaThere)

	n.Server.Kill()
	wantsScreen(t, hearing(t, r, ada, carol, "0000 0000"), 1, "You confirmed this key")
	log := admin(t, r, "", "audit")
	for _, row := range []string{"partner.add", "verify.begin", "verify.confirm", "with=" + carol} {
		if !strings.Contains(log, row) {
			t.Errorf("%s is not in the audit log", row)
		}
	}
	admin(t, r, "", "partner", "remove", n.Name)
	wantsScreen(t, verifies(t, r, ada, nil, carol), 70, "neighbour.example is no partner of example")
}

func hearing(t *testing.T, r *machine.Realm, listener, other, code string) machine.Outcome {
	t.Helper()
	o, err := r.Hears(t.Context(), listener, other, code)
	must(t, err)
	return o
}
