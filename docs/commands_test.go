package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	block    = regexp.MustCompile(`(?m)^(?:    |[a-z]*\$ ).*$`)
	fence    = regexp.MustCompile("(?ms)^```\n(.*?)^```$")
	usageOf  = regexp.MustCompile(`(?m)^  sallyport-server ([a-z-]+)(?: +([a-z][a-z|-]*)(?: |$))?`)
	verbOf   = regexp.MustCompile(`(?m)^\t\t\{"([a-z -]+)", "`)
	called   = regexp.MustCompile(`(?:^|sudo |&& |\$\(|\| |\$ |ssh \S+ )\s*sallyport(-server)? ([^|;&#)>\n]*)`)
	aWord    = regexp.MustCompile(`^[a-z][a-z-]*$`)
	anOption = regexp.MustCompile(`^--([a-z][a-z-]*)`)
)

// program is what a program can be asked for: its commands, and the text of its manual.
type program struct {
	name     string
	commands map[string]bool
	manual   string
}

func programs(t *testing.T) (server, machine program) {
	t.Helper()
	text := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	server = program{"sallyport-server", map[string]bool{}, text("man/sallyport-server.8")}
	for _, m := range usageOf.FindAllStringSubmatch(text("../cmd/sallyport-server/main.go"), -1) {
		if m[2] == "" {
			server.commands[m[1]] = true
		}
		for _, second := range strings.Split(m[2], "|") {
			server.commands[m[1]+" "+second] = true
		}
	}
	machine = program{"sallyport", map[string]bool{}, text("man/sallyport.1")}
	for _, m := range verbOf.FindAllStringSubmatch(text("../cli/cli.go"), -1) {
		machine.commands[m[1]] = true
	}
	if len(server.commands) < 40 || len(machine.commands) < 20 {
		t.Fatalf("%d and %d commands were found", len(server.commands), len(machine.commands))
	}
	return server, machine
}

// wrong says what of these words the program does not know.
func (p program) wrong(words []string) string {
	if !p.commands[words[0]] && (len(words) < 2 || !p.commands[words[0]+" "+words[1]]) {
		return "there is no command " + strings.Join(words[:min(2, len(words))], " ")
	}
	for _, w := range words {
		if m := anOption.FindStringSubmatch(w); m != nil && !strings.Contains(p.manual, "Fl -"+m[1]) && m[1] != "help" {
			return "there is no option --" + m[1]
		}
	}
	return ""
}

// A command that a page tells people to type is one that there is, with options that its
// manual page has.
func TestEveryCommandOfAPageCanBeTyped(t *testing.T) {
	server, machine := programs(t)
	first := map[string]bool{}
	for c := range server.commands {
		word, _, two := strings.Cut(c, " ")
		first[word] = first[word] || two
	}
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		check := func(p program, line string) {
			words := strings.Fields(line)
			if len(words) == 0 || !aWord.MatchString(words[0]) {
				return
			}
			seen++
			if w := p.wrong(words); w != "" {
				t.Errorf("%s: %s %s: %s", page, p.name, line, w)
			}
		}
		spans := block.FindAllString(string(text), -1)
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			spans = append(spans, strings.Split(m[1], "\n")...)
		}
		for _, m := range quoted.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
			m[1] = strings.ReplaceAll(m[1], "\n", " ")
			spans = append(spans, m[1])
			if words := strings.Fields(m[1]); len(words) > 1 && first[words[0]] && aWord.MatchString(words[1]) {
				check(server, m[1])
			}
		}
		for _, span := range spans {
			for _, m := range called.FindAllStringSubmatch(span, -1) {
				p := machine
				if m[1] != "" {
					p = server
				}
				check(p, m[2])
			}
		}
	}
	if seen < 250 {
		t.Errorf("%d commands were looked at", seen)
	}
}
