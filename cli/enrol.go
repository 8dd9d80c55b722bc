package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/report"
)

// errNotEnrolled says that no code confirmed the new secret.
var errNotEnrolled = errors.New("no code of the new generator was given; nothing was changed")

// enrolTOTP gives who runs it a one-time code generator, in place of the one before.
func enrolTOTP(a *App, in *invocation) command.Action {
	byCard := in.byCard()
	return func(ctx context.Context) error {
		t := newAsker(a.Stdin, a.Stderr)
		e, err := beginEnrolment(t, *byCard, asking(ctx, in, report.VerbEnrolTOTP))
		if err != nil {
			return fmt.Errorf("enrol totp: %w", err)
		}
		secret, err := secretOf(e.URL)
		if err != nil {
			return fmt.Errorf("enrol totp: %w", err)
		}
		if err := a.show(in, e, func(w io.Writer) { printSecret(w, e.URL, secret, e.Until.Sub(a.Now())) }); err != nil {
			return err
		}
		done, err := confirmEnrolment(ctx, in, t, e.Handle)
		if err != nil {
			return fmt.Errorf("enrol totp: %w", err)
		}
		return a.show(in, done, func(w io.Writer) {
			fmt.Fprintln(w, "Enrolled. From now on you are asked for a code after your password. An earlier generator no longer works.")
		})
	}
}

// beginEnrolment asks for the password, and for a code of the present generator
// when there is one; or for the PIN of a card that the account has. ask sends it.
func beginEnrolment(t *asker, byCard bool, ask func(report.EnrolArgs) (report.Enrolment, error)) (report.Enrolment, error) {
	e, err := prove(t, byCard, "PIN of the card that you have already: ", "Code of your present generator, or a backup code: ", ask,
		func(e report.Enrolment) bool { return e.NeedsCode })
	if err == nil && e.NeedsCode {
		err = errors.New("a code is needed; nothing was changed")
	}
	return e, err
}

// asking sends what proves who asks with one verb.
func asking(ctx context.Context, in *invocation, verb string) func(report.EnrolArgs) (report.Enrolment, error) {
	return func(a report.EnrolArgs) (report.Enrolment, error) {
		return control.One[report.Enrolment](ctx, in.daemon(), verb, a)
	}
}

func (in *invocation) byCard() *bool {
	return in.Bool("by-card", false, "prove who you are with a card that you have already, in place of the password")
}

func confirmEnrolment(ctx context.Context, in *invocation, t *asker, handle string) (report.Enrolled, error) {
	const tries = 3 // the server's limit
	for range tries {
		code, err := t.respond(pam.PromptEchoOn, "Code that it shows: ")
		if err != nil {
			return report.Enrolled{}, err
		}
		r, err := control.One[report.Enrolled](ctx, in.daemon(), report.VerbEnrolConfirm, report.ConfirmArgs{Handle: handle, Code: strings.TrimSpace(code)})
		if err != nil || r.Done {
			return r, err
		}
		fmt.Fprintln(t.out, spoken(r.Message))
	}
	return report.Enrolled{}, errNotEnrolled
}

// secretOf finds the base32 secret in an otpauth:// address, and refuses what is
// none: it comes from a server, and goes to a terminal.
func secretOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || spoken(address) != address {
		return "", errors.New("the server sent no secret that an authenticator could take")
	}
	s := u.Query().Get("secret")
	if s == "" || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", errors.New("the server sent no secret that an authenticator could take")
	}
	return s, nil
}

func printSecret(w io.Writer, address, secret string, left time.Duration) {
	if picture, err := halfBlocks(address); err == nil { // too long for one: then it is typed
		fmt.Fprint(w, picture)
	}
	fmt.Fprintf(w, "Scan it with an authenticator app, or type this secret into one:\n\n    %s\n\n%s\n\n", inFours(secret), address)
	fmt.Fprintf(w, "Keep it to yourself. It counts only once a code of it is given here, within %s.\n", span(left))
}

func inFours(s string) string {
	var b strings.Builder
	for four := range slices.Chunk([]byte(s), 4) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.Write(four)
	}
	return b.String()
}

// halfBlocks draws a QR code (ISO/IEC 18004), two rows to a line. What is light in
// the code is drawn, so it reads on a dark terminal; the quiet zone is four wide.
func halfBlocks(text string) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("qr code: %w", err)
	}
	const quiet = 4
	size := code.Bounds().Dx()
	light := func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return true
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r != 0
	}
	var b strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		for x := -quiet; x < size+quiet; x++ {
			switch upper, lower := light(x, y), light(x, y+1); {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
