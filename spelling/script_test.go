package spelling

import "testing"

func TestALetterThatIsNoneOfASCIIIsNamedWithItsScript(t *testing.T) {
	for text, want := range map[string]string{"bob": "", "b\u043eb": "'о' (U+043E, Cyrillic)", "ex\u00e4mple": "'ä' (U+00E4, Latin)"} {
		if got := Foreign(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
