package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/report"
)

// errNoCard says that no card was enrolled; its reason was printed.
var errNoCard = errors.New("no card was enrolled; nothing was changed on the server")

const touchNow = "Touch your card."

// enrolPIV makes a card the account's own.
func enrolPIV(a *App, in *invocation) command.Action {
	var c report.CardArgs
	in.BoolVar(&c.Generate, "generate", false, "make a new key in the card, and a certificate for it")
	in.StringVar(&c.Key, "algorithm", "", "`kind` of the new key, with --generate: p256, p384, ed25519 or rsa2048 (default p256)")
	in.BoolVar(&c.Touch, "touch", false, "with --generate: the key wants to be touched at each use")
	in.BoolVar(&c.Force, "force", false, "with --generate: in place of a certificate that is there")
	in.StringVar(&c.Label, "label", "", "`name` of the certificate, with --generate, which prompts show (default NAME@REALM)")
	in.IntVar(&c.ValidDays, "valid", 0, "with --generate: `days` that the certificate is valid (default 3653)")
	in.StringVar(&c.Reader, "reader", "", "`name` of the reader, when there is more than one card")
	byCard := in.byCard()
	return func(ctx context.Context) error {
		if !c.Generate && (c.Key != "" || c.Touch || c.Force || c.Label != "" || c.ValidDays != 0) {
			return command.Usage("--algorithm, --touch, --force, --label and --valid go with --generate")
		}
		t := newAsker(a.Stdin, a.Stderr)
		e, err := beginEnrolment(t, *byCard, asking(ctx, in, report.VerbEnrolPIV))
		if err != nil {
			return fmt.Errorf("enrol piv: %w", err)
		}
		c.Handle = e.Handle
		made, err := readyCard(ctx, in, t, &c)
		if err != nil {
			return fmt.Errorf("enrol piv: %w", err)
		}
		if made.FactoryKey {
			fmt.Fprintln(t.out, "The card still has the management key that it left the factory with, which everybody knows:")
			fmt.Fprintln(t.out, "whoever holds the card can replace its key. Change it, for example with \"ykman piv access change-management-key\".")
		}
		if err := signIn(ctx, in, t, c); err != nil {
			return fmt.Errorf("enrol piv: %w", err)
		}
		return a.show(in, made, func(w io.Writer) {
			fmt.Fprintf(w, "Enrolled: %s, %s, until %s\n", spoken(made.Card.Subject), spoken(made.Card.Key), made.Card.NotAfter.Format(time.DateOnly))
			fmt.Fprintf(w, "    %s\n", spoken(made.Card.Fingerprint))
			if !made.Attested {
				fmt.Fprintln(w, "The card could not show that its key was made in it.")
			}
		})
	}
}

// readyCard asks for the PIN, and for the management key where that is needed,
// until the card is ready.
func readyCard(ctx context.Context, in *invocation, t *asker, c *report.CardArgs) (report.CardMade, error) {
	const tries = 4 // more prompts than a card bears wrong PINs
	for range tries {
		var err error
		if c.PIN == "" {
			if c.PIN, err = t.respond(pam.PromptEchoOff, "PIN of the card to enrol: "); err != nil {
				return report.CardMade{}, err
			}
		}
		made, err := last(ctx, in, t, report.VerbEnrolCard, *c, func(m report.CardMade) bool { return m.Touch })
		switch {
		case err != nil:
			return made, err
		case made.Problem == "" && made.Card != nil:
			return made, nil
		}
		fmt.Fprintln(t.out, spoken(made.Problem))
		switch {
		case made.NeedsManagementKey:
			key, err := t.respond(pam.PromptEchoOff, "Management key of the card (hexadecimal): ")
			if err != nil {
				return made, err
			}
			c.ManagementKey = strings.TrimSpace(key)
		case made.Fault == "wrong PIN":
			c.PIN = ""
		default:
			return made, errNoCard
		}
	}
	return report.CardMade{}, errNoCard
}

// signIn lets the card sign what the server asked, which makes it the account's.
func signIn(ctx context.Context, in *invocation, t *asker, c report.CardArgs) error {
	args := report.ConfirmArgs{Handle: c.Handle, PIN: c.PIN}
	const tries = 3 // for a touch that was missed
	for range tries {
		done, err := last(ctx, in, t, report.VerbEnrolPIVDone, args, func(e report.Enrolled) bool { return e.Touch })
		if err != nil || done.Done {
			return err
		}
		fmt.Fprintln(t.out, spoken(done.Message))
	}
	return errNoCard
}

