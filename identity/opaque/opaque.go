// Package opaque prepares passwords as the OpaqueString profile of RFC 8265 says, so
// that one password is the same bytes on every keyboard: an "ü" of one character or of
// two, and any kind of blank.
//
// It is the one place where this is done. The server and the machine's offline verifier
// both hash what it returns. Verifiers from before were made of the bytes as they were
// typed; [Forms] says what to try so that they go on. See docs/decisions/0021.
//
// It does not judge whether a password is a good one; that is passwords.
package opaque

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/sallyport-auth/sallyport/identity"
)

// MaxLen is the longest password that is prepared, in bytes. What is longer is never
// right, and is not worked on.
const MaxLen = 1024

// ErrUnusable says that the profile knows no form of a password: it is empty, or has
// control characters, bytes that are no UTF-8, or characters that are not assigned.
var ErrUnusable = errors.New("the password has characters that cannot be used")

// ErrTooLong says that a password is longer than [MaxLen].
var ErrTooLong = errors.New("the password is too long")

// Prepare returns the form that is hashed, always in memory of its own: wipe it.
func Prepare(typed identity.Secret) (identity.Secret, error) {
	switch raw := typed.Reveal(); {
	case len(raw) == 0:
		return identity.Secret{}, ErrUnusable
	case len(raw) > MaxLen:
		return identity.Secret{}, ErrTooLong
	case Plain(typed):
		return identity.NewSecret(bytes.Clone(raw)), nil
	case !utf8.Valid(raw):
		// The profile would make one and the same of all such bytes.
		return identity.Secret{}, ErrUnusable
	default:
		form, err := precis.OpaqueString.Bytes(raw)
		if err != nil {
			// Not the reason: it may quote what was typed.
			return identity.Secret{}, ErrUnusable
		}
		return identity.NewSecret(bytes.Clone(form)), nil
	}
}

// Plain tells whether a password has one form on every keyboard: printable ASCII.
func Plain(typed identity.Secret) bool {
	for _, b := range typed.Reveal() {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// Forms lists what a verifier may have been made of, the prepared form first: there are
// two where the bytes as typed are others. Nothing that is empty or longer than [MaxLen]
// has any. Each is in memory of its own: wipe them with [Wipe].
func Forms(typed identity.Secret) []identity.Secret {
	if typed.Len() == 0 || typed.Len() > MaxLen {
		return nil
	}
	raw := identity.NewSecret(bytes.Clone(typed.Reveal()))
	form, err := Prepare(typed)
	switch {
	case err != nil:
		return []identity.Secret{raw}
	case bytes.Equal(form.Reveal(), raw.Reveal()):
		raw.Wipe()
		return []identity.Secret{form}
	default:
		return []identity.Secret{form, raw}
	}
}

// Wipe wipes forms.
func Wipe(forms []identity.Secret) {
	for _, f := range forms {
		f.Wipe()
	}
}

// Same tells whether two are one password.
func Same(a, b identity.Secret) bool {
	left, err1 := Prepare(a)
	right, err2 := Prepare(b)
	defer left.Wipe()
	defer right.Wipe()
	if err1 != nil || err2 != nil {
		return bytes.Equal(a.Reveal(), b.Reveal())
	}
	return bytes.Equal(left.Reveal(), right.Reveal())
}
