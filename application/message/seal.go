package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/gopenpgp/v3/crypto"
)

// MaxMessage is how long a message is at most, in bytes.
const MaxMessage = 64 << 10

// maxPackets is for one layer of a message.
const maxPackets = 4

// The packets that a message may be made of (RFC 9580, 5).
const (
	tagEncryptedKey = 1
	tagSignature    = 2
	tagOnePass      = 4
	tagLiteral      = 11
	tagEncrypted    = 18
)

var (
	// ErrMessage says that a message does not have the shape, or does not open.
	ErrMessage = errors.New("no message that can be opened")
	// ErrSignature says that a message is not signed as it has to be.
	ErrSignature = errors.New("the signature is not good")
	// ErrFuture says that a signature is good, but for its time, which is yet to come.
	ErrFuture = errors.New("the signature was made in the future")
)

// Seal signs a text, and encrypts it where to is given.
func Seal(text []byte, from Key, to *Key, now time.Time) ([]byte, error) {
	now = later(now, from.Made()) // a clock that is behind is told so by who reads the text
	pgp := crypto.PGPWithProfile(settings())
	if to == nil {
		h, err := pgp.Sign().SigningKey(from.key).SignTime(now.Unix()).New()
		if err != nil {
			return nil, fmt.Errorf("sign a message: %w", err)
		}
		b, err := h.Sign(text, crypto.Bytes)
		if err != nil {
			return nil, fmt.Errorf("sign a message: %w", err)
		}
		return b, nil
	}
	h, err := pgp.Encryption().Recipient(to.key).SigningKey(from.key).SignTime(now.Unix()).EncryptionTime(later(now, to.Made()).Unix()).New()
	if err != nil {
		return nil, fmt.Errorf("seal a message: %w", err)
	}
	m, err := h.Encrypt(text)
	if err != nil {
		return nil, fmt.Errorf("seal a message: %w", err)
	}
	return m.Bytes(), nil
}

// Signed is a message that was decrypted, whose signature nobody has looked at.
type Signed struct {
	// Claims is the text: nothing of it is proved before Verify.
	Claims []byte
	// Signature is the packet.
	Signature []byte
}

// Decrypt opens a message that is encrypted to that key; what was signed alone is refused.
func Decrypt(sealed []byte, to Key) (Signed, error) {
	if len(sealed) > MaxMessage {
		return Signed{}, fmt.Errorf("%w: it is longer than %d bytes", ErrMessage, MaxMessage)
	}
	list, err := packets(sealed)
	if err != nil {
		return Signed{}, err
	}
	if len(list) != 2 || list[0].Tag != tagEncryptedKey || list[1].Tag != tagEncrypted {
		return Signed{}, fmt.Errorf("%w: it is not encrypted, to one key, with a check of integrity", ErrMessage)
	}
	p, err := list[0].Parse()
	key, ok := p.(*packet.EncryptedKey)
	if err != nil || !ok {
		return Signed{}, fmt.Errorf("%w: the encrypted key is not understood", ErrMessage)
	}
	if p, err = list[1].Parse(); err != nil {
		return Signed{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	data, ok := p.(*packet.SymmetricallyEncrypted)
	if !ok {
		return Signed{}, fmt.Errorf("%w: what is encrypted is not understood", ErrMessage)
	}
	inner, err := decrypt(key, data, to)
	if err != nil {
		return Signed{}, err
	}
	return ReadSigned(inner)
}

func decrypt(key *packet.EncryptedKey, data *packet.SymmetricallyEncrypted, to Key) ([]byte, error) {
	private := to.decryptsFor(key.KeyId)
	if private == nil {
		return nil, fmt.Errorf("%w: it is encrypted to another key", ErrMessage)
	}
	if err := key.Decrypt(private, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if data.Version == 1 && !strongCipher(key.CipherFunc) || data.Version != 1 && !strongCipher(data.Cipher) {
		return nil, fmt.Errorf("%w: it is encrypted with a weak or unknown cipher", ErrMessage)
	}
	r, err := data.Decrypt(key.CipherFunc, key.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	inner, err := io.ReadAll(io.LimitReader(r, MaxMessage+1))
	if err := errors.Join(err, r.Close()); err != nil { // Close checks the integrity of version 1
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return inner, nil
}

// strongCipher is AES of any length.
func strongCipher(c packet.CipherFunction) bool {
	return c == packet.CipherAES128 || c == packet.CipherAES192 || c == packet.CipherAES256
}

// decryptsFor is the private part that a message to that key id is opened with.
func (k Key) decryptsFor(id uint64) *packet.PrivateKey {
	e := k.key.GetEntity()
	for i := range e.Subkeys {
		s := &e.Subkeys[i]
		if s.PrivateKey != nil && !s.PrivateKey.Encrypted && s.PublicKey.KeyId == id && s.PublicKey.PubKeyAlgo.CanEncrypt() {
			return s.PrivateKey
		}
	}
	return nil
}

// ReadSigned takes a message apart that is signed, once, and is not encrypted.
func ReadSigned(b []byte) (Signed, error) {
	if len(b) > MaxMessage {
		return Signed{}, fmt.Errorf("%w: it is longer than %d bytes", ErrMessage, MaxMessage)
	}
	list, err := packets(b)
	if err != nil {
		return Signed{}, err
	}
	if len(list) != 3 || list[0].Tag != tagOnePass || list[1].Tag != tagLiteral || list[2].Tag != tagSignature {
		return Signed{}, fmt.Errorf("%w: it has to be one text that is signed once, and not compressed", ErrSignature)
	}
	p, err := list[1].Parse()
	literal, ok := p.(*packet.LiteralData)
	if err != nil || !ok {
		return Signed{}, fmt.Errorf("%w: it has no text", ErrMessage)
	}
	text, err := io.ReadAll(literal.Body)
	if err != nil {
		return Signed{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	var signature bytes.Buffer
	if err := list[2].Serialize(&signature); err != nil {
		return Signed{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return Signed{Claims: text, Signature: signature.Bytes()}, nil
}

// Verify is nil where that key signed the text, and is good now. It is ErrFuture where all of
// that is so, and the signature is of later than now and skew.
func (s Signed) Verify(by Key, now time.Time, skew time.Duration) error {
	p, err := packet.Read(bytes.NewReader(s.Signature))
	sig, ok := p.(*packet.Signature)
	if err != nil || !ok {
		return fmt.Errorf("%w: it is not understood", ErrSignature)
	}
	if sig.SigType != packet.SigTypeBinary || !strongHash(sig.Hash) {
		return fmt.Errorf("%w: its kind or its hash is weak or unknown", ErrSignature)
	}
	if err := check(by.key.GetEntity(), now); err != nil {
		return err
	}
	h, err := crypto.PGPWithProfile(settings()).Verify().VerificationKey(by.key).VerifyTime(later(now, sig.CreationTime).Unix()).New()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	result, err := h.VerifyDetached(s.Claims, s.Signature, crypto.Bytes)
	if err == nil {
		err = result.SignatureError()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if sig.CreationTime.After(now.Add(skew)) {
		return fmt.Errorf("%w: at %s", ErrFuture, sig.CreationTime.UTC().Format(time.RFC3339))
	}
	return nil
}
