package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// A key that signs ssh certificates is written in a key list, and in the server's database,
// as its 32 bytes where it is an Ed25519 key, and in ssh's wire form (RFC 4253, section 6.6;
// RFC 5656, section 3.1) where it is of another kind:
//
//	kind                     of which
//	Ed25519                  all
//	ECDSA                    P-256 and P-384
//	RSA                      3072 to 8192 bits
//
// That others are refused here is why a key list with one is none, and why no server lists it.

// Bounds of an RSA key that signs ssh certificates.
const (
	minRSABits = 3072
	maxRSABits = 8192
)

const sshEd25519 = "ssh-ed25519"

// ErrSSHAuthority says that a key cannot sign ssh certificates of a realm.
var ErrSSHAuthority = errors.New("no key that can sign the realm's ssh certificates (Ed25519, ECDSA P-256 or P-384, RSA with 3072 to 8192 bits)")

// SSHAuthorityOf is how a public key in ssh's wire form is listed.
func SSHAuthorityOf(wire []byte) ([]byte, error) {
	kind, rest, ok := sshString(wire)
	if ok && string(kind) == sshEd25519 {
		raw, more, ok := sshString(rest)
		if !ok || len(more) != 0 || len(raw) != ed25519.PublicKeySize {
			return nil, ErrSSHAuthority
		}
		return raw, nil
	}
	return wire, CheckSSHAuthority(wire)
}

// SSHAuthorityWire is a listed key in ssh's wire form.
func SSHAuthorityWire(key []byte) []byte {
	if len(key) != ed25519.PublicKeySize {
		return key
	}
	wire := binary.BigEndian.AppendUint32(nil, uint32(len(sshEd25519)))
	wire = append(wire, sshEd25519...)
	return append(binary.BigEndian.AppendUint32(wire, ed25519.PublicKeySize), key...)
}

// CheckSSHAuthority tells whether a key may be listed; its error is [ErrSSHAuthority].
func CheckSSHAuthority(key []byte) error {
	if len(key) == ed25519.PublicKeySize {
		return nil
	}
	kind, rest, ok := sshString(key)
	if !ok {
		return ErrSSHAuthority
	}
	switch string(kind) {
	case "ecdsa-sha2-nistp256":
		ok = ecdsaPoint(rest, "nistp256", ecdh.P256())
	case "ecdsa-sha2-nistp384":
		ok = ecdsaPoint(rest, "nistp384", ecdh.P384())
	case "ssh-rsa":
		ok = rsaNumbers(rest)
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("%w: %s", ErrSSHAuthority, Printable(string(kind[:min(len(kind), 64)])))
	}
	return nil
}

// ecdsaPoint tells whether the rest of a key is a point of that curve.
func ecdsaPoint(rest []byte, name string, curve ecdh.Curve) bool {
	said, rest, ok := sshString(rest)
	if !ok || string(said) != name {
		return false
	}
	point, rest, ok := sshString(rest)
	if !ok || len(rest) != 0 {
		return false
	}
	_, err := curve.NewPublicKey(point)
	return err == nil
}

// rsaNumbers tells whether the rest of a key is an exponent and a modulus of a good length.
func rsaNumbers(rest []byte) bool {
	e, rest, ok := sshPositive(rest)
	if !ok || e.BitLen() > 31 || e.Bit(0) == 0 || e.Cmp(big.NewInt(3)) < 0 {
		return false
	}
	n, rest, ok := sshPositive(rest)
	return ok && len(rest) == 0 && n.Bit(0) == 1 && n.BitLen() >= minRSABits && n.BitLen() <= maxRSABits
}

// sshString reads a string (RFC 4251, section 5).
func sshString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// sshPositive reads an mpint above zero, in the only form that it has.
func sshPositive(b []byte) (n *big.Int, rest []byte, ok bool) {
	s, rest, ok := sshString(b)
	if !ok || len(s) == 0 || len(s) > maxRSABits/8+1 {
		return nil, nil, false
	}
	n = new(big.Int).SetBytes(s)
	canonical := n.Bytes()
	if n.BitLen()%8 == 0 {
		canonical = append([]byte{0}, canonical...)
	}
	return n, rest, n.Sign() > 0 && bytes.Equal(canonical, s)
}
