package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/report"
)

// Two people make sure of each other over the telephone, docs/verify.md.

// errLocked says that too many wrong codes were heard.
var errLocked = errors.New("too many wrong codes")

func verifyPerson(a *App, in *invocation) command.Action {
	byCard := in.byCard()
	setUp := in.Bool("set-up", false, "make a key of yours, in place of one that you had, so that others can verify you")
	remove := in.Bool("remove", false, "remove your key: nobody can verify you any more")
	fingerprint := in.Bool("fingerprint", false, "show the fingerprint of your key")
	return func(ctx context.Context) error {
		ways := 0
		for _, given := range []bool{*setUp, *remove, *fingerprint, in.Name(0) != ""} {
			if given {
				ways++
			}
		}
		if ways != 1 {
			return command.Usage("one of PERSON, --set-up, --remove and --fingerprint is needed")
		}
		var err error
		switch {
		case *setUp || *remove:
			err = a.setVerifyKey(ctx, in, a.proving(byCard, true), *remove)
		case *fingerprint:
			var k report.VerifyKey
			if k, err = control.One[report.VerifyKey](ctx, in.daemon(), report.VerbVerifyKey, nil); err == nil {
				err = a.show(in, k, func(w io.Writer) { printOwnKey(w, k, a.Now()) })
			}
		default:
			err = a.verify(ctx, in, in.Name(0))
		}
		if err == nil || errors.Is(err, errSaid) {
			return err
		}
		return fmt.Errorf("verify: %w", err)
	}
}

func printOwnKey(w io.Writer, k report.VerifyKey, now time.Time) {
	fmt.Fprintf(w, "Your key is %s old. Its fingerprint: %s\n", span(now.Sub(k.Made)), k.Fingerprint)
}

func (a *App) setVerifyKey(ctx context.Context, in *invocation, p *prover, remove bool) error {
	r, err := requested(ctx, in, p, report.VerbVerifySetUp, func(p report.ProofArgs) any { return report.VerifySetUp{ProofArgs: p, Remove: remove} })
	if err != nil {
		return err
	}
	if remove {
		return a.show(in, map[string]bool{"removed": true}, func(w io.Writer) { fmt.Fprintln(w, "Your key is removed: nobody can verify you any more.") })
	}
	if r.VerifyKey == nil {
		return errNotEnough
	}
	return a.show(in, r.VerifyKey, func(w io.Writer) {
		fmt.Fprintf(w, "Your key is made. Its private half stays on this machine. Its fingerprint: %s\nOthers verify you with \"sallyport verify NAME\", once they have set theirs up.\n", r.VerifyKey.Fingerprint)
	})
}

// foreign names the first letter that no name of an account has, with its script: what looks
// like a letter of ASCII may be none.
func foreign(name string) error {
	for _, r := range name {
		if r < unicode.MaxASCII {
			continue
		}
		script := "an unknown script"
		for s, table := range unicode.Scripts {
			if unicode.Is(table, r) {
				script = s
			}
		}
		return fmt.Errorf("%s has the letter %q (U+%04X, %s), and names have letters of ASCII alone: somebody may want to be taken for another. Type the name yourself", spoken(name), r, r, script)
	}
	return nil
}

