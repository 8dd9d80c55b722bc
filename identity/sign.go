package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/veraison/go-cose"
)

// MaxTokenLen is the largest signed token accepted, in bytes.
const MaxTokenLen = 1 << 20

// The content types that keep one kind of token from being taken for another.
const (
	typeIDToken      = "application/sallyport-id-token+cbor"
	typeSessionToken = "application/sallyport-session-token+cbor"
	typeGroupToken   = "application/sallyport-group-token+cbor"
)

// ErrNewer says that the realm has signed something that this program is too old to
// read. It is no [ErrToken]: nobody has lied.
//
// What is signed may grow. A reader leaves out a field that it does not know, so a field
// that may be left out is simply added, under a number that was never used. One that
// must not be left out is named in the protected header "crit" (RFC 9052, section 3.1),
// and a reader that does not know that name stops with this error.
var ErrNewer = errors.New("it was made by a newer release, and this one cannot read it")

// Signer signs tokens with one Ed25519 key. Make it with [NewSigner].
type Signer struct {
	keyID  []byte
	signer cose.Signer
}

// KeyID names a public key within its realm: the first 16 bytes of its SHA-256.
func KeyID(pub ed25519.PublicKey) []byte {
	sum := sha256.Sum256(pub)
	return sum[:16]
}

// NewSigner makes a signer of EdDSA signatures with an Ed25519 key (RFC 9053, section 2.2).
func NewSigner(key crypto.Signer) (*Signer, error) {
	s, err := cose.NewSigner(cose.AlgorithmEdDSA, key)
	if err != nil {
		return nil, fmt.Errorf("token signer: %w", err)
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("token signer: the key is not Ed25519")
	}
	return &Signer{keyID: KeyID(pub), signer: s}, nil
}

// SignIDToken validates and signs t.
func (s *Signer) SignIDToken(t *IDToken) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return s.sign(typeIDToken, t)
}

// SignSessionToken signs t.
func (s *Signer) SignSessionToken(t *SessionToken) ([]byte, error) {
	return s.sign(typeSessionToken, t)
}

func (s *Signer) sign(contentType string, v any) ([]byte, error) {
	payload, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("sign token: %w", err)
	}
	m := cose.NewSign1Message()
	m.Headers.Protected.SetAlgorithm(cose.AlgorithmEdDSA)
	m.Headers.Protected[cose.HeaderLabelKeyID] = s.keyID
	m.Headers.Protected[cose.HeaderLabelContentType] = contentType
	m.Payload = payload
	if err := m.Sign(rand.Reader, nil, s.signer); err != nil {
		return nil, fmt.Errorf("sign token: %w", err)
	}
	b, err := m.MarshalCBOR()
	if err != nil {
		return nil, fmt.Errorf("sign token: %w", err)
	}
	return b, nil
}

// Keyring holds the public keys of a realm: the current one and those it
// replaced, whose tokens still verify. Make it with [NewKeyring]; it does not
// change afterwards and is safe for concurrent use. The zero value trusts
// nothing.
//
// Keys of servers that only read are kept apart: they verify ID tokens and session tokens,
// and only in a ring that [KeyList.Keyring] made. One that [NewKeyring] made holds none, so
// whoever changes something by a token goes by such a ring.
type Keyring struct {
	realm     string
	verifiers map[string]cose.Verifier
	// letting are the verifiers of what lets somebody in: those above, and the readers'.
	letting map[string]cose.Verifier
}

// Realm is whose tokens it trusts.
func (k *Keyring) Realm() string { return k.realm }

// NewKeyring trusts exactly these keys for tokens of exactly this realm.
func NewKeyring(realm string, keys []ed25519.PublicKey) (*Keyring, error) {
	v, err := verifiers(keys)
	if err != nil {
		return nil, err
	}
	return &Keyring{realm: realm, verifiers: v}, nil
}

func verifiers(keys []ed25519.PublicKey) (map[string]cose.Verifier, error) {
	m := make(map[string]cose.Verifier, len(keys))
	for _, pub := range keys {
		v, err := cose.NewVerifier(cose.AlgorithmEdDSA, pub)
		if err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		m[string(KeyID(pub))] = v
	}
	return m, nil
}

