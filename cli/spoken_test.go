package cli

import "testing"

// Promise 9.
func TestANameCannotWriteToTheTerminal(t *testing.T) {
	for name, want := range map[string]string{
		"ada": "ada", "müller": "müller", "a b": "a b",
		"ada\nroot": `"ada\nroot"`, "ada\x1b[31m": `"ada\x1b[31m"`, "ada\r": `"ada\r"`, "\xff": `"\xff"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := spoken(name); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
}
