package application

import (
	"bytes"
	"context"
	"encoding/base32"
	"fmt"
	"net/mail"
	"os/exec"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// deliverTimeout bounds one delivery, and mostDeliveries are under way at a time.
const (
	deliverTimeout = 8 * time.Second
	mostDeliveries = 4
)

// Delivery are the programs that carry codes to people. They are said where the server is
// started, and not in the database: who can write there must not say what is run. "": that
// method is off.
type Delivery struct {
	// Mail is run with -i -- ADDRESS, and the mail on standard input, as sendmail is.
	Mail string
	// SMS is run with -- NUMBER, and the text on standard input.
	SMS string
}

// method is one of proving who one is.
type method struct {
	takes   string
	payload func(string) (string, bool)
	// command is the program that carries the code; nil: nothing is carried.
	command func(Delivery) string
	text    func(realm, code string) string
	right   func(secret, code identity.Secret, now time.Time) (bool, error)
}

// methods are all of them.
//
//	method  payload                            the code comes
//	mail    an address                         by mail
//	sms     a number, +1234567890              by the program for SMS
//	totp    a secret in base32, of RFC 6238    from the person's generator
func methods() map[string]method {
	return map[string]method{
		"mail": {
			takes: "an address of mail, NAME@DOMAIN", payload: mailAddress, command: func(d Delivery) string { return d.Mail },
			text: func(realm, code string) string {
				return "Subject: Your code for " + realm + "\n\nYour code is " + code + ". It is good for 10 minutes. If you did not ask for it, ignore this mail.\n"
			},
			right: sameCode,
		},
		"sms": {
			takes: "a number, + and 7 to 15 digits", payload: phoneNumber, command: func(d Delivery) string { return d.SMS },
			text:  func(realm, code string) string { return "Your code for " + realm + " is " + code + "\n" },
			right: sameCode,
		},
		"totp": {takes: "a secret of 26 to 128 letters of base32, in capitals and without padding", payload: totpSecret, right: totpCode},
	}
}

func mailAddress(s string) (string, bool) {
	a, err := mail.ParseAddress(s)
	plain := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-@"
	return s, err == nil && a.Address == s && a.Name == "" && len(s) <= 254 && strings.Trim(s, plain) == "" && !strings.HasPrefix(s, "-")
}

func phoneNumber(s string) (string, bool) {
	digits, plus := strings.CutPrefix(s, "+")
	return s, plus && len(digits) >= 7 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}

func totpSecret(s string) (string, bool) {
	_, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(s)
	return s, err == nil && len(s) >= 26 && len(s) <= 128
}

// send runs the program of a method, without a shell.
func (d Delivery) send(ctx context.Context, way, to, text string) error {
	ctx, end := context.WithTimeout(ctx, deliverTimeout)
	defer end()
	args := []string{"--", to}
	if way == "mail" {
		args = []string{"-i", "--", to}
		text = "To: " + to + "\n" + text
	}
	cmd := exec.CommandContext(ctx, methods()[way].command(d), args...) //nolint:gosec // the administrator's program
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay, cmd.Env = strings.NewReader(text), &limited{&said, 1024}, time.Second, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %q", cmd.Path, err, said.String())
	}
	return nil
}

// limited takes as much as it may, and passes over the rest.
type limited struct {
	to   *bytes.Buffer
	left int
}

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	_, _ = l.to.Write(b[:n]) // never fails
	return len(b), nil
}

// delivered has a code carried. Where that fails nothing is left of the registration.
func (s *Service) delivered(ctx context.Context, a *asked, deliver func(context.Context) error) error {
	select {
	case s.deliveries <- struct{}{}:
		defer func() { <-s.deliveries }()
	default:
		return s.undelivered(ctx, a)
	}
	if err := deliver(ctx); err != nil {
		s.Log.ErrorContext(ctx, "a code for a registration is not delivered", "error", err)
		return s.undelivered(ctx, a)
	}
	return nil
}

// undelivered is a refusal, once the registration is gone.
func (s *Service) undelivered(ctx context.Context, a *asked) error {
	err := s.Store.Write(ctx, func(tx *store.Tx) error { return tx.RemoveApplicationRegistration(a.from.Key, a.envelope.Request) })
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	return no(Busy)
}
