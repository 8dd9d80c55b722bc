package application

import (
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// read reads a body, strictly.
func (a *asked) read(into any) error {
	if err := message.Strict(a.envelope.Body, into); err != nil {
		return refusal{Malformed, err.Error()}
	}
	return nil
}

// helloCode is how a code of hello is stored, for this application alone.
func helloCode(a *asked, code string) ([]byte, error) {
	if len(code) != 32 || strings.Trim(code, "0123456789abcdef") != "" {
		return nil, refusal{Malformed, "the code is 32 random hexadecimal digits in small letters"}
	}
	h := sha256.Sum256([]byte("sallyport instance code\x00" + a.from.Key + "\x00" + code))
	return h[:], nil
}

// hello keeps the code of an instance that is to be (1.2.1 to 1.2.3).
func hello(tx *store.Tx, a *asked) (reply, error) {
	var b message.HelloBody
	if err := a.read(&b); err != nil {
		return reply{}, err
	}
	code, err := helloCode(a, b.Code)
	if err != nil {
		return reply{}, err
	}
	err = tx.AddHello(a.instance.Application.UUID, code, a.now, a.now.Add(helloLife), mostHellos)
	if errors.Is(err, store.ErrExists) {
		return reply{}, no(WrongCode)
	}
	return reply{purpose: message.Received, body: message.EmptyBody{}}, err //nolint:wrapcheck // it says what it is about
}

// instanceKey makes an instance of who has the code (1.2.4 and 1.2.5).
func instanceKey(tx *store.Tx, a *asked) (reply, error) {
	var b message.InstanceKeyBody
	if err := a.read(&b); err != nil {
		return reply{}, err
	}
	code, err := helloCode(a, b.Code)
	if err != nil {
		return reply{}, err
	}
	err = tx.UseHello(a.instance.Application.UUID, code, a.now)
	if errors.Is(err, identity.ErrNotFound) {
		return reply{}, no(WrongCode)
	}
	if err != nil {
		return reply{}, err //nolint:wrapcheck // it says what it is about
	}
	k, public, err := a.newKey(b.Key)
	if err != nil {
		return reply{}, err
	}
	if !k.CanReceive(a.now) {
		return reply{}, refusal{BadKey, words()[BadKey] + ": nothing can be encrypted to it"}
	}
	a.what = "instance " + k.Fingerprint()
	err = tx.AddInstance(store.Instance{Fingerprint: k.Fingerprint(), Application: a.instance.Application, PublicKey: public, Created: a.now}, mostIdle)
	if errors.Is(err, store.ErrExists) {
		return reply{}, no(KeyTaken)
	}
	return reply{purpose: message.InstanceBound, body: message.InstanceBoundBody{Instance: k.Fingerprint(), Realm: a.name}, to: &k}, err //nolint:wrapcheck // it says what it is about
}

// newKey reads a public key that is to be somebody's.
func (a *asked) newKey(armored string) (message.Key, []byte, error) {
	k, err := message.ParsePublic([]byte(armored), a.now)
	if err != nil {
		return k, nil, refusal{BadKey, realm.Clip(err.Error())}
	}
	switch {
	case k.Made().After(a.now.Add(a.skew())):
		return k, nil, refusal{BadKey, words()[BadKey] + ": it was made in the future"}
	case !k.CanSign(a.now):
		return k, nil, refusal{BadKey, words()[BadKey] + ": it does not sign"}
	case k.Fingerprint() == a.realm.Fingerprint(), k.Fingerprint() == a.from.Key:
		return k, nil, no(KeyTaken)
	}
	public, err := k.Public()
	return k, public, err //nolint:wrapcheck // it says what it is about
}

// code takes a code of a person's (2.1.1): the registration goes on under the request's id.
func (s *Service) code(tx *store.Tx, a *asked) (reply, error) {
	var b message.CodeBody
	if err := a.read(&b); err != nil {
		return reply{}, err
	}
	if b.Registration != "" {
		return s.selfCode(tx, a, b)
	}
	id, err := tx.UseApplicationInvitation(realm.HashJoinCode(b.Code), a.now)
	if errors.Is(err, identity.ErrNotFound) {
		return reply{}, no(WrongCode)
	}
	if err != nil {
		return reply{}, err //nolint:wrapcheck // it says what it is about
	}
	account, err := a.account(tx, id)
	if err != nil {
		return reply{}, err
	}
	until := a.now.Add(acceptedLife)
	err = tx.AddApplicationRegistration(store.ApplicationRegistration{Instance: a.from.Key, Request: a.envelope.Request, Account: account.UUID, Accepted: true, Expires: until}, a.now, mostOpen)
	return reply{purpose: message.CodeAccepted, body: message.CodeAcceptedBody{Code: b.Code, Account: string(account.Name), Until: until.Unix()}}, err //nolint:wrapcheck // it says what it is about
}

// personKey binds a key to the account whose code was right, at this instance.
func (s *Service) personKey(tx *store.Tx, a *asked) (reply, error) {
	var b message.PersonKeyBody
	if err := a.read(&b); err != nil {
		return reply{}, err
	}
	r, err := tx.ApplicationRegistration(a.from.Key, b.Registration, a.now)
	if errors.Is(err, identity.ErrNotFound) || err == nil && !r.Accepted {
		return reply{}, no(WrongCode)
	}
	if err != nil {
		return reply{}, err //nolint:wrapcheck // it says what it is about
	}
	if err := tx.RemoveApplicationRegistration(r.Instance, r.Request); err != nil {
		return reply{}, err //nolint:wrapcheck // likewise
	}
	k, public, err := a.newKey(b.Key)
	if err != nil {
		return reply{}, err
	}
	a.what = "person key " + k.Fingerprint()
	if _, _, err := a.signed(b.Proof, k); err != nil {
		return reply{}, err
	}
	if r.Account == uuid.Nil {
		made, err := s.newcomer(tx, a)
		if err != nil {
			return reply{}, err
		}
		r.Account = made.UUID
	}
	account, err := a.account(tx, r.Account)
	if err != nil {
		return reply{}, err
	}
	err = tx.AddPersonKey(store.PersonKey{Fingerprint: k.Fingerprint(), Instance: a.from.Key, Account: account.UUID, PublicKey: public, Created: a.now})
	if errors.Is(err, store.ErrExists) {
		return reply{}, no(KeyTaken)
	}
	return reply{purpose: message.PersonBound, body: message.PersonBoundBody{Account: string(account.Name), Key: k.Fingerprint()}}, err //nolint:wrapcheck // it says what it is about
}
