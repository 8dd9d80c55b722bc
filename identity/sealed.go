package identity

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
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

// SealInfo is what the secret of a factor is sealed for: one account on one
// machine of one realm, and one epoch. Every part has its own place or length in
// it, so no two purposes have the same.
func SealInfo(realm string, machine, account uuid.UUID, kind FactorKind, epoch uint64) []byte {
	b := []byte("sallyport sealed factor v1\x00")
	b = binary.BigEndian.AppendUint64(b, uint64(len(realm)))
	b = append(append(append(b, realm...), machine[:]...), account[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(kind)))
	return binary.BigEndian.AppendUint64(append(b, kind...), epoch)
}
