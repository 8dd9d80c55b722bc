package identity

import (
	"errors"
	"fmt"
)

// GroupToken is what a machine may know of one group without knowing anybody in it:
// for a server that finds a group by its name or number and does not say who its
// members are. It names the group to programs and puts nobody into it; that takes an
// [IDToken]. It is signed like one, and neither is taken for the other.
type GroupToken struct {
	Realm    string `cbor:"1,keyasint"`
	Group    Group  `cbor:"2,keyasint"`
	IssuedAt int64  `cbor:"3,keyasint"` // Unix seconds
	// Revision is compared with those of the realm's ID tokens: of two that speak of
	// the group the one with the higher is the newer.
	Revision uint64 `cbor:"4,keyasint"`
}

// Validate checks every rule that the token must keep wherever it came from.
func (t *GroupToken) Validate() error {
	if err := errors.Join(checkRealm(t.Realm), t.Group.validate(), ownName(t.Realm, t.Group.Name)); err != nil {
		return fmt.Errorf("%w: group: %w", ErrToken, err)
	}
	return nil
}

// SignGroupToken validates and signs t.
func (s *Signer) SignGroupToken(t *GroupToken) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return s.sign(typeGroupToken, t)
}

// GroupToken verifies, decodes and validates a signed group token. Every failure is
// [ErrToken].
func (k *Keyring) GroupToken(signed []byte) (*GroupToken, error) {
	t := new(GroupToken)
	if err := k.open(typeGroupToken, signed, t, &t.Realm); err != nil {
		return nil, err
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return t, nil
}
