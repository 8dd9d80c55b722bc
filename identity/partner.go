package identity

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Two realms that trust each other tell one another which people can be verified there
// (docs/partners.md): one asks by a [PartnerQuestion], and the other answers by a
// [PartnerAnswer]. Each is signed with a signing key of the realm that says it; those of servers
// that only read do not count.

// Limits of what partners say to each other.
const (
	// MaxPartnerPeople is how many people one answer tells of, those who are gone included.
	MaxPartnerPeople = 500
	// MaxOrganisation is the length of what a realm says of itself, in bytes.
	MaxOrganisation = 200
	minNonce        = 16
	maxNonce        = 32
)

// The content types of both.
const (
	typePartnerQuestion = "application/sallyport-partner-question+cbor"
	typePartnerAnswer   = "application/sallyport-partner-answer+cbor"
)

// PartnerQuestion asks which people of the audience can be verified.
type PartnerQuestion struct {
	// Realm is who asks, and Audience who is asked.
	Realm    string `cbor:"1,keyasint"`
	Audience string `cbor:"2,keyasint"`
	// Nonce is 16 to 32 random bytes, which the answer repeats.
	Nonce []byte `cbor:"3,keyasint"`
	Time  int64  `cbor:"4,keyasint"` // Unix seconds
	// History and Position are how far the asking realm came in the other's change log;
	// uuid.Nil: nowhere.
	History  uuid.UUID `cbor:"5,keyasint"`
	Position uint64    `cbor:"6,keyasint"`
	// Listing: the list that an answer began with Full is not at its end yet.
	Listing bool `cbor:"7,keyasint,omitempty"`
}

// PartnerPerson is somebody who can be verified.
type PartnerPerson struct {
	ID       uuid.UUID `cbor:"1,keyasint"`
	Name     Name      `cbor:"2,keyasint"`
	FullName string    `cbor:"3,keyasint,omitempty"`
	// Public is the public half of the person's key: P-256, uncompressed.
	Public []byte `cbor:"4,keyasint"`
	Made   int64  `cbor:"5,keyasint"` // when the key was set, in Unix seconds
	// ValidFrom and ValidUntil are those of the account, as in an [IDToken].
	ValidFrom  int64 `cbor:"6,keyasint"`
	ValidUntil int64 `cbor:"7,keyasint"`
	// ServerHeld: the realm's server has the private half too.
	ServerHeld bool `cbor:"8,keyasint,omitempty"`
}

// PartnerAnswer tells of people, from the position of the question on.
type PartnerAnswer struct {
	// Realm is who answers, and Audience who asked.
	Realm    string `cbor:"1,keyasint"`
	Audience string `cbor:"2,keyasint"`
	Nonce    []byte `cbor:"3,keyasint"` // the question's
	Time     int64  `cbor:"4,keyasint"` // Unix seconds
	// Organisation is what the realm says of itself; it may be empty.
	Organisation string `cbor:"5,keyasint,omitempty"`
	// History and Position are up to where this answer tells.
	History  uuid.UUID `cbor:"6,keyasint"`
	Position uint64    `cbor:"7,keyasint"`
	// Full: whatever was told before is to be forgotten first.
	Full bool `cbor:"8,keyasint,omitempty"`
	// More: there is more to tell now.
	More   bool            `cbor:"9,keyasint,omitempty"`
	People []PartnerPerson `cbor:"10,keyasint,omitempty"`
	// Gone are people who can not be verified any more.
	Gone []uuid.UUID `cbor:"11,keyasint,omitempty"`
}

// Validate tells whether the question can be answered.
func (q *PartnerQuestion) Validate() error {
	if err := checkPartners(q.Realm, q.Audience, q.Nonce, q.Time); err != nil {
		return fmt.Errorf("%w: question of a partner: %w", ErrToken, err)
	}
	return nil
}

// checkPartners checks what question and answer have in common.
func checkPartners(realm, audience string, nonce []byte, at int64) error {
	for _, r := range []string{realm, audience} {
		if err := CheckText(r, MaxRealmLen); err != nil || r == "" {
			return errors.New("the name of a realm")
		}
	}
	if realm == audience {
		return fmt.Errorf("realm %q speaks with itself", realm)
	}
	if len(nonce) < minNonce || len(nonce) > maxNonce {
		return fmt.Errorf("a nonce of %d bytes", len(nonce))
	}
	if at <= 0 {
		return errors.New("no time")
	}
	return nil
}

