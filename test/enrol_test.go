package test

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/test/vcard"
)

// enrolHerself gives ada a generator from the command line, as she would do it.
func enrolHerself(t *testing.T, r *machine.Realm) *authenticator {
	t.Helper()
	c, err := r.Console(t.Context(), "/usr/sbin/runuser", "-u", ada, "--", "/usr/bin/sallyport", "enrol", "totp")
	must(t, err)
	defer c.Hangup()
	must(t, c.Talk(t.Context(), "Password: ", adaPass))
	_, err = c.Expect(t.Context(), "Code that it shows: ")
	must(t, err)
	m := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindStringSubmatch(c.Screen())
	if m == nil {
		t.Fatalf("no secret in\n%s", c.Screen())
	}
	phone := &authenticator{secret: m[1], used: map[string]bool{}}
	must(t, c.Send(phone.code(t)))
	screen, code, err := c.Wait(t.Context())
	must(t, err)
	if code != 0 || !strings.Contains(screen, "Enrolled.") {
		t.Fatalf("exit code %d:\n%s", code, screen)
	}
	return phone
}

// asAda runs a command line of hers on a terminal, and wants that on its screen.
func asAda(t *testing.T, r *machine.Realm, works bool, want, line string, turns ...string) string {
	t.Helper()
	o, err := r.TalkAs(t.Context(), ada, turns, line)
	must(t, err)
	if o.OK() != works || !strings.Contains(o.Screen, want) {
		t.Fatalf("%s: exit code %d, want %q:\n%s", line, o.Code, want, o.Screen)
	}
	return o.Screen
}

const presentCode = "Code of your present generator, or a backup code: "

// TestFactorsAreEnrolledUsedAndGivenUpFromTheCommandLine is one person's way from a
// password to more, and back.
// Promise factor-change.
func TestFactorsAreEnrolledUsedAndGivenUpFromTheCommandLine(t *testing.T) {
	r := joined(t)
	phone := enrolHerself(t, r)
	screen := asAda(t, r, true, "Write them down", "sallyport enrol backup-codes", "Password: ", adaPass, presentCode, phone.code(t))
	codes := regexp.MustCompile(`[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}`).FindAllString(screen, -1)
	if len(codes) < 3 {
		t.Fatalf("the codes are %q in\n%s", codes, screen)
	}
	sudo := func(code string) attempt { return codeWays(r, code)["sudo"] }
	t.Run("a backup code lets sudo through once", func(t *testing.T) {
		lets(t, sudo(codes[0]), "root")
		keepsOut(t, sudo(codes[0]))
	})
	t.Run("and stands in for a code where factors are changed", func(t *testing.T) {
		asAda(t, r, false, "nothing was changed", "sallyport enrol --remove totp", "Password: ", adaPass, presentCode, codes[0])
		asAda(t, r, true, "Removed.", "sallyport enrol --remove backup-codes", "Password: ", adaPass, presentCode, codes[1])
		keepsOut(t, sudo(codes[2]))
	})
	t.Run("the generator is given up", func(t *testing.T) {
		phone := enrol(t, r) // an administrator's, so that its codes are new
		asAda(t, r, false, "nothing was changed", "sallyport enrol --remove totp", "Password: ", adaPass, presentCode, phone.wrong(t))
		asAda(t, r, true, "Removed.", "sallyport enrol --remove totp", "Password: ", adaPass, presentCode, phone.code(t))
		s := lets(t, ways(r, ada, adaPass)["su"], ada)
		if strings.Contains(s, "code") {
			t.Errorf("a code is asked for:\n%s", s)
		}
	})
}

// TestASecondCardTakesTheFirst adds one, and gives the first up.
// Promise enrol-second-card (daemon and whole machine).
func TestASecondCardTakesTheFirst(t *testing.T) {
	d := carded(t)
	first, in := d.mine()
	second := vcard.New()
	other, err := second.Insert(1)
	must(t, err)
	t.Cleanup(other.Remove)
	must(t, d.Eventually(t.Context(), func() error {
		out, err := d.RunAs(t.Context(), ada, "sallyport card")
		if err == nil && strings.Count(out.Screen, "PIN tries left") != 2 {
			return fmt.Errorf("sallyport card says %s", out.Screen)
		}
		return err
	}))
	line := "sallyport enrol piv --generate --reader '" + vcard.Reader1 + "'"
	d.step("a password is not enough", func(d *desk) {
		asAda(d.t, d.Realm, false, "This takes a proof by a card that the account has already: run the command again with --by-card.", line, "Password: ", adaPass)
	})
	d.step("the card that is there is", func(d *desk) {
		asAda(d.t, d.Realm, true, "Enrolled: ", line+" --by-card", "have already: ", cardPIN, "PIN of the card to enrol: ", cardPIN)
	})
	gone := hex.EncodeToString(identity.CardFingerprint(first.Certificate(vcard.Authentication)))
	d.step("which one is to be given up must be said", func(d *desk) {
		asAda(d.t, d.Realm, false, gone, "sallyport enrol --remove piv --by-card", "have already: ", cardPIN)
		asAda(d.t, d.Realm, true, "Removed.", "sallyport enrol --remove piv --by-card --card "+gone, "have already: ", cardPIN)
		d.cardsSay("was yours, and is revoked")
	})
	d.step("the other is as good as before", func(d *desk) {
		in.Remove()
		d.logsIn("PIN (", cardPIN)
	})
}
