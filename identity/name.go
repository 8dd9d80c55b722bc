package identity

import (
	"errors"
	"fmt"
	"strings"
)

// Lengths of names, in bytes. MaxNameLen is above the 32 bytes that utmp(5) can
// hold, which truncates and does not fail; MaxQualifiedLen is what LOGIN_NAME_MAX
// leaves a login name (limits.h).
const (
	MaxNameLen      = 64  // of an account or group, without its realm
	MaxQualifiedLen = 255 // with it
	MaxRealmLen     = 90  // of a realm
)

// MaxRealms is how many realms one machine can ask.
const MaxRealms = 8

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
// not all digits (POSIX tools would take it for an id). It may be qualified: then
// '@' and the name of its realm follow, of the same bytes and beginning alike. The
// zero value names nobody.
type Name string

// Short is the name without its realm.
func (n Name) Short() Name {
	short, _, _ := strings.Cut(string(n), "@")
	return Name(short)
}

// Realm is what a qualified name is qualified with; "" when it is not.
func (n Name) Realm() string {
	_, realm, _ := strings.Cut(string(n), "@")
	return realm
}

// ParseName accepts a canonical name, qualified or not, and nothing else. Names from
// a directory pass here before they reach a file, a path or a log.
func ParseName(s string) (Name, error) {
	short, realm, qualified := strings.Cut(s, "@")
	if len(short) > MaxNameLen || len(s) > MaxQualifiedLen {
		return "", fmt.Errorf("%w: length %d, at most %d, and %d with the realm", ErrName, len(s), MaxNameLen, MaxQualifiedLen)
	}
	digits, err := checkLabel(short)
	switch {
	case err != nil:
		return "", err
	case digits:
		return "", fmt.Errorf("%w: all digits", ErrName)
	case qualified:
		if _, err := checkLabel(realm); err != nil {
			return "", fmt.Errorf("realm: %w", err)
		}
	}
	return Name(s), nil
}

// ParseShortName is [ParseName] for a name that must not be qualified.
func ParseShortName(s string) (Name, error) {
	n, err := ParseName(s)
	if err == nil && n.Realm() != "" {
		return "", fmt.Errorf("%w: '@' in it", ErrName)
	}
	return n, err
}

// checkLabel is the rule for either side of the '@'.
func checkLabel(s string) (digits bool, err error) {
	if s == "" {
		return false, fmt.Errorf("%w: it is empty", ErrName)
	}
	digits = true
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c == '_':
			digits = false
		case c >= '0' && c <= '9':
		case (c == '-' || c == '.') && i > 0:
			digits = false
		default:
			return false, fmt.Errorf("%w: byte %#02x at %d", ErrName, c, i)
		}
	}
	return digits, nil
}

// Naming is how one realm names its accounts, or its groups.
type Naming struct {
	Realm string
	// Qualified: every name ends in "@" and the realm, and no name does otherwise.
	Qualified bool
	// Aliases: upper case, and the other of the two forms, find it too.
	Aliases bool
}

// Canonical turns what a person typed into the one name that it can stand for. With
// aliases ASCII upper case is folded, and the realm added or dropped as the realm's
// names have it. A host's PAM_USER is never rewritten with the result; it only finds
// the record.
func (n Naming) Canonical(typed string) (Name, error) {
	if n.Aliases {
		typed = FoldName(typed)
	}
	name, err := ParseName(typed)
	if err != nil || n.Has(name) {
		return name, err
	}
	switch realm := name.Realm(); {
	case !n.Aliases, realm != "" && realm != FoldName(n.Realm):
		return "", fmt.Errorf("%w: not in the form of the realm's names", ErrName)
	case n.Qualified:
		return ParseName(string(name) + "@" + FoldName(n.Realm))
	default:
		return name.Short(), nil
	}
}

// Has tells whether a name has the form of the realm's names.
func (n Naming) Has(name Name) bool {
	if !n.Qualified {
		return name.Realm() == ""
	}
	return name.Realm() != "" && name.Realm() == FoldName(n.Realm)
}

// FoldName folds A to Z only: Unicode folding maps other letters onto ASCII
// ones ("K", U+212A, becomes "k"), which would let a look-alike find a record.
func FoldName(s string) string {
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