// last is the last value of an answer; those before it say that the card waits.
func last[T any](ctx context.Context, in *invocation, t *asker, verb string, args any, touch func(T) bool) (T, error) {
	var v T
	some := false
	err := in.daemon().Ask(ctx, verb, args, func(b json.RawMessage) error {
		var next T
		if err := json.Unmarshal(b, &next); err != nil {
			return fmt.Errorf("answer to %q: %w", verb, err)
		}
		if touch(next) {
			fmt.Fprintln(t.out, touchNow)
			return nil
		}
		v, some = next, true
		return nil
	})
	if err == nil && !some {
		err = fmt.Errorf("no answer to %q", verb)
	}
	return v, err
}

// enrolBackupCodes prints new codes, once.
func enrolBackupCodes(a *App, in *invocation) command.Action {
	byCard := in.byCard()
	return func(ctx context.Context) error {
		e, err := beginEnrolment(newAsker(a.Stdin, a.Stderr), *byCard, asking(ctx, in, report.VerbEnrolCodes))
		if err != nil {
			return fmt.Errorf("enrol backup-codes: %w", err)
		}
		if !e.Done || len(e.BackupCodes) == 0 {
			return errors.New("enrol backup-codes: the server gave none")
		}
		return a.show(in, e, func(w io.Writer) {
			for _, c := range e.BackupCodes {
				fmt.Fprintln(w, "    "+spoken(c))
			}
			fmt.Fprintln(w, "Write them down: they are shown this once. Each is good once, in place of a one-time code,")
			fmt.Fprintln(w, "while the server can be reached. Earlier codes no longer work.")
		})
	}
}

// enrolRemove gives up a factor.
func enrolRemove(a *App, in *invocation) command.Action {
	kind := in.String("remove", "", "`factor` to give up: totp, piv or backup-codes")
	card := in.String("card", "", "`fingerprint` of the card, where there are several, as \"sallyport card\" shows it")
	byCard := in.byCard()
	return func(ctx context.Context) error {
		args := report.RemoveArgs{Kind: *kind, Card: *card}
		switch *kind {
		case "totp", "piv":
		case "backup-codes":
			args.Kind = "backup-code"
		default:
			return command.Usage("enrol what? totp, piv or backup-codes; or --remove one of them")
		}
		e, err := beginEnrolment(newAsker(a.Stdin, a.Stderr), *byCard, func(proof report.EnrolArgs) (report.Enrolment, error) {
			args.EnrolArgs = proof
			return control.One[report.Enrolment](ctx, in.daemon(), report.VerbEnrolRemove, args)
		})
		if err != nil {
			return fmt.Errorf("enrol --remove: %w", err)
		}
		if !e.Done {
			return errors.New("enrol --remove: the server did not say that it is done")
		}
		return a.show(in, e, func(w io.Writer) { fmt.Fprintln(w, "Removed.") })
	}
}

// cards shows what is in the readers.
func cards(a *App, in *invocation) command.Action {
	return func(ctx context.Context) error {
		c, err := control.One[report.Cards](ctx, in.daemon(), report.VerbCards, nil)
		if err != nil {
			return fmt.Errorf("card: %w", err)
		}
		return a.show(in, c, func(w io.Writer) { printCards(w, c) })
	}
}

func printCards(w io.Writer, c report.Cards) {
	if len(c.Readers) == 0 {
		fmt.Fprintln(w, "No card reader is connected.")
	}
	for _, r := range c.Readers {
		fmt.Fprintf(w, "%s\n", spoken(r.Name))
		if r.Problem != "" {
			fmt.Fprintf(w, "    %s\n", spoken(r.Problem))
		}
		for _, card := range r.Cards {
			fmt.Fprintf(w, "    %s, %s, until %s%s\n", spoken(card.Subject), spoken(card.Key), card.NotAfter.Format(time.DateOnly), whose(card))
			fmt.Fprintf(w, "    %s\n", spoken(card.Fingerprint))
		}
		if r.VerifyKey != "" {
			fmt.Fprintf(w, "    key to be verified by (slot 9D): %s\n", spoken(r.VerifyKey))
		}
		if r.Retries != nil {
			fmt.Fprintf(w, "    PIN tries left: %d\n", *r.Retries)
		}
	}
}

func whose(c report.Card) string {
	switch {
	case c.Yours:
		return ": yours"
	case c.Revoked:
		return ": was yours, and is revoked"
	default:
		return ""
	}
}

func printCardService(w io.Writer, s *report.CardService) {
	switch {
	case s == nil:
	case s.Problem != "":
		fmt.Fprintf(w, "cards\t%s\n", spoken(s.Problem))
	case len(s.Readers) == 0:
		fmt.Fprintf(w, "cards\tno reader is connected\n")
	default:
		for i, r := range s.Readers {
			fmt.Fprintf(w, "%s\treader %s\n", map[bool]string{true: "cards"}[i == 0], spoken(r))
		}
	}
}
