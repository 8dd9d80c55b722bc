package passwords

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
)

// Limits of the length that a realm asks for, in characters.
const (
	// LeastMin is the minimum of NIST SP 800-63B for a password beside a second
	// factor, and of a realm that never set its own.
	LeastMin = 8
	// MostMin leaves room for what people can type and remember.
	MostMin = 64
)

// MaxHistory is how many passwords of an account are remembered at most: each costs a
// change of password one Argon2id computation.
const MaxHistory = 10

const (
	// shortWord is the longest word of the context that does not count: "al" is in many.
	shortWord = 2
	// ownPart is how many characters of a password are neither a word of the context
	// nor around a word of the list.
	ownPart = 6
)

// RefusalError is why a password cannot be used, for people.
type RefusalError string

func (r RefusalError) Error() string { return string(r) }

// Subject is what a password is judged for.
type Subject struct {
	// Min is the least length, in characters; less than LeastMin counts as that.
	Min int
	// Name and FullName are the account's, Realm is its realm's.
	Name            identity.Name
	FullName, Realm string
}

// Check returns a [RefusalError], or nil.
func Check(typed identity.Secret, s Subject, list *List) error {
	// The length before any work on it.
	if typed.Len() > opaque.MaxLen {
		return RefusalError(fmt.Sprintf("That password is too long: at most %d bytes.", opaque.MaxLen))
	}
	least := max(s.Min, LeastMin)
	if typed.Len() == 0 {
		return tooShort(least)
	}
	form, err := opaque.Prepare(typed)
	if err != nil {
		return RefusalError("That password has characters that cannot be used.")
	}
	defer form.Wipe()
	text := string(form.Reveal())
	if utf8.RuneCountInString(text) < least {
		return tooShort(least)
	}
	lower := strings.ToLower(text)
	switch {
	case pattern([]rune(lower)):
		return RefusalError("That password repeats characters, or has them in order.")
	case ofWords(lower, s.words()):
		return RefusalError("That password is little more than a name.")
	case list.Has(lower):
		return RefusalError("That password is on the list of common ones.")
	}
	return nil
}

func tooShort(least int) RefusalError {
	return RefusalError(fmt.Sprintf("That password is too short: at least %d characters.", least))
}

// words are those of the context, the longest first.
func (s Subject) words() []string {
	split := func(text string) []string {
		return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	}
	all := slices.Concat([]string{strings.ToLower(string(s.Name)), "sallyport"}, split(string(s.Name)), split(s.FullName), split(s.Realm))
	all = slices.DeleteFunc(all, func(w string) bool { return utf8.RuneCountInString(w) <= shortWord })
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// ofWords tells whether little is left of the password without these words.
func ofWords(lower string, words []string) bool {
	rest := lower
	for _, w := range words {
		rest = strings.ReplaceAll(rest, w, " ")
	}
	if rest == lower {
		return false
	}
	own := 0
	for _, r := range rest {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			own++
		}
	}
	return own < ownPart
}

// keyboards are rows of keys, each one key to the right of the row above.
var keyboards = [][]string{ //nolint:gochecknoglobals // a constant table
	{"1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"},
	{"1234567890", "qwertzuiopü+", "asdfghjklöä", "yxcvbnm,.-"},
	{"1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn,;:"},
}

// pattern tells whether each character follows from the one before: the same, the next
// or the last one in the alphabet, or a key beside it; or whether it is one part again
// and again.
func pattern(text []rune) bool {
	for unit := 1; unit*2 <= len(text); unit++ {
		again := true
		for i := unit; i < len(text) && again; i++ {
			again = text[i] == text[i-unit]
		}
		if again {
			return true
		}
	}
	if follows(text, func(a, b rune) bool { return b-a <= 1 && a-b <= 1 }) {
		return true
	}
	return slices.ContainsFunc(keyboards, func(rows []string) bool {
		return follows(text, func(a, b rune) bool { return beside(rows, a, b) })
	})
}

func follows(text []rune, next func(a, b rune) bool) bool {
	for i := 1; i < len(text); i++ {
		if !next(text[i-1], text[i]) {
			return false
		}
	}
	return true
}

// beside tells whether two keys are the same or touch each other.
func beside(rows []string, a, b rune) bool {
	ra, ca := place(rows, a)
	rb, cb := place(rows, b)
	if ra < 0 || rb < 0 {
		return false
	}
	if ra > rb {
		ra, rb, ca, cb = rb, ra, cb, ca
	}
	switch rb - ra {
	case 0:
		return cb-ca <= 1 && ca-cb <= 1
	case 1:
		return cb == ca || cb == ca-1
	default:
		return false
	}
}

func place(rows []string, key rune) (row, column int) {
	for r, keys := range rows {
		if c := slices.Index([]rune(keys), key); c >= 0 {
			return r, c
		}
	}
	return -1, -1
}

// IsRefusal tells why a password was refused, if that is what err says.
func IsRefusal(err error) (RefusalError, bool) {
	var r RefusalError
	is := errors.As(err, &r)
	return r, is
}
