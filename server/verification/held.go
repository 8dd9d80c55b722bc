package verification

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Keys whose private halves the server holds, for people without a machine. How an account's
// key comes to be what:
//
//	has               who sets one                     comes to
//	none, or held     a machine, by its own proof      the machine's; no private half is left here
//	a machine's       a machine, by its own proof      the new one's
//	none              its owner at the console         held
//	held              its owner at the console         held, a new one
//	a machine's       its owner at the console         refused, unless they say that it is to replace it
//	held              the realm allows none any more   none
//
// At the console the owner has just signed in: see package console.

// consoleActor is the console in the audit log, as package auth writes it too.
const consoleActor = "console"

// console stands in a machine's place.
func console() store.Machine { return store.Machine{UUID: store.ConsoleClient, Name: consoleActor} }

var (
	errNotAllowed = connect.NewError(connect.CodeFailedPrecondition, errors.New("this realm's server holds no keys to verify people with: use \"sallyport verify\" on your machine, or ask your administrator"))
	errMachines   = connect.NewError(connect.CodeFailedPrecondition, errors.New("your key is on your machine, and was not to be replaced: nothing has changed"))
	errNotHeld    = connect.NewError(connect.CodeFailedPrecondition, errors.New("your key is on your machine: run \"sallyport verify\" there. This server cannot compute a code for you"))
)

// Who is somebody at the console: their account, as good as when they signed in.
type Who func(*store.Tx) (store.Account, error)

// sealedFor is what the private half of an account's key is sealed for; its other secrets are
// sealed for the account itself.
func sealedFor(account uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(account, []byte("sallyport verify key"))
}

// replaces is what the audit log says of a key that another one replaces.
func replaces(before store.VerifyKey) string {
	return fmt.Sprintf(" replaces=%q", verify.Fingerprint(before.Public)) + map[bool]string{true: " which was server-held"}[before.Sealed != nil]
}

// OwnKey is the key of an account; Public is nil where it has none.
func (s *Service) OwnKey(tx *store.Tx, account uuid.UUID) (store.VerifyKey, error) {
	k, err := tx.VerifyKey(account)
	if errors.Is(err, identity.ErrNotFound) {
		return store.VerifyKey{}, nil
	}
	return k, err
}

// HoldKey makes a key of somebody's and holds its private half. partners: realms that this one is
// a partner of are told of the account. In place of a machine's key it
// does so only where that is asked for.
func (s *Service) HoldKey(ctx context.Context, who Who, replaceMachines, partners bool) error {
	private, err := verify.NewKey()
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	defer private.Wipe()
	public, err := verify.Public(private)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	err = s.Write(ctx, func(tx *store.Tx) error {
		a, err := who(tx)
		if err != nil {
			return err
		}
		set, err := tx.ConsoleSettings()
		if err != nil {
			return err
		}
		before, err := s.OwnKey(tx, a.UUID)
		switch {
		case err != nil:
			return err
		case !set.On || !set.ServerKeys:
			return errNotAllowed
		case before.Public != nil && before.Sealed == nil && !replaceMachines:
			return errMachines
		}
		k := store.VerifyKey{Public: public, Made: s.Now(), Sealed: s.Box.Seal(sealedFor(a.UUID), private), Partners: partners}
		if err := tx.SetVerifyKey(a.UUID, k); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		detail := fmt.Sprintf("fingerprint=%q server-held", verify.Fingerprint(public)) + map[bool]string{true: " partners=true"}[partners]
		if before.Public != nil {
			detail += replaces(before)
		}
		return s.record(tx, console(), "verify.set", a.Name, detail)
	})
	if err != nil {
		return s.Fault(ctx, "hold a key to verify with", err)
	}
	return nil
}

// EndHeldKey removes the key of somebody's that the server holds.
func (s *Service) EndHeldKey(ctx context.Context, who Who) error {
	err := s.Write(ctx, func(tx *store.Tx) error {
		a, err := who(tx)
		if err != nil {
			return err
		}
		k, err := s.OwnKey(tx, a.UUID)
		switch {
		case err != nil:
			return err
		case k.Public == nil:
			return errNone
		case k.Sealed == nil:
			return errNotHeld
		}
		if err := tx.RemoveVerifyKey(a.UUID); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
		return s.record(tx, console(), "verify.remove", a.Name, "server-held")
	})
	if err != nil {
		return s.Fault(ctx, "end a key to verify with", err)
	}
	return nil
}