// Validate tells whether the answer keeps every rule.
func (a *PartnerAnswer) Validate() error {
	err := checkPartners(a.Realm, a.Audience, a.Nonce, a.Time)
	if err == nil {
		err = CheckOrganisation(a.Organisation)
	}
	if err == nil && a.History == uuid.Nil {
		err = errors.New("no history")
	}
	if err == nil {
		err = checkPeople(a.People, a.Gone)
	}
	if err != nil {
		return fmt.Errorf("%w: answer of a partner: %w", ErrToken, err)
	}
	return nil
}

// checkPeople tells whether the entries hold, and each is of somebody else.
func checkPeople(people []PartnerPerson, gone []uuid.UUID) error {
	if n := len(people) + len(gone); n > MaxPartnerPeople {
		return fmt.Errorf("%d people, at most %d", n, MaxPartnerPeople)
	}
	ids, names := make(map[uuid.UUID]bool), make(map[Name]bool)
	for _, p := range people {
		if err := p.validate(); err != nil {
			return fmt.Errorf("person %q: %w", p.Name, err)
		}
		if ids[p.ID] || names[p.Name] {
			return fmt.Errorf("person %q twice", p.Name)
		}
		ids[p.ID], names[p.Name] = true, true
	}
	for _, id := range gone {
		if id == uuid.Nil || ids[id] {
			return fmt.Errorf("somebody gone: %s", id)
		}
		ids[id] = true
	}
	return nil
}

func (p *PartnerPerson) validate() error {
	if p.ID == uuid.Nil {
		return errors.New("no uuid")
	}
	if _, err := ParseShortName(string(p.Name)); err != nil {
		return err
	}
	if err := CheckText(p.FullName, MaxText); err != nil {
		return fmt.Errorf("full name: %w", err)
	}
	if _, err := ecdh.P256().NewPublicKey(p.Public); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if p.Made <= 0 || p.ValidFrom < 0 || p.ValidUntil < 0 {
		return errors.New("its dates")
	}
	return nil
}

// CheckOrganisation tells whether a realm may say that of itself: printable text of at most
// [MaxOrganisation] bytes, or nothing.
func CheckOrganisation(text string) error {
	if len(text) > MaxOrganisation {
		return fmt.Errorf("an organisation of %d bytes, at most %d", len(text), MaxOrganisation)
	}
	if Printable(text) != text {
		return errors.New("an organisation is printable text, without blanks around it")
	}
	return nil
}

// ValidAt tells whether the dates of the person's account allow that time.
func (p *PartnerPerson) ValidAt(now time.Time) bool {
	t := IDToken{State: Active, ValidFrom: p.ValidFrom, ValidUntil: p.ValidUntil}
	return t.StandingAt(now) == Good
}

// SignPartnerQuestion validates and signs q with a signing key of the realm that asks.
func (s *Signer) SignPartnerQuestion(q *PartnerQuestion) ([]byte, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	return s.sign(typePartnerQuestion, q)
}

// SignPartnerAnswer validates and signs a with a signing key of the realm that answers.
func (s *Signer) SignPartnerAnswer(a *PartnerAnswer) ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return s.sign(typePartnerAnswer, a)
}

// PartnerQuestion verifies, decodes and validates a question. Every failure is [ErrToken].
func (k *Keyring) PartnerQuestion(signed []byte) (*PartnerQuestion, error) {
	q := new(PartnerQuestion)
	if err := k.open(typePartnerQuestion, signed, q, &q.Realm); err != nil {
		return nil, err
	}
	return q, q.Validate()
}

// PartnerAnswer verifies, decodes and validates an answer. Every failure is [ErrToken].
func (k *Keyring) PartnerAnswer(signed []byte) (*PartnerAnswer, error) {
	a := new(PartnerAnswer)
	if err := k.open(typePartnerAnswer, signed, a, &a.Realm); err != nil {
		return nil, err
	}
	return a, a.Validate()
}
