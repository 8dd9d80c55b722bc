package provider

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// VerifyPerson is somebody who can be verified over the telephone, as their realm says.
type VerifyPerson struct {
	ID             uuid.UUID
	Name, FullName string
	Public         []byte // the public half of their key
	Made           time.Time
}

// Verifier is a server that keeps the keys with which two people make sure of each other.
// An error that people are to read is a [RequestError].
type Verifier interface {
	// SetVerifyKey takes a session of an authentication for that purpose. nil removes the key.
	SetVerifyKey(ctx context.Context, session, public []byte) (made time.Time, err error)
	// FindVerifyPerson is for an account of the realm; own is as others see it.
	FindVerifyPerson(ctx context.Context, account, name string) (person, own VerifyPerson, err error)
	// NoteVerification has the audit log say what came of it.
	NoteVerification(ctx context.Context, account string, id uuid.UUID, confirmed bool) error
}

// SetVerifyKey implements [Verifier].
func (d *Deferred) SetVerifyKey(ctx context.Context, session, public []byte) (time.Time, error) {
	return ask(d, func(s *Source) (time.Time, error) { return s.Verifier.SetVerifyKey(ctx, session, public) })
}

// FindVerifyPerson implements [Verifier].
func (d *Deferred) FindVerifyPerson(ctx context.Context, account, name string) (person, own VerifyPerson, err error) {
	err = d.do(func(s *Source) error {
		person, own, err = s.Verifier.FindVerifyPerson(ctx, account, name)
		return err //nolint:wrapcheck // the source's own
	})
	return person, own, err
}

// NoteVerification implements [Verifier].
func (d *Deferred) NoteVerification(ctx context.Context, account string, id uuid.UUID, confirmed bool) error {
	return d.do(func(s *Source) error { return s.Verifier.NoteVerification(ctx, account, id, confirmed) })
}
