package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile("(?m)^#{1,4} (.+)$")
	noWord  = regexp.MustCompile(`[^\pL\pN _-]`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
)

// anchor is the name that a heading has in a link, as GitHub makes it.
func anchor(title string) string {
	title = link.ReplaceAllString(title, "]")
	return strings.ReplaceAll(noWord.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	a, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A link that leads nowhere costs a reader in a hurry more than none.
func TestEveryLinkLeadsToAPageAndASection(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "decisions/*.md", "../*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	anchors := map[string]map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		anchors[absolute(t, page)] = map[string]bool{}
		for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			anchors[absolute(t, page)][anchor(h[1])] = true
		}
	}
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, section, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %q leads to no file", page, m[1])
			} else if section != "" && !anchors[absolute(t, target)][section] {
				t.Errorf("%s: the link %q leads to no section", page, m[1])
			}
		}
	}
	if links < 150 {
		t.Errorf("%d links", links)
	}
}

// A page that is cut up or renamed is still named by tests that run what it says, and by comments.
func TestEveryPageThatTheSourceNamesIsThere(t *testing.T) {
	named := regexp.MustCompile(`docs/[a-z0-9/-]+\.md`)
	names := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "build", "dist"}, d.Name()) {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, name := range named.FindAllString(string(text), -1) {
			names++
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf("%s names %s, which is not there", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if names < 50 {
		t.Errorf("%d names", names)
	}
}

// The map of the pages leaves out none that is for administrators.
func TestTheMapHasEveryPage(t *testing.T) {
	text, err := os.ReadFile("index.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if page != "index.md" && !strings.Contains(string(text), "]("+page) {
			t.Errorf("index.md does not lead to %s", page)
		}
	}
}
