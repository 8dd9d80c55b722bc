package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
)

// Limits of a key list and of what leads to it.
const (
	// MaxListKeys is how many signing keys a list may name.
	MaxListKeys      = 64
	maxListTLS       = 8
	maxListNames     = 64
	maxChain         = 16
	maxIntroductions = 16
	// MaxReadOnly is how many servers that only read a list may name: each has a TLS key in
	// it, beside the one of the others.
	MaxReadOnly = maxListTLS - 1
	// MaxSSHAuthorities is how many keys of ssh certificates a list may name of each use.
	MaxSSHAuthorities = 4
)

// The content types of what a realm key signs, and of an introduction, which a
// signing key signs.
const (
	typeKeyList      = "application/sallyport-key-list+cbor"
	typeRealmKey     = "application/sallyport-realm-key+cbor"
	typeIntroduction = "application/sallyport-introduction+cbor"
)

// KeyList is what a realm key says of its realm: which keys sign tokens, and by what
// a server of the realm is known in TLS. It is signed with the realm key and with
// nothing else.
type KeyList struct {
	Realm string `cbor:"1,keyasint"`
	// Version only grows. A machine takes none that is lower than what it has seen.
	Version uint64 `cbor:"2,keyasint"`
	// Keys are raw Ed25519 public keys; the first one signs now, the others still verify.
	Keys [][]byte `cbor:"3,keyasint"`
	// TLS are the ways to be known as a server; the first one is current.
	TLS []TLSTrust `cbor:"4,keyasint"`
	// Time is when the list was signed, in Unix seconds. It is for people.
	Time int64 `cbor:"5,keyasint"`
	// ReadOnly are raw Ed25519 public keys of servers that only read: what they sign lets
	// somebody in at a machine, and is no word of the realm's about anything else. A program
	// of before does not know them, and takes nothing that they signed.
	ReadOnly [][]byte `cbor:"6,keyasint,omitempty"`
	// SSHUsers and SSHHosts are public keys that sign ssh certificates, of people for hops and
	// of machines for their host keys, the newest first, as [SSHAuthorityOf] has them. None:
	// the realm makes no such certificates.
	SSHUsers [][]byte `cbor:"7,keyasint,omitempty"`
	SSHHosts [][]byte `cbor:"8,keyasint,omitempty"`
}

// Validate tells whether the list says something that a machine can use.
func (l *KeyList) Validate() error {
	if err := CheckText(l.Realm, MaxRealmLen); err != nil || l.Realm == "" {
		return fmt.Errorf("%w: key list: the realm's name", ErrToken)
	}
	if l.Version == 0 {
		return fmt.Errorf("%w: key list without a version", ErrToken)
	}
	if len(l.Keys) == 0 || len(l.Keys) > MaxListKeys {
		return fmt.Errorf("%w: key list with %d signing keys", ErrToken, len(l.Keys))
	}
	for _, k := range l.Keys {
		if len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: key list: a signing key of %d bytes", ErrToken, len(k))
		}
	}
	if len(l.ReadOnly) > MaxReadOnly {
		return fmt.Errorf("%w: key list with %d keys of servers that only read", ErrToken, len(l.ReadOnly))
	}
	for _, k := range l.ReadOnly {
		if len(k) != ed25519.PublicKeySize || slices.ContainsFunc(l.Keys, func(full []byte) bool { return bytes.Equal(k, full) }) {
			return fmt.Errorf("%w: key list: a key of a server that only reads, of %d bytes", ErrToken, len(k))
		}
	}
	if err := l.validateSSH(); err != nil {
		return err
	}
	if len(l.TLS) == 0 || len(l.TLS) > maxListTLS {
		return fmt.Errorf("%w: key list with %d TLS keys", ErrToken, len(l.TLS))
	}
	for _, t := range l.TLS {
		if err := t.validate(); err != nil {
			return err
		}
	}
	return nil
}

// validateSSH tells whether each key has one use: a key that signs for people could
// otherwise stand for a host.
func (l *KeyList) validateSSH() error {
	if len(l.SSHUsers) > MaxSSHAuthorities || len(l.SSHHosts) > MaxSSHAuthorities {
		return fmt.Errorf("%w: key list with %d and %d keys of ssh certificates", ErrToken, len(l.SSHUsers), len(l.SSHHosts))
	}
	seen := slices.Concat(l.Keys, l.ReadOnly)
	for _, k := range slices.Concat(l.SSHUsers, l.SSHHosts) {
		if err := CheckSSHAuthority(k); err != nil {
			return fmt.Errorf("%w: key list: %w", ErrToken, err)
		}
		if slices.ContainsFunc(seen, func(o []byte) bool { return bytes.Equal(k, o) }) {
			return fmt.Errorf("%w: key list: a key of ssh certificates that has another use", ErrToken)
		}
		seen = append(seen, k)
	}
	return nil
}

// Keyring trusts the list's signing keys for tokens of its realm, and those of servers that
// only read for what lets somebody in.
func (l *KeyList) Keyring() (*Keyring, error) {
	keys := func(raw [][]byte) []ed25519.PublicKey {
		list := make([]ed25519.PublicKey, len(raw))
		for i, k := range raw {
			list[i] = k
		}
		return list
	}
	k, err := NewKeyring(l.Realm, keys(l.Keys))
	if err != nil {
		return nil, err
	}
	return k, k.letIn(keys(l.ReadOnly))
}

