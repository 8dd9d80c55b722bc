package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/spelling"
)

// Two people make sure of each other over the telephone, docs/verify.md.

// errLocked says that too many wrong codes were heard.
var errLocked = errors.New("too many wrong codes")

func verifyPerson(a *App, in *invocation) command.Action {
	byCard := in.byCard()
	var partners *bool
	setUp := in.Bool("set-up", false, "make a key of yours, in place of one that you had, so that others can verify you")
	in.BoolFunc("partners", "`true|false`: people of partners of the realm can verify you too; of your new key, or of the one that you have", func(s string) error {
		yes, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		partners = &yes
		return nil
	})
	onCard := in.Bool("on-card", false, "with --set-up: the key is on your card (slot 9D), and goes with it to every machine")
	about := in.String("about", "", "`WORDS`: what the call is about; whom you speak with gives the same words")
	remove := in.Bool("remove", false, "remove your key: nobody can verify you any more")
	fingerprint := in.Bool("fingerprint", false, "show the fingerprint of your key")
	return func(ctx context.Context) error {
		keep := partners != nil && !*setUp
		ways := 0
		for _, given := range []bool{*setUp, keep, *remove, *fingerprint, in.Name(0) != ""} {
			if given {
				ways++
			}
		}
		if *about != "" && in.Name(0) == "" {
			return command.Usage("--about is for a call with somebody")
		}
		if *onCard && !*setUp {
			return command.Usage("--on-card goes with --set-up")
		}
		if ways != 1 {
			return command.Usage("one of PERSON, --set-up, --partners, --remove and --fingerprint is needed")
		}
		var err error
		switch {
		case *setUp || keep || *remove:
			*byCard = *byCard || *onCard
			err = a.setVerifyKey(ctx, in, a.proving(byCard, true), report.VerifySetUp{Remove: *remove, Keep: keep, Partners: partners != nil && *partners, OnCard: *onCard})
		case *fingerprint:
			var k report.VerifyKey
			if k, err = control.One[report.VerifyKey](ctx, in.daemon(), report.VerbVerifyKey, nil); err == nil {
				err = a.show(in, k, func(w io.Writer) { printOwnKey(w, k, a.Now()) })
			}
		default:
			err = a.verify(ctx, in, report.VerifyWith{Name: in.Name(0), About: *about})
		}
		if err == nil || errors.Is(err, errSaid) {
			return err
		}
		return fmt.Errorf("verify: %w", err)
	}
}

func (a *App) setVerifyKey(ctx context.Context, in *invocation, p *prover, set report.VerifySetUp) error {
	if set.OnCard {
		fmt.Fprintln(a.Stderr, "If your card blinks, touch it.")
	}
	r, err := requested(ctx, in, p, report.VerbVerifySetUp, func(p report.ProofArgs) any {
		set.ProofArgs = p
		return set
	})
	if err != nil {
		return err
	}
	if set.Remove {
		return a.show(in, map[string]bool{"removed": true}, func(w io.Writer) { fmt.Fprintln(w, "Your key is removed: nobody can verify you any more.") })
	}
	if r.VerifyKey == nil {
		return errNotEnough
	}
	return a.show(in, r.VerifyKey, func(w io.Writer) {
		if !set.Keep {
			printNewKey(w, *r.VerifyKey)
		}
		printPartners(w, *r.VerifyKey)
	})
}

// foreign refuses a name with a letter that no name of an account has.
func foreign(typed string) error {
	name, _, _ := strings.Cut(typed, "@")
	if letter := spelling.Foreign(name); letter != "" {
		return fmt.Errorf("%s has the letter %s, and names have letters of ASCII alone: somebody may want to be taken for another. Type the name yourself", spoken(name), letter)
	}
	return nil
}

// beginCall asks the daemon who that is and for the code to say, and the person for the PIN
// where their key is on a card.
func beginCall(ctx context.Context, in *invocation, t *asker, with report.VerifyWith) (report.VerifyCall, error) {
	with.LogindSession = own().LogindSession
	call, err := control.One[report.VerifyCall](ctx, in.daemon(), report.VerbVerifyCall, with)
	if err != nil || !call.NeedsPIN {
		return call, err
	}
	away := call.Away
	with.Again = true
	if with.PIN, err = t.respond(pam.PromptEchoOff, "PIN of your card: "); err != nil {
		return call, err
	}
	call, err = last(ctx, in, t, report.VerbVerifyCall, with, func(c report.VerifyCall) bool { return c.Touch })
	if err == nil && call.NeedsPIN {
		err = errNotEnough
	}
	call.Away = away
	return call, err
}

// verify holds one call: who that is, the code to say, the code that is heard, a verdict. An
// empty line shows the code that is said now.
func (a *App) verify(ctx context.Context, in *invocation, with report.VerifyWith) error {
	if err := foreign(with.Name); err != nil {
		return err
	}
	t := newAsker(a.Stdin, a.Stderr)
	call, err := beginCall(ctx, in, t, with)
	if err != nil {
		return err
	}
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
			with.Again = true
			away := call.Away
			if call, err = beginCall(ctx, in, t, with); err != nil {
				return err
			}
			call.Away = away
			continue
		}
		v, err := control.One[report.VerifyVerdict](ctx, in.daemon(), report.VerbVerifyHeard, report.VerifyHeard{Name: with.Name, About: with.About, PublicKey: call.PublicKey, Code: typed})
		if err != nil {
			return err
		}
		if err := a.show(in, v, func(w io.Writer) { printVerdict(w, call, with.About, v, a.Now()) }); err != nil {
			return err
		}
		if v.Verdict != verify.Confirmed {
			return errSaid
		}
		return nil
	}
}
