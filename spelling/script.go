package spelling

import (
	"fmt"
	"strings"
	"unicode"
)

// Foreign describes the first letter that is none of ASCII, with its script: what looks like
// a letter of ASCII may be none. It is "" where there is none.
func Foreign(text string) string {
	for _, r := range text {
		if r > unicode.MaxASCII {
			return fmt.Sprintf("%q (U+%04X, %s)", r, r, strings.Join(Scripts(string(r)), ""))
		}
	}
	return ""
}