// SignKeyList validates and signs l. The signer's key is the realm key.
func (s *Signer) SignKeyList(l *KeyList) ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return s.sign(typeKeyList, l)
}

// OpenKeyList verifies with a realm key, decodes and validates. Every failure is
// [ErrToken]; one that another key signed is [ErrUnknownKey] as well.
func OpenKeyList(realmKey ed25519.PublicKey, signed []byte) (*KeyList, error) {
	l := new(KeyList)
	if err := openWith(realmKey, typeKeyList, signed, l); err != nil {
		return nil, err
	}
	return l, l.Validate()
}

// vouched names a realm key: by the one before it, or by a signing key.
type vouched struct {
	Realm string `cbor:"1,keyasint"`
	Key   []byte `cbor:"2,keyasint"`
	Time  int64  `cbor:"3,keyasint"`
}

// SignRealmKey signs the next realm key with the one before.
func (s *Signer) SignRealmKey(realm string, next ed25519.PublicKey, now int64) ([]byte, error) {
	return s.sign(typeRealmKey, vouched{realm, next, now})
}

// SignIntroduction signs a realm's first realm key with a signing key, for machines
// that joined before there were realm keys.
func (s *Signer) SignIntroduction(realm string, first ed25519.PublicKey, now int64) ([]byte, error) {
	return s.sign(typeIntroduction, vouched{realm, first, now})
}

// KeyBundle is a key list with what leads to it. It is not signed itself: each part is.
type KeyBundle struct {
	// RealmKey is the one that signed the list, raw. Nobody believes it for standing here.
	RealmKey []byte `cbor:"1,keyasint"`
	// List is a signed [KeyList].
	List []byte `cbor:"2,keyasint"`
	// Chain leads from earlier realm keys to the present one, oldest first: each link
	// is signed by the key before.
	Chain [][]byte `cbor:"3,keyasint,omitempty"`
	// Introductions of the realm's first realm key, by signing keys.
	Introductions [][]byte `cbor:"4,keyasint,omitempty"`
}

// Encode is for [DecodeKeyBundle].
func (b *KeyBundle) Encode() ([]byte, error) {
	out, err := encode(b)
	if err != nil {
		return nil, fmt.Errorf("key list: %w", err)
	}
	return out, nil
}

// DecodeKeyBundle decodes, and verifies nothing. Every failure is [ErrToken].
func DecodeKeyBundle(b []byte) (*KeyBundle, error) {
	if len(b) > MaxTokenLen {
		return nil, fmt.Errorf("%w: key list of %d bytes", ErrToken, len(b))
	}
	k := new(KeyBundle)
	if err := decode(b, k); err != nil {
		return nil, fmt.Errorf("%w: key list: %w", ErrToken, err)
	}
	if len(k.RealmKey) != ed25519.PublicKeySize || len(k.Chain) > maxChain || len(k.Introductions) > maxIntroductions {
		return nil, fmt.Errorf("%w: key list: a realm key of %d bytes, %d links, %d introductions",
			ErrToken, len(k.RealmKey), len(k.Chain), len(k.Introductions))
	}
	return k, nil
}

// Follow goes from a realm key that is trusted along the chain to the one that signs
// now, and opens the list with it. Every failure is [ErrToken], and [ErrUnknownKey]
// where nothing leads from the trusted key to the list.
func (b *KeyBundle) Follow(trusted ed25519.PublicKey) (ed25519.PublicKey, *KeyList, error) {
	var realms []string
	for _, link := range b.Chain {
		var next vouched
		err := openWith(trusted, typeRealmKey, link, &next)
		if errors.Is(err, ErrUnknownKey) {
			continue // it leads from a key that is not ours
		}
		if err != nil {
			return nil, nil, err
		}
		if len(next.Key) != ed25519.PublicKeySize {
			return nil, nil, fmt.Errorf("%w: a realm key of %d bytes", ErrToken, len(next.Key))
		}
		trusted, realms = next.Key, append(realms, next.Realm)
	}
	l, err := OpenKeyList(trusted, b.List)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range realms {
		if r != l.Realm {
			return nil, nil, fmt.Errorf("%w: a realm key of realm %q leads to a list of %q", ErrToken, r, l.Realm)
		}
	}
	return trusted, l, nil
}

// Introduced returns the realm key that a key of the ring vouches for. Every failure
// is [ErrToken], and [ErrUnknownKey] where no key of the ring does.
func (b *KeyBundle) Introduced(ring *Keyring) (ed25519.PublicKey, error) {
	for _, signed := range b.Introductions {
		var v vouched
		err := ring.open(typeIntroduction, signed, &v, &v.Realm)
		if errors.Is(err, ErrUnknownKey) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(v.Key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: a realm key of %d bytes", ErrToken, len(v.Key))
		}
		return v.Key, nil
	}
	return nil, fmt.Errorf("%w: %w: no introduction by a signing key that is known here", ErrToken, ErrUnknownKey)
}

// openWith verifies with one key and decodes.
func openWith(pub ed25519.PublicKey, contentType string, signed []byte, into any) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: a key of %d bytes", ErrToken, len(pub))
	}
	k, err := NewKeyring("", []ed25519.PublicKey{pub})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	return k.verified(contentType, signed, into)
}
