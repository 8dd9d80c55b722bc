package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Admin implements AdminService. Handler and client have the same methods, so it
// also is the client of those who hold the folder themselves.
type Admin struct {
	*realm.Realm
	credentials Credentials
	locks       Locks
	requests    Requests
}

// Credentials are how what people prove themselves with is made and judged. Their errors
// are for administrators.
type Credentials interface {
	// NewPassword judges a password for the account that find returns, and hashes it.
	NewPassword(ctx context.Context, find func(*store.Tx) (store.Account, error), password identity.Secret) (account uuid.UUID, phc string, err error)
	// CommonPasswords says what list of common passwords is in use.
	CommonPasswords() (entries int, path string, fault error)
	// NewOpaqueKeys makes the keys that passwords are registered under by OPAQUE, sealed.
	NewOpaqueKeys() ([]byte, error)
	// Registered tells whether what is stored of a password is a registration by OPAQUE.
	Registered(p store.Password) bool
	// NewTOTP makes a secret and the address that authenticator apps scan.
	NewTOTP(name identity.Name) (secret identity.Secret, url string, err error)
	// ParseTOTP takes a secret as people copy it.
	ParseTOTP([]byte) (identity.Secret, error)
	// NewBackupCodes gives an account a new set in place of the old one.
	NewBackupCodes(tx *store.Tx, account uuid.UUID) ([]identity.Secret, store.BackupCodes, error)
	// NewCard is a card of a certificate, and AddCard makes it the account's.
	NewCard(certificate []byte, label string) (store.Card, error)
	AddCard(tx *store.Tx, account uuid.UUID, c store.Card) (store.Card, error)
}

// Locks tell what failures still count, and who counts as having signed in somewhere.
type Locks interface {
	// TallyNow is what is still counted of failures.
	TallyNow(f store.Failures, now time.Time) identity.Tally
	// SignedInSince is from when on a place counts as one where somebody has signed in.
	SignedInSince(now time.Time) time.Time
}

// New is the administrators' side of an open realm.
func New(r *realm.Realm, c Credentials, l Locks, q Requests) *Admin { return &Admin{r, c, l, q} }

var (
	_ sallyportv1connect.AdminServiceHandler = (*Admin)(nil)
	_ sallyportv1connect.AdminServiceClient  = (*Admin)(nil)
)

type actorKey struct{}

// WithActor says who gives the orders of a request.
func WithActor(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

// actor is who gives the orders, from the socket's peer credentials or, without
// a socket, from this process.
func actor(ctx context.Context) string {
	if a, ok := ctx.Value(actorKey{}).(string); ok {
		return a
	}
	return realm.LocalActor()
}

// change runs one administrator's change and its audit row in one transaction.
func (s *Admin) change(ctx context.Context, action, subject, detail string, f func(*store.Tx) error) error {
	err := s.Write(ctx, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return tx.Record(store.Entry{Time: s.Now(), Actor: actor(ctx), Action: action, Subject: subject, Detail: detail})
	})
	return s.told(ctx, action, subject, err)
}

func (s *Admin) read(ctx context.Context, doing, subject string, f func(*store.Tx) error) error {
	return s.told(ctx, doing, subject, s.Store.Read(ctx, f))
}

// told turns an error into one that an administrator can act on.
func (s *Admin) told(ctx context.Context, doing, subject string, err error) error {
	code := connect.CodeInternal
	var no realm.RefusalError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, identity.ErrNotFound):
		return connect.NewError(connect.CodeNotFound, fmt.Errorf("%s %s: nothing of that name exists; the list commands show what does", doing, subject))
	case errors.Is(err, store.ErrExists):
		code = connect.CodeAlreadyExists
		if doing == "machine.add" {
			err = fmt.Errorf("%w; \"sallyport-server machine rejoin %s\" gives a new code to that machine", err, subject)
		}
	case errors.Is(err, identity.ErrName), errors.Is(err, identity.ErrID), errors.Is(err, realm.ErrInput),
		errors.Is(err, store.ErrCycle), errors.Is(err, store.ErrTags), errors.Is(err, store.ErrStoredKeys), errors.Is(err, identity.ErrToken):
		code = connect.CodeInvalidArgument
	case errors.Is(err, store.ErrReadOnly):
		code = connect.CodeFailedPrecondition
		err = fmt.Errorf("%w: give this command at a full server of the realm (\"sallyport-server server list\" shows them)", store.ErrReadOnly)
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrUsedID), errors.Is(err, store.ErrKeptID), errors.Is(err, store.ErrAudit), errors.Is(err, store.ErrInUse), errors.As(err, &no):
		code = connect.CodeFailedPrecondition
	default:
		s.Log.ErrorContext(ctx, "administrator's command failed", "doing", doing, "error", err)
	}
	return connect.NewError(code, fmt.Errorf("%s %s: %w", doing, subject, err))
}

// named finds the account that a command names.
func named(tx *store.Tx, name string) (store.Account, error) {
	n, err := identity.ParseShortName(name)
	if err != nil {
		return store.Account{}, err
	}
	return tx.AccountByName(n)
}

// onAccount changes one account and shows it as it is then.
func (s *Admin) onAccount(ctx context.Context, action, name, detail string, f func(*store.Tx, store.Account) error) (*v1.AccountView, error) {
	var view *v1.AccountView
	err := s.change(ctx, action, name, detail, func(tx *store.Tx) error {
		a, err := named(tx, name)
		if err != nil {
			return err
		}
		if err := f(tx, a); err != nil {
			return err
		}
		if a, err = tx.Account(a.UUID); err != nil {
			return err
		}
		view, err = s.view(tx, a)
		return err
	})
	return view, err
}
