package identity

import (
	"errors"
	"fmt"
	"strings"
)

// MaxNameLen is the longest account, group or realm-local name, in bytes. It is
// above the 32 bytes that utmp(5) can hold, which truncates and does not fail.
const MaxNameLen = 64

// Errors that callers decide on. Wrap them, compare with errors.Is.
var (
	// ErrName says that a string can never name an account or a group.
	ErrName = errors.New("not a valid name")
	// ErrNotFound says with authority that no such account or group exists.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable says that nobody who could know was able to answer.
	ErrUnavailable = errors.New("unavailable")
)

// Name is an account or group name in canonical form: 1 to [MaxNameLen] bytes
// of a-z, 0-9, '_', '-' and '.', beginning with a letter, a digit or '_', and
// not all digits (POSIX tools would take it for an id). The zero value names
// nobody.
type Name string

// ParseName accepts a canonical name and nothing else. Names from a directory
// pass here before they reach a file, a path or a log.
func ParseName(s string) (Name, error) {
	if s == "" || len(s) > MaxNameLen {
		return "", fmt.Errorf("%w: length %d, want 1 to %d", ErrName, len(s), MaxNameLen)
	}
	digits := true
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c == '_':
			digits = false
		case c >= '0' && c <= '9':
		case (c == '-' || c == '.') && i > 0:
			digits = false
		default:
			return "", fmt.Errorf("%w: byte %#02x at %d", ErrName, c, i)
		}
	}
	if digits {
		return "", fmt.Errorf("%w: all digits", ErrName)
	}
	return Name(s), nil
}

// Canonical turns what a person typed into the name it stands for: ASCII upper
// case is folded, and one trailing "@realm" is dropped when it equals realm
// (compared without case). Anything else must already be canonical. A host's
// PAM_USER is never rewritten with the result; it only finds the record.
func Canonical(typed, realm string) (Name, error) {
	if len(typed) > MaxNameLen+1+len(realm) {
		return "", fmt.Errorf("%w: length %d", ErrName, len(typed))
	}
	s := asciiLower(typed)
	if at := strings.LastIndexByte(s, '@'); at > 0 && realm != "" && s[at+1:] == asciiLower(realm) {
		s = s[:at]
	}
	return ParseName(s)
}

// asciiLower folds A to Z only: Unicode folding maps other letters onto ASCII
// ones ("K", U+212A, becomes "k"), which would let a look-alike find a record.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

// CheckText refuses text that could break a line-oriented file such as
// passwd(5): control characters, ':' and bytes that are not UTF-8. It is the
// rule for a full name, a home directory and a shell. An empty text passes.
func CheckText(s string, maxLen int) error {
	if len(s) > maxLen {
		return fmt.Errorf("text of %d bytes, at most %d", len(s), maxLen)
	}
	for i, r := range s {
		switch {
		case r == ':':
			return fmt.Errorf("':' at byte %d", i)
		case r < 0x20 || (r >= 0x7f && r < 0xa0):
			return fmt.Errorf("control character %#02x at byte %d", r, i)
		case r == '\uFFFD':
			return fmt.Errorf("invalid UTF-8 at byte %d", i)
		}
	}
	return nil
}
