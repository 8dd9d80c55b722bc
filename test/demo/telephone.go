package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// Two people make sure of each other over the telephone, docs/verify.md.

const (
	neighbour = "neighbour.example"
	carol     = "carol" // of the neighbour
)

// heard shows what the listener sees, and compares the verdict.
func heard(o machine.Outcome, err error, words string) error {
	show(o.Screen)
	if err == nil && !strings.Contains(o.Screen, words) {
		err = fmt.Errorf("the screen lacks %q", words)
	}
	return err
}

// one realm: both are at one server.
func oneRealm(ctx context.Context, r *machine.Realm) error {
	for _, who := range []string{name, second} {
		o, err := r.SetsUp(ctx, who, password, "--set-up")
		say("%s: $ sallyport verify --set-up", who)
		if err := heard(o, err, "Your key is made."); err != nil {
			return err
		}
	}
	call, err := r.Says(ctx, second, name)
	if err != nil {
		return err
	}
	say("%s calls %s, reads %q from the screen and says it. %s types it:", second, name, call.Say, name)
	o, err := r.Hears(ctx, name, second, call.Say)
	if err := heard(o, err, "Confirmed: whoever said this code has the key of "+second); err != nil {
		return err
	}
	say("somebody who has listened says it once more:")
	o, err = r.Hears(ctx, name, second, call.Say)
	if err := heard(o, err, "this code was heard before"); err != nil {
		return err
	}
	own, err := r.Says(ctx, name, second)
	if err != nil {
		return err
	}
	say("somebody repeats to %s what %s said first:", name, name)
	o, err = r.Hears(ctx, name, second, own.Say)
	if err := heard(o, err, "NOT CONFIRMED"); err != nil {
		return err
	}
	call, err = r.Says(ctx, second, name+" --about lunch")
	if err != nil {
		return err
	}
	say("somebody calls both, each as the other, and repeats what %s says of a lunch in a call about money:", second)
	o, err = r.Hears(ctx, name, second+" --about 'a new bank account'", call.Say)
	return heard(o, err, "NOT CONFIRMED")
}

// otherRealms are scenes with a second realm, on a machine of its own.
type otherRealms struct{ *machine.Realm }

// strangers are two realms that do not trust each other.
func (n *otherRealms) strangers(ctx context.Context, r *machine.Realm) error {
	say("another realm, %s, with a server of its own", neighbour)
	m, err := machine.Neighbour(ctx, neighbour, "9443")
	if err != nil {
		return err
	}
	n.Realm = m
	for _, c := range []struct{ input, words string }{
		{"", "realm set --organisation Neighbours"},
		{"", "account add " + carol},
		{password, "account set-password " + carol},
	} {
		if _, err := n.Admin(ctx, c.input, strings.Fields(c.words)...); err != nil {
			return err
		}
	}
	if err := n.Eventually(ctx, func() error { _, err := n.Run(ctx, "/usr/bin/id", carol); return err }); err != nil {
		return err
	}
	o, err := n.SetsUp(ctx, carol, password, "--set-up --partners")
	if err := heard(o, err, "Your key is made."); err != nil {
		return err
	}
	o, err = r.RunAs(ctx, name, "sallyport verify "+carol+"@"+neighbour)
	return heard(o, err, "no partner")
}

// partners are two realms whose administrators have compared fingerprints.
func (n *otherRealms) partners(ctx context.Context, r *machine.Realm) error {
	out, err := r.TellPartner(ctx, n.Realm)
	say("the administrator of %s, who was told the fingerprint over the telephone:", machine.RealmName)
	show("$ sallyport-server partner add …\n" + out)
	if err != nil {
		return err
	}
	say("that is not enough, as the other side has not agreed:")
	var o machine.Outcome
	if err := r.Eventually(ctx, func() error {
		if o, err = r.RunAs(ctx, name, "sallyport verify "+carol+"@"+neighbour); err == nil && !strings.Contains(o.Screen, "does not trust") {
			err = errors.New(o.Screen)
		}
		return err
	}); err != nil {
		return err
	}
	show(o.Screen)
	if _, err = n.TellPartner(ctx, r); err != nil {
		return err
	}
	say("the administrator of %s does the same", neighbour)
	if o, err = r.SetsUp(ctx, name, password, "--partners=true"); err != nil || !o.OK() {
		return errors.Join(err, fmt.Errorf("%s: %s", name, o.Screen))
	}
	call, err := n.met(ctx, r)
	if err != nil {
		return err
	}
	say("%s, at %s, says %q. %s types it:", carol, neighbour, call, name)
	o, err = r.Hears(ctx, name, carol+"@"+neighbour, call)
	if err := heard(o, err, "Confirmed: whoever said this code has the key of "+carol+"@"+neighbour); err != nil {
		return err
	}
	back, err := r.Says(ctx, name, carol+"@"+neighbour)
	if err != nil {
		return err
	}
	o, err = n.Hears(ctx, carol, name+"@"+machine.RealmName, back.Say)
	say("and the other way round:")
	return heard(o, err, "Confirmed: whoever said this code has the key of "+name+"@"+machine.RealmName)
}

// met waits until each realm has told the other of its people, and is what carol says.
func (n *otherRealms) met(ctx context.Context, r *machine.Realm) (code string, err error) {
	err = r.Eventually(ctx, func() error {
		_, err := r.Says(ctx, name, carol+"@"+neighbour)
		return err
	})
	if err != nil {
		return "", err
	}
	err = n.Eventually(ctx, func() error {
		call, err := n.Says(ctx, carol, name+"@"+machine.RealmName)
		code = call.Say
		return err
	})
	return code, err
}

// ended is trust that one side takes back.
func (n *otherRealms) ended(ctx context.Context, r *machine.Realm) error {
	if err := n.Server.Stop(ctx); err != nil {
		return err
	}
	say("the server of %s is away: what it said before counts, with its age", neighbour)
	o, err := r.Hears(ctx, name, carol+"@"+neighbour, "1")
	if err := heard(o, err, "Say:"); err != nil {
		return err
	}
	out, err := r.Admin(ctx, "", "partner", "remove", neighbour)
	show("$ sallyport-server partner remove " + neighbour + "\n" + out)
	if err != nil {
		return err
	}
	o, err = r.RunAs(ctx, name, "sallyport verify "+carol+"@"+neighbour)
	return errors.Join(heard(o, err, "no partner"), n.Close())
}
