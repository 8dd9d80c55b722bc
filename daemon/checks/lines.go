package checks

import (
	"strings"
	"unicode/utf8"
)

// LineRoom is how many letters of a message a login screen shows in one line.
const LineRoom = 60

// Lines breaks a message into lines that a login screen has room for: behind a sentence
// where two have no room in one line, and else behind a word. A word that is longer stays whole.
func Lines(text string) string {
	var lines []string
	for _, sentence := range strings.SplitAfter(text, ". ") {
		sentence = strings.TrimSpace(sentence)
		if last := len(lines) - 1; last >= 0 && fits(lines[last], sentence) {
			lines[last] += " " + sentence
			continue
		}
		line := ""
		for word := range strings.FieldsSeq(sentence) {
			switch {
			case line == "":
				line = word
			case fits(line, word):
				line += " " + word
			default:
				lines, line = append(lines, line), word
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func fits(line, behind string) bool {
	return utf8.RuneCountInString(line)+1+utf8.RuneCountInString(behind) <= LineRoom
}
