package identity

import (
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
)

// ErrSealed says that something sealed is not for this machine, not for this
// purpose, or damaged.
var ErrSealed = errors.New("sealed secret refused")

// SealingKeyLen is the length of a machine's public sealing key: an uncompressed
// point of P-256.
const SealingKeyLen = 65

// SealTo encrypts a secret so that only the machine with that public sealing key
// can read it, and only for the purpose that info names: HPKE (RFC 9180), base
// mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The counterpart is
// seal.Sealer.Open.
func SealTo(public, info []byte, secret Secret) ([]byte, error) {
	point, err := ecdh.P256().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("%w: the machine's key: %w", ErrSealed, err)
	}
	key, err := hpke.NewDHKEMPublicKey(point)
	if err != nil {
		return nil, fmt.Errorf("%w: the machine's key: %w", ErrSealed, err)
	}
	sealed, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, secret.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return sealed, nil
}
