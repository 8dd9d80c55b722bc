package daemon

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-auth/sallyport/identity"
)

// A greeter's entry shows 28 letters of a prompt, and a line below it 60.
// Promise screen-card.
func TestACardsPromptFitsIntoAGreetersEntry(t *testing.T) {
	for label, want := range map[string]string{
		"": "PIN: ", "blue": "PIN (blue): ", "ada@example (YubiKey 5 NFC)": "PIN (ada@example (YubiKe…): ", "zwanzig Buchstaben äö": "PIN (zwanzig Buchstaben …): ",
	} {
		got := (&atReader{factor: identity.Factor{Label: label}}).prompt()
		if n := utf8.RuneCountInString(strings.TrimSuffix(got, " ")); got != want || n > 28 {
			t.Errorf("%q has the prompt %q of %d letters, want %q", label, got, n, want)
		}
	}
	for silent, c := range map[bool]struct{ prompt, told string }{
		false: {pinPrompt, typePIN + anotherWay},
		true:  {"PIN (blue) (Enter for another way): ", ""},
	} {
		h, _ := machineWithCard(t)
		conv := typing("123456")
		h.door("login", conv, func(l *identity.Login) { l.Silent = silent })
		if got := strings.Join(conv.told, "|"); conv.prompts[0] != c.prompt || got != c.told {
			t.Errorf("silent %t: prompts %q, told %q", silent, conv.prompts, got)
		}
	}
}

// LightDM's greeter shows the last line alone.
// Promise screen-card.
func TestAHintDoesNotCoverTheReason(t *testing.T) {
	h, _ := machineWithCard(t)
	conv := typing("111111", "123456")
	h.door("lightdm", conv)
	if got, want := strings.Join(conv.told, "|"), typePIN+anotherWay+"|The PIN is wrong. 2 tries left."; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}
