package command

import "testing"

func TestAWordThatIsNoneIsAnsweredWithTheNearest(t *testing.T) {
	known := []string{"status", "explain", "cache list", "cache clear", "account set", "account add", "machine list"}
	for typed, want := range map[string]string{
		"explian":      `there is no command "explian". Did you mean "explain"?`,
		"Status":       `there is no command "Status". Did you mean "status"?`,
		"cache lsit":   `there is no command "cache lsit". Did you mean "cache list"?`,
		"accont set":   `there is no command "accont set". Did you mean "account set"?`,
		"frobnicate":   `there is no command "frobnicate"`,
		"":             `there is no command ""`,
		"machine":      `there is no command "machine"`,
		"machine lis":  `there is no command "machine lis". Did you mean "machine list"?`,
		"sttus --json": `there is no command "sttus --json"`,
	} {
		if got := Unknown(typed, known); got != want {
			t.Errorf("%s: %s", typed, got)
		}
	}
}
