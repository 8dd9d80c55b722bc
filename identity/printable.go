package identity

import (
	"strings"
	"unicode"
)

// Printable makes text from elsewhere fit for a terminal.
func Printable(text string) string {
	const maxText = 512
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return strings.TrimSpace(text)
}
