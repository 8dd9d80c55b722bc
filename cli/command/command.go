// Package command is the command line of the programs: a [Table] of commands, from which
// come what runs, help at every level, the list that completions are made of and the test
// of manual pages; the exit codes; and what is said to somebody who typed a word that is
// none. It prints to what it is given and does nothing else.
package command

import (
	"slices"
	"strings"
)

// Exit codes; from 64 on they are those of sysexits.h(3head).
const (
	ExitOK          = 0  // done, or the answer is yes
	ExitNo          = 1  // the answer is no: may not log in, a problem was found, refused
	ExitUsage       = 64 // wrong words
	ExitNotFound    = 66 // nobody of that name
	ExitUnavailable = 69 // no daemon, or no server, answers
	ExitFailed      = 70 // anything else
	ExitTempFail    = 75 // no answer now; later there may be one
	ExitForbidden   = 77 // needs root, or one's own name
	ExitConfig      = 78 // the configuration is not sound
)

// Unknown says that there is no command of that name, and names the known one that looks
// most like it, if any does.
func Unknown(typed string, known []string) string {
	text := `there is no command "` + typed + `"`
	if near := nearest(typed, known); near != "" {
		text += `. Did you mean "` + near + `"?`
	}
	return text
}

// nearest is the known name with the fewest letters to change, "" where none is near: a
// third of the letters at most.
func nearest(typed string, known []string) string {
	best, least := "", len(typed)/3+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := distance(strings.ToLower(typed), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap with the next (optimal
// string alignment).
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, last, row := rows[0], rows[1], rows[2]
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
