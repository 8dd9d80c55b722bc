package opaque

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func secret(s string) identity.Secret { return identity.NewSecret([]byte(s)) }

// Promise password-form.
func TestOnePasswordIsTheSameOnEveryKeyboard(t *testing.T) {
	for name, pair := range map[string][2]string{
		"one character or two":  {"gr\u00fcn wie gras", "gru\u0308n wie gras"},
		"Å as a letter or unit": {"\u00c5ngstr\u00f6m", "\u212bngstr\u00f6m"},
		"a no-break space":      {"two words", "two\u00a0words"},
		"an ideographic space":  {"two words", "two\u3000words"},
		"plain":                 {" a Plain one ", " a Plain one "},
	} {
		a, err1 := Prepare(secret(pair[0]))
		b, err2 := Prepare(secret(pair[1]))
		if err1 != nil || err2 != nil || string(a.Reveal()) != string(b.Reveal()) || !Same(secret(pair[0]), secret(pair[1])) {
			t.Errorf("%s: %q and %q, %v, %v", name, a.Reveal(), b.Reveal(), err1, err2)
		}
	}
	for name, pair := range map[string][2]string{
		"case":         {"Password", "password"},
		"a full width": {"\uff21bc", "Abc"},
		"two blanks":   {"a  b", "a b"},
		"a blank more": {"a b ", "a b"},
	} {
		if Same(secret(pair[0]), secret(pair[1])) {
			t.Errorf("%s: one password", name)
		}
	}
}

// Promise password-form-guess.
func TestWhatHasNoFormIsRefused(t *testing.T) {
	for name, p := range map[string]string{
		"empty": "", "a tab": "a\tb", "a zero byte": "a\x00b", "no UTF-8": "a\xffb", "unassigned": "a\U000e0fffb",
	} {
		if f, err := Prepare(secret(p)); !errors.Is(err, ErrUnusable) || f.Len() != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := strings.Repeat("u\u0308", MaxLen/3+1)
	if _, err := Prepare(secret(long)); !errors.Is(err, ErrTooLong) {
		t.Errorf("%d bytes: %v", len(long), err)
	}
}

// Promise password-form-guess.
func TestFormsAreThePreparedOneAndWhatWasTyped(t *testing.T) {
	for name, c := range map[string]struct {
		typed string
		want  []string
	}{
		"plain":       {"plain", []string{"plain"}},
		"composed":    {"\u00fc", []string{"\u00fc"}},
		"decomposed":  {"u\u0308", []string{"\u00fc", "u\u0308"}},
		"no form":     {"a\tb", []string{"a\tb"}},
		"empty":       {"", nil},
		"beyond 1024": {strings.Repeat("a", MaxLen+1), nil},
	} {
		forms := Forms(secret(c.typed))
		var got []string
		for _, f := range forms {
			got = append(got, string(f.Reveal()))
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") || len(got) != len(c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	typed := secret("plain")
	Wipe(Forms(typed))
	if string(typed.Reveal()) != "plain" {
		t.Error("wiping a form wiped what was typed")
	}
}
