package wallet

import (
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/sha3"
)

// Address is that of an Ethereum account: the end of the Keccak-256 of its public key.
type Address [20]byte

// ErrAddress says that a text is no address.
var ErrAddress = errors.New("not an address of a wallet")

// ParseAddress reads one with its checksum (EIP-55): capitals and small letters must be those
// that the wallet shows.
func ParseAddress(text string) (a Address, err error) {
	if len(text) != 2+2*len(a) || text[:2] != "0x" {
		return Address{}, fmt.Errorf("%w: it is 0x and 40 hexadecimal digits", ErrAddress)
	}
	if _, err := hex.Decode(a[:], []byte(text[2:])); err != nil {
		return Address{}, fmt.Errorf("%w: it is 0x and 40 hexadecimal digits", ErrAddress)
	}
	if a.String() != text {
		return Address{}, fmt.Errorf("%w: capitals and small letters do not make the checksum of EIP-55; copy it from the wallet as it stands there", ErrAddress)
	}
	return a, nil
}

// String is the address with its checksum.
func (a Address) String() string {
	text := []byte(hex.EncodeToString(a[:]))
	sum := hex.EncodeToString(keccak(text))
	for i, c := range text {
		if c >= 'a' && sum[i] >= '8' {
			text[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(text)
}

// keccak is Keccak-256, which is not SHA3-256.
func keccak(parts ...[]byte) []byte {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		_, _ = h.Write(p) // never fails
	}
	return h.Sum(nil)
}
