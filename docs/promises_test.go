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

// The table of attacks has a test in every cell.
func TestEveryAttackIsTried(t *testing.T) {
	text, err := os.ReadFile("promises.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Attacks\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[0]) == "who" {
			continue
		}
		rows++
		for _, cell := range cells[1:] {
			if !named.MatchString(cell) {
				t.Errorf("%s: no test in %q", cells[0], cell)
			}
		}
	}
	if rows != 4 {
		t.Errorf("%d rows, want 4", rows)
	}
}
