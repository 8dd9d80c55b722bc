package wallet

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// SignatureLen is of r, s and v: 32, 32 and 1 bytes.
const SignatureLen = 65

// ErrSignature says that something is no signature of the message.
var ErrSignature = errors.New("the signature is not one of this message by this wallet")

// Read parses a message with its signature behind it, and returns whose key made it. Whether
// that is the address in the message is checked: it is.
func Read(signed []byte) (Message, Address, error) {
	if len(signed) <= SignatureLen {
		return Message{}, Address{}, fmt.Errorf("%w: it has no %d bytes of signature behind its text", ErrMessage, SignatureLen)
	}
	text, signature := signed[:len(signed)-SignatureLen], signed[len(signed)-SignatureLen:]
	m, err := Parse(string(text))
	if err != nil {
		return Message{}, Address{}, err
	}
	by, err := recoverSigner(text, signature)
	if err == nil && by != m.Address {
		err = ErrSignature
	}
	if err != nil {
		return Message{}, Address{}, err
	}
	return m, by, nil
}

// recoverSigner finds the key of a signature of personal_sign. v is 27 or 28, or as some
// wallets have it 0 or 1.
func recoverSigner(text, signature []byte) (a Address, err error) {
	v := signature[SignatureLen-1]
	if v < 2 {
		v += 27
	}
	var s secp256k1.ModNScalar
	if v != 27 && v != 28 || s.SetByteSlice(signature[32:64]) || s.IsOverHalfOrder() {
		return a, ErrSignature
	}
	key, _, err := ecdsa.RecoverCompact(append([]byte{v}, signature[:64]...), digest(text))
	if err != nil {
		return a, ErrSignature
	}
	copy(a[:], keccak(key.SerializeUncompressed()[1:])[12:])
	return a, nil
}

// digest is what is signed of a text: EIP-191, version 0x45.
func digest(text []byte) []byte {
	return keccak([]byte("\x19Ethereum Signed Message:\n"+strconv.Itoa(len(text))), text)
}
