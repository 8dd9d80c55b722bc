package verification

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/spelling"
)

// A call of somebody whose key the server holds. What a machine remembers for its people, the
// database does for them: whose key was confirmed, the newest code that was heard, and wrong
// ones, by the table of verify.Verdict.

// errChanged says that a verdict would be of another key than the one that was shown.
var errChanged = connect.NewError(connect.CodeFailedPrecondition, errors.New("the other's key has changed since it was shown: begin again"))

// Call is what somebody at the console knows while they speak with another.
type Call struct {
	Person      *v1.VerifyPerson
	Fingerprint string
	// Key tells whether it is the key that was confirmed before; of the last time are Confirmed
	// and FingerprintBefore.
	Key               verify.Standing
	Confirmed         time.Time
	FingerprintBefore string
	// LooksLike are others, confirmed before, whose names look like this one.
	LooksLike []string
	// Say is the code for Left; empty until LockedUntil.
	Say         string
	Left        time.Duration
	LockedUntil time.Time
}

// Verdict is what came of a code that was heard.
type Verdict struct {
	verify.Verdict
	LockedUntil time.Time
}

// Find is whom somebody at the console speaks with, which begins a call in the audit log.
func (s *Service) Find(ctx context.Context, who Who, name, realm string) (*v1.VerifyPerson, error) {
	var a store.Account
	err := s.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if a, err = who(tx); err != nil {
			return err
		}
		k, err := s.OwnKey(tx, a.UUID)
		if err == nil && k.Public != nil && k.Sealed == nil {
			return errNotHeld
		}
		return err
	})
	if err != nil {
		return nil, s.Fault(ctx, "find somebody to verify", err)
	}
	found, err := s.findPerson(ctx, console(), &v1.FindVerifyPersonRequest{Account: string(a.Name), Name: name, Realm: realm})
	return found.GetPerson(), err
}

// Show is the call with somebody who was found, about subject, of [verify.Subject].
func (s *Service) Show(ctx context.Context, who Who, person *v1.VerifyPerson, subject string) (c Call, err error) {
	err = s.Store.Read(ctx, func(tx *store.Tx) error {
		h, err := s.begin(tx, who, person, subject)
		if err != nil {
			return err
		}
		defer h.call.End()
		now := s.Now()
		c = Call{Person: person, Fingerprint: verify.Fingerprint(person.GetPublicKey()), Key: h.of.Of(person.GetPublicKey()), LooksLike: h.alike()}
		if c.Key != verify.First {
			c.Confirmed, c.FingerprintBefore = h.of.ConfirmedAt, verify.Fingerprint(h.of.Confirmed)
		}
		if h.of.Wrong.Locked(now) {
			c.LockedUntil = h.of.Wrong.LockedUntil
			return nil
		}
		c.Say, c.Left = h.call.Say(now)
		return nil
	})
	if err != nil {
		return Call{}, s.Fault(ctx, "show a call", err)
	}
	return c, nil
}

// Hear judges a code that somebody has heard, writes that down, and then tells the verdict.
func (s *Service) Hear(ctx context.Context, who Who, person *v1.VerifyPerson, subject, typed string) (v Verdict, err error) {
	err = s.Store.Write(ctx, func(tx *store.Tx) error {
		h, err := s.begin(tx, who, person, subject)
		if err != nil {
			return err
		}
		defer h.call.End()
		now := s.Now()
		v.Verdict, h.of.Record = h.call.Judge(typed, person.GetPublicKey(), now, h.of.Record)
		if h.of.Wrong.Locked(now) {
			v.LockedUntil = h.of.Wrong.LockedUntil
		}
		if v.Verdict == verify.NoCode {
			return nil
		}
		if err := tx.SetVerifyHeard(h.account.UUID, h.of); err != nil {
			return fmt.Errorf("remember what was heard: %w", err)
		}
		action := map[bool]string{true: "verify.confirm", false: "verify.fail"}[v.Verdict == verify.Confirmed]
		return s.record(tx, console(), action, h.account.Name, "with="+h.name)
	})
	if err != nil {
		return Verdict{}, s.Fault(ctx, "hear a code", err)
	}
	return v, nil
}

