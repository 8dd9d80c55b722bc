// Package command is the command line of the programs: a [Table] of commands, from which
// come what runs, help at every level, the list that completions are made of and the test
// of manual pages; the exit codes; and what is said to somebody who typed a word that is
// none. It prints to what it is given and does nothing else.
package command

import "github.com/sallyport-auth/sallyport/spelling"

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
	if near := spelling.Nearest(typed, known); near != "" {
		text += `. Did you mean "` + near + `"?`
	}
	return text
}
