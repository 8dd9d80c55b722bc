package test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/test/machine"
)

const hears = "own anew): "

// codeSaid is the code that one says to the other now.
func codeSaid(t *testing.T, r *machine.Realm, from, to string) string {
	t.Helper()
	o, err := r.RunAs(t.Context(), from, "sallyport verify "+to+" --json < /dev/null 2>/dev/null")
	must(t, err)
	var call report.VerifyCall
	must(t, json.NewDecoder(strings.NewReader(o.Screen)).Decode(&call))
	return call.Say
}

// verifies runs the command as somebody at a terminal.
func verifies(t *testing.T, r *machine.Realm, name string, turns []string, words string) machine.Outcome {
	t.Helper()
	o, err := r.TalkAs(t.Context(), name, turns, "sallyport verify "+words)
	must(t, err)
	return o
}

// Promise verify-machine.
func TestTwoPeopleMakeSureOfEachOtherAtTheirTerminals(t *testing.T) {
	r := joined(t)
	admin(t, r, "", "account", "add", "bob")
	admin(t, r, bobPass, "account", "set-password", "bob")
	within(t, r, machine.Patience, func() error { _, err := r.Run(t.Context(), "/usr/bin/id", "bob"); return err })
	wantsScreen(t, verifies(t, r, ada, nil, "bob"), 70, `you have no key on this machine yet: run "sallyport verify --set-up" first`)
	wantsScreen(t, verifies(t, r, ada, []string{"Password: ", bobPass}, "--set-up"), 70, "")
	wantsScreen(t, verifies(t, r, ada, nil, "--fingerprint"), 70, "you have no key on this machine yet")
	wantsScreen(t, verifies(t, r, ada, []string{"Password: ", adaPass}, "--set-up"), 0, "Only people of your own realm can verify you.")
	wantsScreen(t, verifies(t, r, ada, []string{"Password: ", adaPass}, "--partners=true"), 0, "People of realms that are partners of yours can verify you too.")
	wantsScreen(t, verifies(t, r, ada, nil, "--fingerprint"), 0, "\"sallyport verify --partners=false\" ends that.")
	wantsScreen(t, verifies(t, r, ada, nil, "bob"), 70, "nobody of that name can be verified")
	wantsScreen(t, verifies(t, r, "bob", []string{"Password: ", bobPass}, "--set-up"), 0, "Your key is made.")

	wantsScreen(t, verifies(t, r, ada, []string{hears, codeSaid(t, r, ada, "bob")}, "bob"), 1, "NOT CONFIRMED: this is not the code of bob@")
	wantsScreen(t, verifies(t, r, ada, []string{hears, codeSaid(t, r, "bob", ada)}, "bob"), 0, "Confirmed: whoever said this code has the key of bob@")
	wantsScreen(t, verifies(t, r, "bob", []string{hears, codeSaid(t, r, ada, "bob")}, ada), 0, "Confirmed: whoever said this code has the key of ada@")
	wantsScreen(t, verifies(t, r, ada, []string{hears, "1"}, "bob"), 1, "You confirmed this key")
	wantsScreen(t, verifies(t, r, ada, nil, "b\u043eb"), 70, "(U+043E, Cyrillic)")
	wantsScreen(t, verifies(t, r, ada, nil, "bob@elsewhere.example"), 70, "")
	wantsScreen(t, verifies(t, r, ada, []string{hears, "1"}, "bob@"+machine.RealmName), 1, "in your own realm")
	o, err := r.RunAs(t.Context(), local, "sallyport verify bob")
	must(t, err)
	wantsScreen(t, o, 77, "no account of the realm")

	// Another key is said, and the way back is a new confirmation.
	wantsScreen(t, verifies(t, r, "bob", []string{"Password: ", bobPass}, "--set-up"), 0, "Your key is made.")
	wantsScreen(t, verifies(t, r, ada, []string{hears, "1"}, "bob"), 1, "WARNING: it is not the key that you confirmed")

	log := admin(t, r, "", "audit")
	for _, row := range []string{"verify.set", "verify.begin", "verify.confirm", "verify.fail", "replaces="} {
		if !strings.Contains(log, row) || strings.Contains(log, "told-late") {
			t.Errorf("%s is not in the audit log, as of now", row)
		}
	}
	r.Server.Kill()
	must(t, r.WaitOffline(t.Context()))
	wantsScreen(t, verifies(t, r, ada, []string{hears, "1"}, "bob"), 1, "The realm's server does not answer. This is what it said")
	wantsScreen(t, verifies(t, r, ada, []string{hears, codeSaid(t, r, ada, "bob")}, "bob"), 1, "The realm's audit log will say so once the server answers.")
	wantsScreen(t, verifies(t, r, ada, nil, "carol"), 66, "nobody of that name is remembered here")
	must(t, r.StartServer(t.Context()))
	within(t, r, machine.Patience, func() error {
		log, err := r.Admin(t.Context(), "", "audit")
		for _, row := range []string{"verify.begin", "verify.fail"} {
			if err == nil && !regexp.MustCompile(row+`.*with=bob at=\S+ told-late`).MatchString(log) {
				err = fmt.Errorf("%s of before is not in the audit log", row)
			}
		}
		return err
	})
}
