package auth

import (
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// sealedFactor is a factor's secret that only one client can read.
type sealedFactor struct {
	kind     identity.FactorKind
	epoch    uint64
	blob     []byte
	lastStep int64
	key      []byte // SHA-256 of what it was sealed to
}

// sealFactors seals what the client may hold of the factors that were proved on it.
func (e *Engine) sealFactors(tx *store.Tx, s *session, a store.Account) ([]sealedFactor, error) {
	var all []sealedFactor
	for _, f := range e.factors {
		by, ok := f.(sealer)
		if !ok {
			continue
		}
		sealed, err := by.seal(e, tx, s, a)
		if err != nil {
			return nil, err
		}
		all = append(all, sealed...)
	}
	return all, nil
}
