package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/spelling"
)

// What "sallyport verify" prints. Words that another realm gave itself stand at the end of a
// line of their own.

func printNewKey(w io.Writer, k report.VerifyKey) {
	how := "Your key is made. Its private half stays on this machine."
	switch {
	case k.NewOnCard:
		how = "Your key is made on your card, and goes with it to every machine."
	case k.OnCard:
		how = "Your key is the one that your card has already. It goes with the card to every machine."
	}
	fmt.Fprintf(w, "%s Its fingerprint: %s\nOthers verify you with \"sallyport verify NAME\", once they have set theirs up.\n", how, k.Fingerprint)
	if k.FactoryKey {
		fmt.Fprintln(w, "The card still has the management key that everybody knows: whoever holds the card can replace its keys. Change it, for example with \"ykman piv access change-management-key\".")
	}
}

func printOwnKey(w io.Writer, k report.VerifyKey, now time.Time) {
	where := ""
	if k.OnCard {
		where = ", on your card"
	}
	fmt.Fprintf(w, "Your key is %s old%s. Its fingerprint: %s\n", span(now.Sub(k.Made)), where, k.Fingerprint)
	printPartners(w, k)
}

func printPartners(w io.Writer, k report.VerifyKey) {
	if k.Partners {
		fmt.Fprintln(w, "People of realms that are partners of yours can verify you too. \"sallyport verify --partners=false\" ends that.")
		return
	}
	fmt.Fprintln(w, "Only people of your own realm can verify you. \"sallyport verify --partners=true\" lets people of its partners do so too.")
}

func printCall(w io.Writer, c report.VerifyCall, now time.Time) {
	who := personOf(c)
	if c.FullName != "" {
		who = fmt.Sprintf("%s (%s)", spoken(c.FullName), who)
	}
	fmt.Fprintln(w, who)
	printRealm(w, c, now)
	fmt.Fprintf(w, "  key of %s ago, fingerprint %s\n", span(now.Sub(c.KeyMade)), c.Fingerprint)
	if c.Away {
		fmt.Fprintf(w, "  The realm's server does not answer. This is what it said %s ago; the key may have been replaced since.\n", span(now.Sub(c.Asked)))
	}
	printConfirmed(w, c, now)
	for _, n := range c.LooksLike {
		fmt.Fprintf(w, "  WARNING: the name looks like that of %s, whom you confirmed before, and is another account.\n", spoken(n))
	}
	printHolders(w, c)
	if c.Say != "" {
		fmt.Fprintf(w, "Say:  %s  (for %d s)\n", c.Say, c.SecondsLeft)
	}
}

func personOf(c report.VerifyCall) string {
	return fmt.Sprintf("%s@%s", spoken(c.Name), spoken(c.Realm))
}

// printRealm says which realm vouches for somebody, and what that realm says of itself.
func printRealm(w io.Writer, c report.VerifyCall, now time.Time) {
	if c.OwnRealm {
		fmt.Fprintln(w, "  in your own realm")
	} else {
		fmt.Fprintf(w, "  in the realm %s, which yours trusts\n", spoken(c.Realm))
	}
	if c.Organisation != "" {
		fmt.Fprintf(w, "  the realm says that it belongs to: %s\n", spoken(c.Organisation))
	}
	if c.Domain != "" {
		fmt.Fprintf(w, "  its server: %s\n", spoken(c.Domain))
	}
	if !c.OwnRealm && !c.Told.IsZero() {
		fmt.Fprintf(w, "  that realm said all this %s ago\n", span(now.Sub(c.Told)))
	}
	for _, other := range c.RealmLooksLike {
		fmt.Fprintf(w, "  WARNING: the name of the realm looks like that of %s, which is another realm.\n", spoken(other))
	}
	printLetters(w, "the name of the realm", c.Realm)
	if c.Domain != c.Realm {
		printLetters(w, "the server's domain", c.Domain)
	}
}

// printLetters warns of letters that are none of ASCII, also where they are written with those
// of ASCII ("xn--").
func printLetters(w io.Writer, what, name string) {
	decoded := spelling.Decoded(name)
	if decoded != name {
		fmt.Fprintf(w, "  WARNING: %s is shown elsewhere as: %s\n", what, spoken(decoded))
	}
	if letter := spelling.Foreign(decoded); letter != "" {
		fmt.Fprintf(w, "  WARNING: %s has the letter %s, which may look like another.\n", what, letter)
	}
}

func printConfirmed(w io.Writer, c report.VerifyCall, now time.Time) {
	switch c.Key {
	case verify.Same:
		fmt.Fprintf(w, "  You confirmed this key %s ago.\n", span(now.Sub(c.Confirmed)))
	case verify.Another:
		fmt.Fprintf(w, "  WARNING: it is not the key that you confirmed %s ago (%s). Either they have set up a new one, or somebody wants to\n"+
			"  be taken for them. Ask them, and compare fingerprints some other way (\"sallyport verify --fingerprint\") before you go on.\n", span(now.Sub(c.Confirmed)), c.FingerprintBefore)
	default:
		servers := "the realm's server"
		if !c.OwnRealm {
			servers = "the server of that realm, or of yours,"
		}
		fmt.Fprintf(w, "  You have not confirmed this key before: whoever controls %s could show you a wrong one now, and not unnoticed later.\n", servers)
	}
}

// printHolders says of each code who else can make it.
func printHolders(w io.Writer, c report.VerifyCall) {
	if c.ServerHeld {
		fmt.Fprintf(w, "  The server of %s holds this person's key and can make this code too: it proves what that server says, not the person.\n", spoken(c.Realm))
	}
	if c.OwnServerHeld {
		fmt.Fprintln(w, "  The server of your own realm holds your key: it can make the code that you say too.")
	}
}

func printVerdict(w io.Writer, c report.VerifyCall, about string, v report.VerifyVerdict, now time.Time) {
	who := personOf(c)
	switch v.Verdict {
	case verify.Confirmed:
		fmt.Fprintf(w, "Confirmed: whoever said this code has the key of %s.\n", who)
		if about != "" {
			fmt.Fprintf(w, "For them, too, the call is about: %s\n", spoken(about))
		}
		printHolders(w, c)
	case verify.Used:
		fmt.Fprintln(w, "Not confirmed: this code was heard before, and is good once. Wait for the next minute, and ask for a new one.")
	case verify.NoCode:
		fmt.Fprintln(w, "Not confirmed: a code has 8 digits. Run it again.")
	case verify.Locked:
		fmt.Fprintf(w, "Not confirmed: too many wrong codes. %s cannot be verified here for %s.\n", who, span(v.LockedUntil.Sub(now)))
	default:
		fmt.Fprintf(w, "NOT CONFIRMED: this is not the code of %s. Do not trust the call, unless the clocks differ or a digit was misheard: then run it again.\n", who)
		if about != "" {
			fmt.Fprintf(w, "Or the call is not about %s for whoever gave the code: then somebody sits between the two of you, or the words differ.\n", spoken(about))
		} else {
			fmt.Fprintln(w, "Or they have typed what the call is about (--about), and you have not.")
		}
	}
	if v.Late {
		fmt.Fprintln(w, "The realm's audit log will say so once the server answers.")
	}
	if v.Unrecorded {
		fmt.Fprintln(w, "The realm's audit log does not say so: the server does not take it, or this machine cannot keep it until it does. The daemon's log has the reason.")
	}
}
