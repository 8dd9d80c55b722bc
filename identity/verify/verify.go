// Package verify is the mathematics by which two people on the telephone make sure of each
// other: each has a key pair, each knows the other's public half, and each says a code that
// only the two of them can know at that minute. It does no I/O and keeps no state: who may
// verify whom, how often, and that a code is good once, is for others to see to.
//
//	keys         ECDH on P-256 (RFC 5903, FIPS 186-5), which smartcards and TPMs can do too.
//	             A public half is 65 bytes, uncompressed (SEC 1, 2.3.3)
//	secret       HKDF-SHA256 (RFC 5869) of the shared x coordinate. Salt: SHA-256 of the label
//	             and both parties, the lesser encoding first; info: the label
//	party        realm, uuid and public half, each behind its length in 4 bytes, big endian
//	label        "sallyport verify 1"
//	code         HMAC-SHA256 by the secret of label, speaker, listener (parties as above), the
//	             minute in 8 bytes and the subject, where there is one, behind its length in
//	             4 bytes; its first 8 bytes, big endian, modulo 100,000,000
//	minute       seconds since 1970, divided by 60
//	subject      what both have typed that the call is about, as [Subject] has it: whoever
//	             sits between two calls and repeats what is said in each has to tell both the
//	             same story
//
// Eight digits are 26.5 bits. A listener takes the codes of three minutes, the present one and
// its neighbours, so a guess is right once in 33 million; five wrong ones lock.
package verify

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/sallyport-auth/sallyport/identity"
)

const (
	label = "sallyport verify 1"
	// Step is how long a code is said, in seconds.
	Step = 60
	// Drift is how many steps a code may be early or late.
	Drift = 1
	// Digits are those of a code.
	Digits = 8
	// MaxSubject is how many bytes may be typed that a call is about.
	MaxSubject = 200
	// SharedLen is how long a shared x coordinate is, in bytes.
	SharedLen = 32
	modulus   = 100_000_000
)

var (
	// ErrKey says that something is no key of P-256.
	ErrKey = errors.New("not a key to verify with")
	// ErrCode says that what was typed is no code.
	ErrCode = fmt.Errorf("a code has %d digits", Digits)
	// ErrSelf says that both parties are one.
	ErrSelf = errors.New("nobody can make sure of themselves")
)

// NewKey makes a private half. It is to be sealed, and never to leave the machine.
func NewKey() (identity.Secret, error) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return identity.Secret{}, fmt.Errorf("make a key: %w", err)
	}
	return identity.NewSecret(k.Bytes()), nil
}

// Public is the public half of a private one.
func Public(private identity.Secret) ([]byte, error) {
	k, err := ecdh.P256().NewPrivateKey(private.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return k.PublicKey().Bytes(), nil
}

// CheckPublic tells whether that is the public half of a key.
func CheckPublic(public []byte) error {
	if _, err := ecdh.P256().NewPublicKey(public); err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	return nil
}

// Fingerprint is a public half as people compare it: groups of 4 hexadecimal digits.
func Fingerprint(public []byte) string {
	h := sha256.Sum256(public)
	text := fmt.Sprintf("%X", h[:16])
	var groups []string
	for i := 0; i < len(text); i += 4 {
		groups = append(groups, text[i:i+4])
	}
	return strings.Join(groups, " ")
}

// Party is one of the two.
type Party struct {
	Realm  string
	ID     uuid.UUID
	Public []byte
}

func (p Party) encode() []byte {
	var b []byte
	for _, part := range [][]byte{[]byte(p.Realm), p.ID[:], p.Public} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part))) //nolint:gosec // short
		b = append(b, part...)
	}
	return b
}

// Call is what one of the two knows while they speak. The zero value proves nothing.
type Call struct {
	secret      identity.Secret
	own, theirs []byte // the parties, encoded
	subject     string
}

// Subject is what a call is about, as its codes know it: letters and digits alone, small ones,
// so that two people who type the same words have the same. It is empty where there are none.
func Subject(typed string) (string, error) {
	if len(typed) > MaxSubject {
		return "", fmt.Errorf("what a call is about has at most %d bytes", MaxSubject)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, strings.ToLower(norm.NFKC.String(typed))), nil
}

// Agreement is the ECDH of a private half with the public one of somebody else: the shared x
// coordinate, of 32 bytes, which the caller wipes. A private half that is in a card does it there.
type Agreement func(theirs *ecdh.PublicKey) (identity.Secret, error)

