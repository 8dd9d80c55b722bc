package message

import (
	"bytes"
	stdcrypto "crypto"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/ProtonMail/gopenpgp/v3/armor"
	"github.com/ProtonMail/gopenpgp/v3/crypto"
	"github.com/ProtonMail/gopenpgp/v3/profile"
)

// Limits of keys.
const (
	maxKey     = 16 << 10 // bytes, in binary form
	maxParts   = 8        // user ids, and subkeys, of one key
	minRSABits = 3072
	maxRSABits = 8192
)

var (
	// ErrKey says that a key is none, or is not to be used.
	ErrKey = errors.New("the OpenPGP key is not good")
	// ErrPassphrase says that a private key does not open.
	ErrPassphrase = errors.New("the passphrase is wrong")
)

// Key is an OpenPGP key: of an application, an instance, a person or the realm.
type Key struct{ key *crypto.Key }

// settings are what keys and messages are made with: what GnuPG 2.2 reads.
func settings() *profile.Custom {
	p := profile.Default()
	p.DisableIntendedRecipients = true // the envelope names the receiver, under the signature
	return p
}

// NewKey makes a key that signs and decrypts: Ed25519 and X25519, in version 4.
func NewKey(name string, now time.Time) (Key, error) {
	k, err := crypto.PGPWithProfile(settings()).KeyGeneration().AddUserId(name, "").GenerationTime(now.Unix()).New().GenerateKey()
	if err != nil {
		return Key{}, fmt.Errorf("make an OpenPGP key: %w", err)
	}
	return Key{k}, nil
}

// ParsePublic reads one public key, armored or binary, and refuses what is weak.
func ParsePublic(text []byte, now time.Time) (Key, error) {
	k, err := parse(text, now)
	if err == nil && k.key.IsPrivate() {
		err = fmt.Errorf("%w: it is a private key, which nobody must be given", ErrKey)
	}
	return k, err
}

// ParsePrivate reads one private key, armored or binary, and opens it with its passphrase where
// it has one.
func ParsePrivate(text, passphrase []byte, now time.Time) (Key, error) {
	k, err := parse(text, now)
	if err != nil {
		return k, err
	}
	if !k.key.IsPrivate() {
		return Key{}, fmt.Errorf("%w: it has no private half", ErrKey)
	}
	locked, err := k.key.IsLocked()
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if !locked {
		return k, nil
	}
	open, err := k.key.Unlock(passphrase)
	if err != nil {
		return Key{}, ErrPassphrase
	}
	return Key{open}, nil
}

func parse(text []byte, now time.Time) (Key, error) {
	if len(text) > 2*maxKey {
		return Key{}, fmt.Errorf("%w: it is longer than %d bytes", ErrKey, maxKey)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN PGP ")) {
		binary, err := armor.Unarmor(string(text))
		if err != nil {
			return Key{}, fmt.Errorf("%w: %w", ErrKey, err)
		}
		text = binary
	}
	if len(text) > maxKey {
		return Key{}, fmt.Errorf("%w: it is longer than %d bytes", ErrKey, maxKey)
	}
	list, err := openpgp.ReadKeyRing(bytes.NewReader(text))
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if len(list) != 1 {
		return Key{}, fmt.Errorf("%w: there are %d keys in place of one", ErrKey, len(list))
	}
	if err := check(list[0], now); err != nil {
		return Key{}, err
	}
	k, err := crypto.NewKeyFromEntity(list[0])
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return Key{k}, nil
}

