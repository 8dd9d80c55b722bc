package checks

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAMessageIsBrokenIntoLinesThatAScreenHasRoomFor(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "",
		"Sign-in refused.": "Sign-in refused.",
		"This account is disabled. Ask your administrator.":                                         "This account is disabled. Ask your administrator.",
		"Offline, and your password was not yet used here. Connect to the network and log in once.": "Offline, and your password was not yet used here.\nConnect to the network and log in once.",
		"One. Two. Three. " + strings.Repeat("a", 45) + ". Five.":                                   "One. Two. Three.\n" + strings.Repeat("a", 45) + ". Five.",
		strings.Repeat("ä", 59) + " é b":                                                            strings.Repeat("ä", 59) + "\né b",
		strings.Repeat("a", 70) + " b":                                                              strings.Repeat("a", 70) + "\nb",
		"See version 1.2 of sallyportd.toml.":                                                       "See version 1.2 of sallyportd.toml.",
	} {
		if got := Lines(text); got != want {
			t.Errorf("%q is broken into %q, want %q", text, got, want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("Offline, and this account may be used only while the server can be reached. Connect to the network.")
	f.Fuzz(func(t *testing.T, text string) {
		got := Lines(text)
		if a, b := strings.Fields(text), strings.Fields(got); strings.Join(a, " ") != strings.Join(b, " ") {
			t.Errorf("%q has become %q", text, got)
		}
		for line := range strings.SplitSeq(got, "\n") {
			if utf8.RuneCountInString(line) > LineRoom && strings.ContainsRune(line, ' ') {
				t.Errorf("a line has %d letters: %q", utf8.RuneCountInString(line), line)
			}
		}
		if Lines(got) != got && !strings.Contains(got, "\n") {
			t.Errorf("%q is broken again", got)
		}
	})
}
