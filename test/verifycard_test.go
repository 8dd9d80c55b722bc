package test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

const yourPIN = "PIN of your card: "

// codeToldBy is the code that a screen of "sallyport verify" says to say.
func codeToldBy(t *testing.T, o machine.Outcome) string {
	t.Helper()
	m := regexp.MustCompile(`Say:  (\d{4} \d{4})`).FindStringSubmatch(o.Screen)
	if m == nil {
		t.Fatalf("no code is said (exit code %d):\n%s", o.Code, o.Screen)
	}
	return m[1]
}

// Promise verify-card-machine.
func TestACardIsVerifiedWithItsOwner(t *testing.T) {
	d := carded(t)
	admin(t, d.Realm, "", "account", "add", "bob")
	admin(t, d.Realm, bobPass, "account", "set-password", "bob")
	within(t, d.Realm, machine.Patience, func() error { _, err := d.Run(t.Context(), "/usr/bin/id", "bob"); return err })
	c, in := d.mine()
	wantsScreen(t, verifies(t, d.Realm, "bob", []string{"Password: ", bobPass}, "--set-up"), 0, "Your key is made.")
	wantsScreen(t, verifies(t, d.Realm, ada, []string{yourPIN, "654321"}, "--set-up --on-card"), 70, "2 tries left")
	wantsScreen(t, verifies(t, d.Realm, ada, []string{yourPIN, cardPIN}, "--set-up --on-card"), 0, "Your key is made on your card")
	made := c.Certificate(vcard.KeyManagement)
	wantsScreen(t, verifies(t, d.Realm, ada, nil, "--fingerprint"), 0, "old, on your card")

	d.cardsSay("key to be verified by (slot 9D): ")

	ask := verifies(t, d.Realm, ada, []string{yourPIN, cardPIN, hears, "1"}, "bob")
	wantsScreen(t, ask, 1, "a code has 8 digits")
	wantsScreen(t, verifies(t, d.Realm, "bob", []string{hears, codeToldBy(t, ask)}, ada), 0, "Confirmed: whoever said this code has the key of ada@")
	// The call is remembered: the PIN is not asked for again, until it is confirmed.
	wantsScreen(t, verifies(t, d.Realm, ada, []string{hears, codeSaid(t, d.Realm, "bob", ada)}, "bob"), 0, "Confirmed: whoever said this code has the key of bob@")
	wantsScreen(t, verifies(t, d.Realm, ada, []string{yourPIN, "654321"}, "bob"), 70, "2 tries left")

	// Offline, with the key that was there already, and not without the card.
	wantsScreen(t, verifies(t, d.Realm, ada, []string{yourPIN, cardPIN}, "--set-up --on-card --partners=true"), 0, "the one that your card has already")
	if string(made) != string(c.Certificate(vcard.KeyManagement)) || strings.Contains(ask.Screen, cardPIN) {
		t.Error("the key was replaced, or the PIN shown")
	}
	must(t, d.Server.Stop(t.Context()))
	must(t, d.WaitOffline(t.Context()))
	wantsScreen(t, verifies(t, d.Realm, ada, []string{yourPIN, cardPIN, hears, "1"}, "bob"), 1, "The realm's server does not answer.")
	in.Remove()
	d.empty()
	wantsScreen(t, verifies(t, d.Realm, ada, nil, "bob --about lunch"), 70, "No card is in the reader")
}