// verify holds one call: who that is, the code to say, the code that is heard, a verdict. An
// empty line shows the code that is said now.
func (a *App) verify(ctx context.Context, in *invocation, name string) error {
	if err := foreign(name); err != nil {
		return err
	}
	call, err := control.One[report.VerifyCall](ctx, in.daemon(), report.VerbVerifyCall, report.VerifyWith{Name: name})
	if err != nil {
		return err
	}
	t := newAsker(a.Stdin, a.Stderr)
	for {
		if err := a.show(in, call, func(w io.Writer) { printCall(w, call, a.Now()) }); err != nil {
			return err
		}
		if call.Say == "" {
			return fmt.Errorf("%w: try again in %s", errLocked, span(call.LockedUntil.Sub(a.Now())))
		}
		typed, err := t.respond(pam.PromptEchoOn, "The code you hear (Enter shows your own anew): ")
		if err != nil {
			return err
		}
		if strings.TrimSpace(typed) == "" {
			if call, err = control.One[report.VerifyCall](ctx, in.daemon(), report.VerbVerifyCall, report.VerifyWith{Name: name, Again: true}); err != nil {
				return err
			}
			continue
		}
		v, err := control.One[report.VerifyVerdict](ctx, in.daemon(), report.VerbVerifyHeard, report.VerifyHeard{Name: name, PublicKey: call.PublicKey, Code: typed})
		if err != nil {
			return err
		}
		if err := a.show(in, v, func(w io.Writer) { printVerdict(w, call, v, a.Now()) }); err != nil {
			return err
		}
		if v.Verdict != verify.Confirmed {
			return errSaid
		}
		return nil
	}
}

func printCall(w io.Writer, c report.VerifyCall, now time.Time) {
	who := fmt.Sprintf("%s@%s", spoken(c.Name), spoken(c.Realm))
	if c.FullName != "" {
		who = fmt.Sprintf("%s (%s)", spoken(c.FullName), who)
	}
	fmt.Fprintln(w, who)
	fmt.Fprintf(w, "  in your own realm; key of %s ago, fingerprint %s\n", span(now.Sub(c.KeyMade)), c.Fingerprint)
	if c.Away {
		fmt.Fprintf(w, "  The realm's server does not answer. This is what it said %s ago; the key may have been replaced since.\n", span(now.Sub(c.Asked)))
	}
	switch c.Key {
	case report.VerifyKeySame:
		fmt.Fprintf(w, "  You confirmed this key %s ago.\n", span(now.Sub(c.Confirmed)))
	case report.VerifyKeyChanged:
		fmt.Fprintf(w, "  WARNING: it is not the key that you confirmed %s ago (%s). Either they have set up a new one, or somebody wants to\n"+
			"  be taken for them. Ask them, and compare fingerprints some other way (\"sallyport verify --fingerprint\") before you go on.\n", span(now.Sub(c.Confirmed)), c.FingerprintBefore)
	default:
		fmt.Fprintln(w, "  You have not confirmed this key before: whoever controls the realm's server could show you a wrong one now, and not unnoticed later.")
	}
	for _, n := range c.LooksLike {
		fmt.Fprintf(w, "  WARNING: the name looks like that of %s, whom you confirmed before, and is another account.\n", spoken(n))
	}
	if c.Say != "" {
		fmt.Fprintf(w, "Say:  %s  (for %d s)\n", c.Say, c.SecondsLeft)
	}
}

func printVerdict(w io.Writer, c report.VerifyCall, v report.VerifyVerdict, now time.Time) {
	who := fmt.Sprintf("%s@%s", spoken(c.Name), spoken(c.Realm))
	switch v.Verdict {
	case verify.Confirmed:
		fmt.Fprintf(w, "Confirmed: whoever said this code has the key of %s.\n", who)
	case verify.Used:
		fmt.Fprintln(w, "Not confirmed: this code was heard before, and is good once. Wait for the next minute, and ask for a new one.")
	case verify.NoCode:
		fmt.Fprintln(w, "Not confirmed: a code has 8 digits. Run it again.")
	case verify.Locked:
		fmt.Fprintf(w, "Not confirmed: too many wrong codes. %s cannot be verified here for %s.\n", who, span(v.LockedUntil.Sub(now)))
	default:
		fmt.Fprintf(w, "NOT CONFIRMED: this is not the code of %s. Do not trust the call, unless the clocks differ or a digit was misheard: then run it again.\n", who)
	}
	if v.Unrecorded {
		fmt.Fprintln(w, "The realm's audit log does not say so, because the server does not answer.")
	}
}
