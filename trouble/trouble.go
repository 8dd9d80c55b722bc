// Package trouble is the one table of what can be wrong with a sign-in on this host, in
// the words that people read: what is so, and what to do about it. sallyport doctor,
// status and explain take their words from here, and docs/troubles.md is printed from it,
// so that the page and the programs cannot disagree.
//
// A mend that begins with "sudo " or "echo " is a command of sh(1), whole, to be typed as it is
// printed: with the reload or the restart that it takes, and without any word around it.
// Where sudo(8) itself is broken, doctor leaves the word out for root. One that begins with
// [OnServer] is such a command for the realm's server. Any other mend
// is a sentence, because no command could do it.
//
// The package only holds words. It looks at nothing and decides nothing.
package trouble

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sallyport-auth/sallyport/report"
)

// OnServer stands before a command that is to be typed on the realm's server.
const OnServer = "on the server: "

// ConfigFile is the daemon's configuration.
const ConfigFile = "/etc/sallyport/sallyportd.toml"

// ID names a cause. It is an interface: programs read it in the JSON of findings.
type ID string

// Cause is one row.
type Cause struct {
	ID       ID
	Severity report.Severity
	// What and Mend have places in braces: {FILE}.
	What, Mend string
}

// Section is a part of the table, for people.
type Section struct {
	Title  string
	Causes []Cause
}

// Table is everything, in the order in which a sign-in needs it.
func Table() []Section {
	return []Section{
		{"Configuration and files", files()},
		{"The daemon and its unit", units()},
		{"The server and the way to it", servers()},
		{"Names", names()},
		{"PAM", stacks()},
		{"ssh", ssh()},
		{"One person", people()},
	}
}

// Find returns the row of a cause.
func Find(id ID) (Cause, bool) {
	for _, s := range Table() {
		for _, c := range s.Causes {
			if c.ID == id {
				return c, true
			}
		}
	}
	return Cause{}, false
}

var place = regexp.MustCompile(`\{([A-Z]+)\}`)

// Finding says that the cause is so here. The places come in pairs: name, value. A place
// that is not given stays as it is in the table, so that a test finds it.
func (id ID) Finding(places ...string) report.Finding {
	c, known := Find(id)
	if !known {
		c = Cause{Severity: report.Problem, What: string(id)}
	}
	return report.Finding{Severity: c.Severity, Cause: string(id), Detail: fill(c.What, places), Mend: fill(c.Mend, places)}
}

// Mended is Finding with another mend, for a cause that has several.
func (id ID) Mended(mend string, places ...string) report.Finding {
	f := id.Finding(places...)
	f.Mend = fill(mend, places)
	return f
}

func fill(text string, places []string) string {
	for i := 0; i+1 < len(places); i += 2 {
		text = strings.ReplaceAll(text, "{"+places[i]+"}", places[i+1])
	}
	return text
}

// IsCommand tells whether a mend is to be typed as it is.
func IsCommand(mend string) bool {
	for _, word := range []string{"sudo ", "echo ", "env ", "sed ", "systemctl "} {
		if strings.HasPrefix(mend, word) {
			return true
		}
	}
	return false
}

// Page is docs/troubles.md.
func Page() string {
	var b strings.Builder
	b.WriteString(head)
	for _, s := range Table() {
		fmt.Fprintf(&b, "\n## %s\n\n| cause | severity | message | what to do |\n|---|---|---|---|\n", s.Title)
		for _, c := range s.Causes {
			mend := plain(c.Mend)
			switch command, server := strings.CutPrefix(mend, OnServer); {
			case server:
				mend = OnServer + "`" + command + "`"
			case IsCommand(mend):
				mend = "`" + mend + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.ID, c.Severity, cell(plain(c.What)), cell(mend))
		}
	}
	return b.String()
}

func plain(text string) string { return place.ReplaceAllString(text, "$1") }

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

const head = `# Troubles: what can be wrong, and what to do

This page is printed from the table of messages of "sallyport doctor", "sallyport status" and "sallyport explain" (package
trouble); a test compares the two. Words in capitals stand for what they are on your machine.

Start with "sudo sallyport doctor". If only one person cannot sign in, use "sudo sallyport explain NAME". If only one service
refuses them, add "--service SERVICE". A text behind "do:" that begins with "sudo" is a command: type it as it is printed.
Then run doctor again. Correct the first finding first, because others may come from it.

"problem" means that somebody cannot sign in, or that somebody who must not could. doctor and status then end with exit code
1. With --json each finding has a cause, by the name in the first column.
`
