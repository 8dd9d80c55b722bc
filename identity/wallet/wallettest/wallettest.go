// Package wallettest is a wallet for tests: a key of secp256k1 that signs as personal_sign
// does.
package wallettest

import (
	"fmt"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"

	"github.com/sallyport-auth/sallyport/identity/wallet"
)

// Wallet is one with a new key.
type Wallet struct {
	key     *secp256k1.PrivateKey
	Address wallet.Address
}

// New makes one.
func New(t testing.TB) *Wallet {
	t.Helper()
	key, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	w := &Wallet{key: key}
	copy(w.Address[:], keccak(key.PubKey().SerializeUncompressed()[1:])[12:])
	return w
}

// Sign returns r, s and v.
func (w *Wallet) Sign(text string) []byte {
	c := ecdsa.SignCompact(w.key, keccak(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d%s", len(text), text)), false)
	return append(c[1:], c[0])
}

// Signed is a message with its signature behind it, as a login sends it.
func (w *Wallet) Signed(m wallet.Message) []byte {
	text := m.String()
	return append([]byte(text), w.Sign(text)...)
}

func keccak(b []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	_, _ = h.Write(b) // never fails
	return h.Sum(nil)
}
