package application

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Registration by oneself (2.1.2): off until an administrator names a group for who does.
const (
	selfLife  = 10 * time.Minute // until the code
	mostOpen  = 3                // registrations of an instance whose code nobody has said
	mostTries = 5                // at one code
	mostSelf  = 10000            // accounts in the group
	codeBelow = 100_000_000      // eight digits
	shellNone = "/usr/sbin/nologin"
	homeNone  = "/nonexistent"
)

// secretsOf is no account's: what the secrets of registrations are sealed for.
var secretsOf = uuid.MustParse("6f706770-7265-4000-8000-000000000001") //nolint:gochecknoglobals // a constant

// register begins a registration: a code goes to where the person says that they are.
func (s *Service) register(tx *store.Tx, a *asked) (reply, error) {
	var b message.RegisterBody
	if err := a.read(&b); err != nil {
		return reply{}, err
	}
	if a.set.SelfGroup == uuid.Nil {
		return reply{}, no(SelfOff)
	}
	m, known := methods()[b.Method]
	if !known || m.command != nil && m.command(s.delivery) == "" {
		return reply{}, no(NoMethod)
	}
	payload, ok := m.payload(b.Payload)
	if !ok {
		return reply{}, refusal{Malformed, "the payload is not what the method takes: " + m.takes}
	}
	a.what = "method " + b.Method
	target := sha256.Sum256([]byte("sallyport registration\x00" + b.Method + "\x00" + payload))
	r := store.ApplicationRegistration{
		Instance: a.from.Key, Request: a.envelope.Request, Method: b.Method, Target: target[:], Expires: a.now.Add(selfLife),
	}
	secret, deliver := payload, func(context.Context) error { return nil }
	if m.command != nil {
		n, err := rand.Int(rand.Reader, big.NewInt(codeBelow))
		if err != nil {
			return reply{}, fmt.Errorf("make a code: %w", err)
		}
		secret = fmt.Sprintf("%08d", n)
		deliver = func(ctx context.Context) error {
			return s.delivery.send(ctx, b.Method, payload, m.text(a.name, secret))
		}
	}
	r.Secret = s.Box.Seal(secretsOf, identity.NewSecret([]byte(secret)))
	err := tx.AddApplicationRegistration(r, a.now, mostOpen)
	if errors.Is(err, store.ErrExists) {
		return reply{}, no(Busy)
	}
	return reply{purpose: message.RegisterBegun, body: message.RegisterBegunBody{Until: r.Expires.Unix()}, deliver: deliver}, err //nolint:wrapcheck // it says what it is about
}

// selfCode judges the code of who registers by themselves. A wrong one is counted.
func (s *Service) selfCode(tx *store.Tx, a *asked, b message.CodeBody) (reply, error) {
	r, err := tx.ApplicationRegistration(a.from.Key, b.Registration, a.now)
	if errors.Is(err, identity.ErrNotFound) || err == nil && (r.Accepted || r.Method == "" || r.Tries >= mostTries || a.set.SelfGroup == uuid.Nil) {
		return reply{}, no(WrongCode)
	}
	if err != nil {
		return reply{}, err //nolint:wrapcheck // it says what it is about
	}
	a.what = "method " + r.Method
	secret, err := s.Box.Open(secretsOf, r.Secret)
	if err != nil {
		return reply{}, err //nolint:wrapcheck // likewise
	}
	defer secret.Wipe()
	right, err := methods()[r.Method].right(secret, identity.NewSecret([]byte(b.Code)), a.now)
	if err != nil {
		return reply{}, err
	}
	if !right {
		return wrongTry(tx, r)
	}
	r.Accepted, r.Secret, r.Expires = true, nil, a.now.Add(acceptedLife)
	err = tx.SetApplicationRegistration(r)
	return reply{purpose: message.CodeAccepted, body: message.CodeAcceptedBody{Code: b.Code, Until: r.Expires.Unix()}}, err //nolint:wrapcheck // likewise
}

// wrongTry is a refusal that is written down. The last one leaves the registration where it is:
// nobody has another code sent to the same place sooner for that.
func wrongTry(tx *store.Tx, r store.ApplicationRegistration) (reply, error) {
	r.Tries++
	return reply{no: &refusal{WrongCode, words()[WrongCode]}}, tx.SetApplicationRegistration(r) //nolint:wrapcheck // it says what it is about
}

// newcomer makes the account of who has registered: of a random name, with nothing to log in
// with, in the group that an administrator named.
func (s *Service) newcomer(tx *store.Tx, a *asked) (store.Account, error) {
	if a.set.SelfGroup == uuid.Nil {
		return store.Account{}, no(SelfOff)
	}
	n, err := tx.MembersOf(a.set.SelfGroup)
	if err != nil {
		return store.Account{}, err //nolint:wrapcheck // it says what it is about
	}
	if n >= mostSelf {
		return store.Account{}, no(SelfFull)
	}
	account := store.Account{State: identity.Active, ValidUntil: identity.Never}
	account.Name = identity.Name("app-" + strings.ToLower(rand.Text()[:12]))
	account.Home, account.Shell = homeNone, shellNone
	if err := identity.ReservedName(account.Name, s.Settings.Reserved...); err != nil {
		return account, err //nolint:wrapcheck // likewise
	}
	if account, err = tx.AddAccount(account); err != nil {
		return account, err //nolint:wrapcheck // likewise
	}
	if err := tx.AddAccountTo(a.set.SelfGroup, account.UUID); err != nil {
		return account, err //nolint:wrapcheck // likewise
	}
	claims, err := s.Claims(tx, account)
	if err == nil {
		err = claims.Validate() // what cannot be a token must not become an account
	}
	return account, err //nolint:wrapcheck // likewise
}

// sameCode compares a code that was sent.
func sameCode(secret, code identity.Secret, _ time.Time) (bool, error) {
	return subtle.ConstantTimeCompare(secret.Reveal(), code.Reveal()) == 1, nil
}

// totpCode checks a one-time password (RFC 6238).
func totpCode(secret, code identity.Secret, now time.Time) (bool, error) {
	_, ok, err := identity.TOTPStep(secret, code, now)
	return ok, err //nolint:wrapcheck // it says what it is about
}
