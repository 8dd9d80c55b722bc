package identity

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// SessionToken is what one authentication proved. It is bound to a machine and
// short-lived, and signed like an [IDToken]. Times are Unix seconds.
type SessionToken struct {
	Realm           string       `cbor:"1,keyasint"`
	ID              uuid.UUID    `cbor:"2,keyasint"`
	Account         uuid.UUID    `cbor:"3,keyasint"`
	Machine         uuid.UUID    `cbor:"4,keyasint"`
	Methods         []FactorKind `cbor:"5,keyasint"`
	AuthenticatedAt int64        `cbor:"6,keyasint"`
	ExpiresAt       int64        `cbor:"7,keyasint"`
	// Groups are the uuids of the groups that this strength earned.
	Groups []uuid.UUID `cbor:"8,keyasint,omitempty"`
	// Purpose is what the authentication was for, where it was no login: the token counts
	// for that alone.
	Purpose string `cbor:"9,keyasint,omitempty"`
}

// PurposeOf is the purpose of an authentication by which an account decides a request.
func PurposeOf(request uuid.UUID, approve bool) string {
	return map[bool]string{true: "approve ", false: "deny "}[approve] + request.String()
}

// PurposeOfVerifyKey is the purpose of an authentication by which an account sets the public
// half of the key that it makes sure of others with, of which partners of the realm are told
// or not; nil is for removing it.
func PurposeOfVerifyKey(public []byte, partners bool) string {
	if len(public) == 0 {
		return "remove verify key"
	}
	return fmt.Sprintf("set verify key %x", sha256.Sum256(public)) + map[bool]string{true: " and tell partners"}[partners]
}

// Check accepts the token only for this account on this machine at this time,
// and only if it proved something. Skew is how far the two clocks may differ.
func (t *SessionToken) Check(account, machine uuid.UUID, now time.Time, skew time.Duration) error {
	var why error
	switch u, s := now.Unix(), int64(skew/time.Second); {
	case account == uuid.Nil || t.Account != account:
		why = errors.New("it is for another account")
	case machine == uuid.Nil || t.Machine != machine:
		why = errors.New("it is for another machine")
	case t.ID == uuid.Nil:
		why = errors.New("it has no id")
	case len(t.Methods) == 0:
		why = errors.New("it proves nothing")
	case t.AuthenticatedAt > u+s:
		why = errors.New("it is from the future")
	case t.ExpiresAt < u-s:
		why = errors.New("it has expired")
	default:
		return nil
	}
	return fmt.Errorf("%w: session token: %w", ErrToken, why)
}

// ErrUnknownKey says that a token names a signing key that the keyring does not
// hold: the realm may have a new one.
var ErrUnknownKey = errors.New("unknown signing key")