// held is a call that is under way: its end is for whoever began it to see to.
type held struct {
	account store.Account
	call    verify.Call
	of      store.VerifyHeard
	others  []store.VerifyHeard
	name    string
}

// begin opens somebody's key for a call with a person who was found.
func (s *Service) begin(tx *store.Tx, who Who, person *v1.VerifyPerson, subject string) (h held, err error) {
	if h.account, err = who(tx); err != nil {
		return h, err
	}
	id, err := uuid.FromBytes(person.GetId())
	if err != nil {
		return h, fmt.Errorf("id: %w", err)
	}
	h.of = store.VerifyHeard{Realm: cmp.Or(person.GetRealm(), s.Name), ID: id}
	if h.name = person.GetName(); h.of.Realm == s.Name {
		if err := s.unchanged(tx, id, person.GetPublicKey()); err != nil {
			return h, err
		}
	} else {
		h.name += "@" + h.of.Realm
		if err := s.stillOfPartner(tx, h.account, person); err != nil {
			return h, err
		}
	}
	all, err := tx.VerifyHeard(h.account.UUID)
	if err != nil {
		return h, fmt.Errorf("what was heard before: %w", err)
	}
	h.others = slices.DeleteFunc(all, func(o store.VerifyHeard) bool {
		same := o.Realm == h.of.Realm && o.ID == id
		if same {
			h.of = o
		}
		return same
	})
	h.of.Name = person.GetName()
	h.call, err = s.open(tx, h.account.UUID, verify.Party{Realm: h.of.Realm, ID: id, Public: person.GetPublicKey()}, subject)
	return h, err
}

// unchanged refuses somebody of this realm whose key is another one by now, or none.
func (s *Service) unchanged(tx *store.Tx, id uuid.UUID, public []byte) error {
	a, err := tx.Account(id)
	is, err := s.opted(tx, a, err, errNobody)
	if err == nil && !bytes.Equal(is.key.Public, public) {
		err = errChanged
	}
	return err
}

// stillOfPartner refuses somebody of a partner whose key is another one by now, or who is not told
// of any more.
func (s *Service) stillOfPartner(tx *store.Tx, a store.Account, person *v1.VerifyPerson) error {
	own, err := s.opted(tx, a, nil, errNoKey)
	if err != nil {
		return err
	}
	is, err := s.ofPartner(tx, own, person.GetRealm(), identity.Name(person.GetName()))
	if err == nil && (!bytes.Equal(is.GetId(), person.GetId()) || !bytes.Equal(is.GetPublicKey(), person.GetPublicKey())) {
		err = errChanged
	}
	return err
}

// open begins a call by the key of an account.
func (s *Service) open(tx *store.Tx, account uuid.UUID, theirs verify.Party, subject string) (verify.Call, error) {
	k, err := s.OwnKey(tx, account)
	switch {
	case err != nil:
		return verify.Call{}, err
	case k.Public == nil:
		return verify.Call{}, errNoKey
	case k.Sealed == nil:
		return verify.Call{}, errNotHeld
	}
	private, err := s.Box.Open(sealedFor(account), k.Sealed)
	if err != nil {
		return verify.Call{}, err //nolint:wrapcheck // it says what it is about
	}
	defer private.Wipe()
	return verify.Begin(private, verify.Party{Realm: s.Name, ID: account, Public: k.Public}, theirs, subject) //nolint:wrapcheck // likewise
}

// alike are those confirmed before whose names look like this one's, or are the same.
func (h *held) alike() (names []string) {
	for _, o := range h.others {
		if len(o.Confirmed) > 0 && o.Realm == h.of.Realm && (o.Name == h.of.Name || spelling.Alike(o.Name, h.of.Name)) {
			names = append(names, o.Name)
		}
	}
	return names
}