// letIn trusts keys of servers that only read, for what lets somebody in.
func (k *Keyring) letIn(keys []ed25519.PublicKey) error {
	readers, err := verifiers(keys)
	if err != nil {
		return err
	}
	k.letting = maps.Clone(k.verifiers)
	maps.Copy(k.letting, readers)
	return nil
}

// lettingIn is the ring for what lets somebody in.
func (k *Keyring) lettingIn() *Keyring {
	if k.letting == nil {
		return k
	}
	return &Keyring{realm: k.realm, verifiers: k.letting}
}

// KeyIDs lists the trusted keys, sorted, but for those of servers that only read.
func (k *Keyring) KeyIDs() [][]byte {
	ids := make([][]byte, 0, len(k.verifiers))
	for _, id := range slices.Sorted(maps.Keys(k.verifiers)) {
		ids = append(ids, []byte(id))
	}
	return ids
}

// IDToken verifies, decodes and validates a signed ID token. Every failure is
// [ErrToken].
func (k *Keyring) IDToken(signed []byte) (*IDToken, error) {
	t, err := k.Vouched(signed)
	if err != nil {
		return nil, err
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return t, nil
}

// Vouched verifies and decodes a signed ID token, makes odd parts of it safe
// ([IDToken.MakeSafe]), and does not validate the rest: the realm said this, whether it
// may say so or not. It is for those who refuse the account by name and go on with the
// others; whoever uses what stands in it calls [IDToken.Validate] first. Every failure
// is [ErrToken].
func (k *Keyring) Vouched(signed []byte) (*IDToken, error) {
	t := new(IDToken)
	err := k.open(typeIDToken, signed, t, &t.Realm)
	if errors.Is(err, ErrUnknownKey) && k.letting != nil {
		err = k.lettingIn().open(typeIDToken, signed, t, &t.Realm)
		t.OnlyReads = true
	}
	if err != nil {
		return nil, err
	}
	t.MakeSafe()
	return t, nil
}

// SessionToken verifies and decodes a signed session token. Every failure is
// [ErrToken]. Whom it is for is checked by [SessionToken.Check].
func (k *Keyring) SessionToken(signed []byte) (*SessionToken, error) {
	t := new(SessionToken)
	if err := k.lettingIn().open(typeSessionToken, signed, t, &t.Realm); err != nil {
		return nil, err
	}
	return t, nil
}

// open verifies and decodes a token. realm is where into says of which realm it is.
func (k *Keyring) open(contentType string, signed []byte, into any, realm *string) error {
	if err := k.verified(contentType, signed, into); err != nil {
		return err
	}
	if *realm != k.realm {
		return fmt.Errorf("%w: of realm %q, not %q", ErrToken, *realm, k.realm)
	}
	return nil
}

// verified verifies and decodes what one of the keys signed, of whatever realm.
func (k *Keyring) verified(contentType string, signed []byte, into any) error {
	if len(signed) > MaxTokenLen {
		return fmt.Errorf("%w: %d bytes", ErrToken, len(signed))
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(signed); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	if got, _ := m.Headers.Protected[cose.HeaderLabelContentType].(string); got != contentType {
		return fmt.Errorf("%w: content type %q, want %q", ErrToken, got, contentType)
	}
	id, _ := m.Headers.Protected[cose.HeaderLabelKeyID].([]byte)
	v, ok := k.verifiers[string(id)]
	if !ok {
		return fmt.Errorf("%w: %w %x", ErrToken, ErrUnknownKey, id)
	}
	if err := m.Verify(nil, v); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	if err := understood(m.Headers.Protected); err != nil {
		return err
	}
	if err := decode(m.Payload, into); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	return nil
}

// understood refuses a token that names something as critical: this program knows no
// such thing. It is called for what the realm has signed.
func understood(h cose.ProtectedHeader) error {
	critical, err := h.Critical()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	if len(critical) > 0 {
		return fmt.Errorf("%w: it needs %v", ErrNewer, critical)
	}
	return nil
}
