// Package docs_test holds the pages of this folder to the code.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	named   = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	quoted  = regexp.MustCompile("`([^`]+)`")
	defined = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
)

// tests are the names of all tests of the project.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range defined.FindAllSubmatch(text, -1) {
			all[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A promise whose test is gone, or has another name now, is held by nothing.
func TestEveryTestThatAPageNamesExists(t *testing.T) {
	all := tests(t)
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob("decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, decisions...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllSubmatch(text, -1) {
			found++
			if !all[string(m[1])] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
	if found < 300 {
		t.Errorf("the pages name %d tests", found)
	}
}

// Each row of the table of stolen things names a test, and commands that there are.
func TestEveryStolenThingIsTried(t *testing.T) {
	page, err := os.ReadFile("stolen.md")
	if err != nil {
		t.Fatal(err)
	}
	server := programOf(t, "sallyport-server")
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| **") {
			continue
		}
		rows++
		if len(cells) != 5 {
			t.Fatalf("%s: %d cells, want 5", cells[0], len(cells))
		}
		for i, cell := range cells {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("%s: column %d is empty", cells[0], i+1)
			}
		}
		if !named.MatchString(cells[4]) {
			t.Errorf("%s: no test in %q", cells[0], cells[4])
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[3], -1) {
			words := strings.Fields(m[1])
			if words[0] == "sallyport" || strings.Contains(words[0], ".") {
				continue // of a machine, or a file
			}
			if w := server.wrong(words); w != "" {
				t.Errorf("%s: %q: %s", cells[0], m[1], w)
			}
		}
	}
	if rows != 16 {
		t.Errorf("%d rows, want 16", rows)
	}
}

// Each attacker is tried with each aim: TestThePageOfPromisesIsWhatTheTestsSay sees that
// there is a test under each attempt.
func TestEveryAttackIsTried(t *testing.T) {
	tried := map[string]map[string]int{}
	var attacker, aim string
	for _, l := range gather(t) {
		switch {
		case strings.HasPrefix(l.text, "## "):
			attacker, aim = "", ""
		case strings.HasPrefix(l.text, "### "):
			attacker, aim = l.text, ""
			tried[attacker] = map[string]int{}
		case strings.HasPrefix(l.text, "#### ") && attacker != "":
			aim = l.text
		case l.promise != nil && aim != "":
			tried[attacker][aim]++
		}
	}
	for attacker, aims := range tried {
		if len(aims) != 4 {
			t.Errorf("%s: %d aims are tried, want 4", attacker, len(aims))
		}
	}
	if len(tried) != 4 {
		t.Errorf("%d attackers, want 4", len(tried))
	}
}