// Begin is the end of whoever holds the private half of own. The call is about subject, of
// [Subject], or "".
func Begin(private identity.Secret, own, theirs Party, subject string) (Call, error) {
	k, err := ecdh.P256().NewPrivateKey(private.Reveal())
	if err != nil {
		return Call{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if !bytes.Equal(k.PublicKey().Bytes(), own.Public) {
		return Call{}, fmt.Errorf("%w: the two halves are not of one key", ErrKey)
	}
	return BeginBy(func(other *ecdh.PublicKey) (identity.Secret, error) {
		shared, err := k.ECDH(other)
		return identity.NewSecret(shared), err
	}, own, theirs, subject)
}

// BeginBy is [Begin] of whoever has the private half of own elsewhere: that it is of own is for
// agree to see to. It is called once, after all else was checked.
func BeginBy(agree Agreement, own, theirs Party, subject string) (Call, error) {
	if err := CheckPublic(own.Public); err != nil {
		return Call{}, err
	}
	other, err := ecdh.P256().NewPublicKey(theirs.Public)
	if err != nil {
		return Call{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if own.Realm == theirs.Realm && own.ID == theirs.ID || bytes.Equal(own.Public, theirs.Public) {
		return Call{}, ErrSelf
	}
	shared, err := agree(other)
	if err != nil {
		return Call{}, fmt.Errorf("agree on a secret: %w", err)
	}
	defer shared.Wipe()
	if shared.Len() != SharedLen {
		return Call{}, fmt.Errorf("%w: %d bytes are no x coordinate of P-256", ErrKey, shared.Len())
	}
	c := Call{own: own.encode(), theirs: theirs.encode(), subject: subject}
	first, second := c.own, c.theirs
	if bytes.Compare(first, second) > 0 {
		first, second = second, first
	}
	salt := sha256.Sum256(bytes.Join([][]byte{[]byte(label), first, second}, nil))
	secret, err := hkdf.Key(sha256.New, shared.Reveal(), salt[:], label, sha256.Size)
	if err != nil {
		return Call{}, fmt.Errorf("derive: %w", err)
	}
	c.secret = identity.NewSecret(secret)
	return c, nil
}

// Copy is the same call, which ends by itself.
func (c *Call) Copy() Call {
	other := *c
	other.secret = identity.NewSecret(bytes.Clone(c.secret.Reveal()))
	return other
}

// End wipes what the call knows.
func (c *Call) End() { c.secret.Wipe() }

// code is what the speaker says to the listener in a minute.
func (c *Call) code(speaker, listener []byte, step int64) uint32 {
	h := hmac.New(sha256.New, c.secret.Reveal())
	b := binary.BigEndian.AppendUint64(slices.Concat([]byte(label), speaker, listener), uint64(step)) //nolint:gosec // the same bits
	if c.subject != "" {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(c.subject))), c.subject...) //nolint:gosec // short
	}
	_, _ = h.Write(b) // never fails, see hash.Hash
	return uint32(binary.BigEndian.Uint64(h.Sum(nil)) % modulus)
}

// Say is the code to say now, in groups, and for how long it is said.
func (c *Call) Say(now time.Time) (code string, left time.Duration) {
	text := fmt.Sprintf("%0*d", Digits, c.code(c.own, c.theirs, now.Unix()/Step))
	end := time.Unix((now.Unix()/Step+1)*Step, 0)
	return text[:Digits/2] + " " + text[Digits/2:], end.Sub(now)
}

// Hear tells whether that is what the other one says now, and the step that it is of. A
// step that was heard before is for the caller to refuse. What is no code is [ErrCode].
func (c *Call) Hear(typed string, now time.Time) (step int64, right bool, err error) {
	digits, err := parse(typed)
	if err != nil {
		return 0, false, err
	}
	if c.secret.Len() == 0 {
		return 0, false, nil
	}
	for s := now.Unix()/Step - Drift; s <= now.Unix()/Step+Drift; s++ {
		want := fmt.Sprintf("%0*d", Digits, c.code(c.theirs, c.own, s))
		if subtle.ConstantTimeCompare([]byte(want), []byte(digits)) == 1 {
			step, right = s, true
		}
	}
	return step, right, nil
}

// parse takes a code as people write it down: with spaces, dots and dashes between digits.
func parse(typed string) (string, error) {
	if len(typed) > 64 {
		return "", ErrCode
	}
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" .-\t", r) {
			return -1
		}
		return r
	}, strings.TrimSpace(typed))
	if len(digits) != Digits || strings.Trim(digits, "0123456789") != "" {
		return "", ErrCode
	}
	return digits, nil
}
