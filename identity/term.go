package identity

import (
	"fmt"
	"math"
)

const typeTerm = "application/sallyport-term+cbor"

// Term is what a server says of the database that it serves from: which copy of it. Where
// a standby took its primary's place, or a backup was restored, the copy that is written
// from then on has a higher term. It is signed with a signing key of the realm.
//
// A machine takes nothing from a server whose term is lower than one that it has seen, and
// a server that is shown a higher one than its own serves an older copy. It counts for as
// long as the key that signed it does.
type Term struct {
	Realm string `cbor:"1,keyasint"`
	// Term is above zero. Its unit means nothing to a reader.
	Term uint64 `cbor:"2,keyasint"`
}

// Validate checks every rule that the term must keep wherever it came from.
func (t *Term) Validate() error {
	if err := checkRealm(t.Realm); err != nil {
		return fmt.Errorf("%w: term: %w", ErrToken, err)
	}
	if t.Term == 0 || t.Term > math.MaxInt64 {
		return fmt.Errorf("%w: term %d", ErrToken, t.Term)
	}
	return nil
}

// SignTerm validates and signs t with a signing key.
func (s *Signer) SignTerm(t *Term) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return s.sign(typeTerm, t)
}

// Term verifies, decodes and validates a signed term. Every failure is [ErrToken].
func (k *Keyring) Term(signed []byte) (*Term, error) {
	t := new(Term)
	if err := k.open(typeTerm, signed, t, &t.Realm); err != nil {
		return nil, err
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return t, nil
}