// check refuses a key with a weak part, or of no use now.
func check(e *openpgp.Entity, now time.Time) error {
	if len(e.Identities) > maxParts || len(e.Subkeys) > maxParts {
		return fmt.Errorf("%w: it has more than %d user ids or subkeys", ErrKey, maxParts)
	}
	if err := checkAlgorithm(e.PrimaryKey); err != nil {
		return err
	}
	at := later(now, e.PrimaryKey.CreationTime)
	self, err := e.VerifyPrimaryKey(at, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	if !strongHash(self.Hash) {
		return fmt.Errorf("%w: it is signed with a weak hash", ErrKey)
	}
	for i := range e.Subkeys {
		s := &e.Subkeys[i]
		if err := checkAlgorithm(s.PublicKey); err != nil {
			return err
		}
		for _, b := range s.Bindings {
			if !strongHash(b.Packet.Hash) {
				return fmt.Errorf("%w: a subkey is bound with a weak hash", ErrKey)
			}
		}
	}
	return nil
}

// checkAlgorithm knows what is good; all else is refused.
func checkAlgorithm(k *packet.PublicKey) error {
	switch k.PubKeyAlgo {
	case packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448, packet.PubKeyAlgoX25519, packet.PubKeyAlgoX448,
		packet.PubKeyAlgoECDSA, packet.PubKeyAlgoECDH:
		return nil
	case packet.PubKeyAlgoRSA:
		bits, err := k.BitLength()
		if err == nil && bits >= minRSABits && bits <= maxRSABits {
			return nil
		}
		return fmt.Errorf("%w: RSA with %d bits; it takes %d to %d", ErrKey, bits, minRSABits, maxRSABits)
	default:
		return fmt.Errorf("%w: the algorithm %d is weak or unknown", ErrKey, k.PubKeyAlgo)
	}
}

// strongHash knows the hashes that are good for signatures.
func strongHash(h stdcrypto.Hash) bool {
	switch h {
	case stdcrypto.SHA256, stdcrypto.SHA384, stdcrypto.SHA512, stdcrypto.SHA3_256, stdcrypto.SHA3_512:
		return true
	default:
		return false
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Fingerprint is the key's name in messages: in capital hexadecimal digits.
func (k Key) Fingerprint() string { return strings.ToUpper(k.key.GetFingerprint()) }

// Made is when it was made, by its maker's clock.
func (k Key) Made() time.Time { return k.key.GetEntity().PrimaryKey.CreationTime }

// CanReceive tells whether messages can be encrypted to it.
func (k Key) CanReceive(now time.Time) bool {
	return k.key.CanEncrypt(later(now, k.Made()).Unix())
}

// CanSign tells whether its signatures can be checked.
func (k Key) CanSign(now time.Time) bool {
	return k.key.CanVerify(later(now, k.Made()).Unix())
}

// Public is its public half, in binary form.
func (k Key) Public() ([]byte, error) {
	b, err := k.key.GetPublicKey()
	if err != nil {
		return nil, fmt.Errorf("public half: %w", err)
	}
	return b, nil
}

// ArmoredPublic is its public half as text.
func (k Key) ArmoredPublic() (string, error) {
	s, err := k.key.GetArmoredPublicKey()
	if err != nil {
		return "", fmt.Errorf("public half: %w", err)
	}
	return s, nil
}

// Private is the key with its private half, in binary form and without a passphrase.
func (k Key) Private() ([]byte, error) {
	b, err := k.key.Serialize()
	if err != nil {
		return nil, fmt.Errorf("private half: %w", err)
	}
	return b, nil
}

// ArmoredPrivate is the key with its private half as text, locked where a passphrase is given.
func (k Key) ArmoredPrivate(passphrase []byte) (string, error) {
	key := k.key
	if len(passphrase) > 0 {
		locked, err := crypto.PGPWithProfile(settings()).LockKey(key, passphrase)
		if err != nil {
			return "", fmt.Errorf("lock a key: %w", err)
		}
		key = locked
	}
	s, err := key.Armor()
	if err != nil {
		return "", fmt.Errorf("private half: %w", err)
	}
	return s, nil
}

// Wipe forgets the private half.
func (k Key) Wipe() {
	if k.key != nil {
		k.key.ClearPrivateParams()
	}
}

// packets splits a message into its packets, each whole in memory.
func packets(b []byte) (list []*packet.OpaquePacket, err error) {
	r := packet.NewOpaqueReader(bytes.NewReader(b))
	for len(list) <= maxPackets {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMessage, err)
		}
		list = append(list, p)
	}
	return nil, fmt.Errorf("%w: it has too many packets", ErrMessage)
}
