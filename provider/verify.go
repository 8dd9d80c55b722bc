package provider

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// VerifyPerson is somebody who can be verified over the telephone, as their realm says. All
// words are fit for a terminal.
type VerifyPerson struct {
	ID             uuid.UUID
	Name, FullName string
	Public         []byte // the public half of their key
	Made           time.Time
	// Realm is theirs, "" the machine's own. Organisation and Domain are what it says of itself;
	// they may be empty.
	Realm, Organisation, Domain string
	// Told is when another realm last said so to one's own; zero in one's own.
	Told time.Time
	// ServerHeld: their realm's server has the private half too.
	ServerHeld bool
	// Partners, of the account that asks: partners of the realm are told of it.
	Partners bool
	// RealmLooksLike are realms known to the server whose names look like Realm.
	RealmLooksLike []string
}

// VerifyNote is something for the realm's audit log.
type VerifyNote struct {
	Account string
	// ID is the other's, and Realm theirs; "" is that of the machine.
	ID    uuid.UUID
	Realm string
	Event VerifyEvent
	// Made is when it was, where no server answered then; zero: now.
	Made time.Time
}

// VerifyEvent is what is noted. The zero value is nothing.
type VerifyEvent int

// The events, which the cache stores as these numbers.
const (
	VerifyBegun VerifyEvent = iota + 1
	VerifyConfirmed
	VerifyFailed
)

var (
	// ErrNoteRefused says that the server will never take a note: what it is about is no more.
	ErrNoteRefused = errors.New("the server does not take this note")
	// ErrNoteOlder says that the server is too old to know what is noted later.
	ErrNoteOlder = errors.New("the server is of an older release, which takes no notes of what was before")
)

// Verifier is a server that keeps the keys with which two people make sure of each other.
// An error that people are to read is a [RequestError].
type Verifier interface {
	// SetVerifyKey takes a session of an authentication for that purpose. nil removes the key.
	SetVerifyKey(ctx context.Context, session, public []byte, partners bool) (made time.Time, err error)
	// FindVerifyPerson is for an account of the realm, about somebody of that realm, "" for the
	// same one; own is the account as others see it.
	FindVerifyPerson(ctx context.Context, account, name, realm string) (person, own VerifyPerson, err error)
	// NoteVerification has the audit log say it. Its errors, beside the sentinels, are
	// [ErrNoteRefused] and [ErrNoteOlder].
	NoteVerification(ctx context.Context, n VerifyNote) error
}

// SetVerifyKey implements [Verifier].
func (d *Deferred) SetVerifyKey(ctx context.Context, session, public []byte, partners bool) (time.Time, error) {
	return ask(d, func(s *Source) (time.Time, error) { return s.Verifier.SetVerifyKey(ctx, session, public, partners) })
}

// FindVerifyPerson implements [Verifier].
func (d *Deferred) FindVerifyPerson(ctx context.Context, account, name, realm string) (person, own VerifyPerson, err error) {
	err = d.do(func(s *Source) error {
		person, own, err = s.Verifier.FindVerifyPerson(ctx, account, name, realm)
		return err //nolint:wrapcheck // the source's own
	})
	return person, own, err
}

// NoteVerification implements [Verifier].
func (d *Deferred) NoteVerification(ctx context.Context, n VerifyNote) error {
	return d.do(func(s *Source) error { return s.Verifier.NoteVerification(ctx, n) })
}
