package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Spoken is a name as a terminal may show it: what could move the cursor or begin a line
// of its own is quoted.
func Spoken(name string) string {
	for _, r := range name {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}

// From says in words where attempts come from; see Lock.Origin.
func From(origin string) string {
	kind, rest, _ := strings.Cut(origin, " ")
	switch kind {
	case "":
		return "from places that the person has not signed in from before"
	case "seat":
		return "at this machine's own screen"
	case "uid":
		return "in processes of the user " + rest
	case "user":
		return "in sudo as " + Spoken(rest)
	case "host":
		return "from " + Spoken(rest)
	default:
		return "from an unknown place"
	}
}
