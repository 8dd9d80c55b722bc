package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	block    = regexp.MustCompile(`(?m)^(?:    |[a-z]*\$ ).*$`)
	fence    = regexp.MustCompile("(?ms)^```\n(.*?)^```$")
	called   = regexp.MustCompile(`(?:^|sudo |&& |\$\(|\| |\$ |ssh \S+ )\s*sallyport(-server)? ([^|;&#)>\n]*)`)
	aWord    = regexp.MustCompile(`^[a-z][a-z-]*$`)
	anOption = regexp.MustCompile(`^--([a-z][a-z-]*)`)
)

// program is what a program can be asked for, by its own list: commands with their options.
type program struct {
	name     string
	commands map[string][]string
}

func programOf(t *testing.T, name string) program {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "go", "run", "../cmd/"+name, "help", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	p := program{name, map[string][]string{}}
	for line := range strings.Lines(string(list)) {
		command, options, _ := strings.Cut(strings.TrimSpace(line), "\t")
		p.commands[command] = strings.Fields(options)
	}
	if len(p.commands) < 20 {
		t.Fatalf("%s has %d commands", name, len(p.commands))
	}
	return p
}

// wrong says what of these words the program does not know.
func (p program) wrong(words []string) string {
	options, is := p.commands[strings.Join(words[:min(2, len(words))], " ")]
	if !is {
		options, is = p.commands[words[0]]
	}
	if !is {
		return "there is no command " + strings.Join(words[:min(2, len(words))], " ")
	}
	for _, w := range words {
		if m := anOption.FindString(w); m != "" && m != "--help" && !slices.Contains(options, m) {
			return "it has no option " + m
		}
	}
	return ""
}

// A command that a page tells people to type is one that there is, with options that it
// has.
func TestEveryCommandOfAPageCanBeTyped(t *testing.T) {
	server, machine := programOf(t, "sallyport-server"), programOf(t, "sallyport")
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
