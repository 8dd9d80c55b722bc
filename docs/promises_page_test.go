package docs_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// promises.txt has the sentence of each promise under a key, and comments above the tests
// say which of them a test holds:
//
//	// Promise otp-once, 10 (after a power cut).
//	// Seen red: used steps left unchecked.
//
// promises.md is printed from the two.

var (
	keyLine   = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*): (.+)$`)
	heldLine  = regexp.MustCompile(`^Promise ([a-z0-9-]+(?: \([^)]*\))?(?:, [a-z0-9-]+(?: \([^)]*\))?)*)\.$`)
	heldKey   = regexp.MustCompile(`([a-z0-9-]+)(?: \(([^)]*)\))?`)
	testsName = regexp.MustCompile(`^(Test|Fuzz)[A-Z0-9]`)
)

// promise is one entry of promises.txt, and what holds it.
type promise struct {
	key, sentence string
	red           string // what was broken on purpose
	also          string // what holds it and is no test in Go
	tests         []holder
}

// holder is a test with the promise that its comment names.
type holder struct {
	dir, name string
	note, red string
}

// line is one line of promises.txt that is printed as it is, or a promise.
type line struct {
	text    string
	promise *promise
}

// source reads promises.txt.
func source(text string) ([]line, map[string]*promise, error) {
	var page []line
	all := map[string]*promise{}
	var field *string
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\n")
		m := keyLine.FindStringSubmatch(l)
		rest, indented := strings.CutPrefix(l, "  ")
		switch {
		case m != nil:
			if all[m[1]] != nil {
				return nil, nil, fmt.Errorf("promises.txt has %q twice", m[1])
			}
			p := &promise{key: m[1], sentence: m[2]}
			all[p.key], field = p, &p.sentence
			page = append(page, line{promise: p})
		case !indented:
			field = nil
			page = append(page, line{text: l})
		case field == nil:
			return nil, nil, fmt.Errorf("promises.txt: %q belongs to no promise", l)
		default:
			p := page[len(page)-1].promise
			if red, ok := strings.CutPrefix(rest, "Seen red: "); ok {
				p.red, field = red, &p.red
			} else if also, ok := strings.CutPrefix(rest, "Also: "); ok {
				p.also, field = also, &p.also
			} else {
				*field += " " + strings.TrimSpace(rest)
			}
		}
	}
	return page, all, nil
}

// holders puts what the comments of a test file say into the promises, and returns what is
// wrong with those comments.
func holders(path string, text []byte, all map[string]*promise) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	above := map[*ast.CommentGroup]string{}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if ok && f.Recv == nil && f.Doc != nil && testsName.MatchString(f.Name.Name) {
			above[f.Doc] = f.Name.Name
		}
	}
	var wrong []string
	for _, group := range file.Comments {
		keys, red, bad := held(group)
		for _, b := range bad {
			wrong = append(wrong, fmt.Sprintf("%s: %s", path, b))
		}
		name := above[group]
		switch {
		case len(keys) == 0 && red == "":
			continue
		case name == "":
			wrong = append(wrong, fmt.Sprintf("%s: a comment that names a promise stands above no test", path))
			continue
		case len(keys) == 0:
			wrong = append(wrong, fmt.Sprintf("%s: %s says what was seen red, and no promise", path, name))
		}
		for _, k := range keys {
			p := all[k[1]]
			if p == nil {
				wrong = append(wrong, fmt.Sprintf("%s: %s names the promise %q, which promises.txt does not have", path, name, k[1]))
				continue
			}
			p.tests = append(p.tests, holder{dir: filepath.ToSlash(filepath.Dir(path)), name: name, note: k[2], red: red})
		}
	}
	return wrong, nil
}

// held reads one comment: the keys with their notes, and what was seen red, which goes on
// to the end of the comment or to the next promise.
func held(group *ast.CommentGroup) (keys [][]string, red string, wrong []string) {
	inRed := false
	for _, c := range group.List {
		text := strings.TrimSpace(strings.TrimPrefix(c.Text, "//"))
		switch {
		case strings.HasPrefix(c.Text, "// Promise "):
			inRed = false
			m := heldLine.FindStringSubmatch(text)
			if m == nil {
				wrong = append(wrong, fmt.Sprintf("%q has not the form \"// Promise KEY, KEY (note).\"", c.Text))
				continue
			}
			keys = append(keys, heldKey.FindAllStringSubmatch(m[1], -1)...)
		case strings.HasPrefix(c.Text, "// Seen red: "):
			inRed = true
			red = strings.TrimSpace(red + " " + strings.TrimPrefix(text, "Seen red: "))
		case inRed:
			red += " " + text
		}
	}
	return keys, red, wrong
}

// printed is promises.md.
func printed(page []line) []byte {
	var out bytes.Buffer
	for i, l := range page {
		if l.promise == nil {
			out.WriteString(l.text + "\n")
			if i == 0 {
				out.WriteString("\n<!-- Printed from promises.txt and the comments above the tests: UPDATE_PROMISES=1 go test ./docs -run Promises -->\n")
			}
			continue
		}
		p := l.promise
		wrap(&out, "* ", fmt.Sprintf("**%s** (%s)", strings.TrimSuffix(p.sentence, "."), p.key))
		wrap(&out, "  * Held by: ", p.heldBy())
		if p.red != "" {
			wrap(&out, "  * Seen red: ", p.red)
		}
		for _, h := range p.tests {
			if h.red != "" {
				wrap(&out, "  * Seen red, `"+h.name+"`: ", h.red)
			}
		}
	}
	return out.Bytes()
}

// heldBy names the tests, each folder's together, and what else holds the promise.
func (p *promise) heldBy() string {
	var by strings.Builder
	for i, h := range p.tests {
		switch {
		case i == 0:
			by.WriteString(h.dir + ": ")
		case h.dir != p.tests[i-1].dir:
			by.WriteString("; " + h.dir + ": ")
		default:
			by.WriteString(", ")
		}
		by.WriteString("`" + h.name + "`")
		if h.note != "" {
			by.WriteString(" (" + h.note + ")")
		}
	}
	if p.also != "" {
		if by.Len() > 0 {
			by.WriteString("; ")
		}
		by.WriteString(strings.TrimSuffix(p.also, "."))
	}
	return by.String() + "."
}

// wrap writes an item of a list in lines of at most 120 characters.
func wrap(out *bytes.Buffer, lead, text string) {
	indent := strings.Repeat(" ", strings.Index(lead, "*")+2)
	n := len([]rune(lead))
	out.WriteString(strings.TrimRight(lead, " "))
	for _, w := range strings.Fields(text) {
		if n+1+len([]rune(w)) > 120 {
			out.WriteString("\n" + indent + w)
			n = len(indent) + len([]rune(w))
			continue
		}
		out.WriteString(" " + w)
		n += 1 + len([]rune(w))
	}
	out.WriteString("\n")
}

// gather reads promises.txt and every test file of the project.
func gather(t *testing.T) []line {
	t.Helper()
	text, err := os.ReadFile("promises.txt")
	if err != nil {
		t.Fatal(err)
	}
	page, all, err := source(string(text))
	if err != nil {
		t.Fatal(err)
	}
	root := os.DirFS("..")
	err = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		wrong, err := holders(path, text, all)
		for _, w := range wrong {
			t.Error(w)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all { // the walk puts the files of a subfolder between those of its folder
		slices.SortStableFunc(p.tests, func(a, b holder) int { return strings.Compare(a.dir, b.dir) })
	}
	return page
}

// The page is printed: UPDATE_PROMISES=1 go test ./docs -run Promises
func TestThePageOfPromisesIsWhatTheTestsSay(t *testing.T) {
	const name = "promises.md"
	page := gather(t)
	for _, l := range page {
		if p := l.promise; p != nil {
			if len(p.tests) == 0 && p.also == "" {
				t.Errorf("no test holds the promise %q: %s", p.key, p.sentence)
			}
			seen := p.red != "" || slices.ContainsFunc(p.tests, func(h holder) bool { return h.red != "" })
			if !seen && !strings.HasPrefix(p.key, "attack-") {
				t.Errorf("nothing says what was broken to see the tests of %q red", p.key)
			}
		}
	}
	if os.Getenv("UPDATE_PROMISES") != "" {
		if err := os.WriteFile(name, printed(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, printed(page)) {
		t.Error("promises.md is not what promises.txt and the tests say; print it anew, as the comment of this test has it")
	}
}

// A comment that names no promise, or that no test stands under, is a mistake and not a row.
func TestACommentOfAPromiseIsReadExactly(t *testing.T) {
	for name, c := range map[string]struct{ text, wrong string }{
		"one":             {"// Promise 7.\nfunc TestA(t *testing.T) {}", ""},
		"two and notes":   {"// Promise 7 (a, b), otp-once.\n// Seen red: off,\n// all of it.\nfunc TestA(t *testing.T) {}", ""},
		"unknown":         {"// Promise 99.\nfunc TestA(t *testing.T) {}", `the promise "99", which promises.txt does not have`},
		"no full stop":    {"// Promise 7\nfunc TestA(t *testing.T) {}", "has not the form"},
		"above a helper":  {"// Promise 7.\nfunc helper() {}", "stands above no test"},
		"a line between":  {"// Promise 7.\n\nfunc TestA(t *testing.T) {}", "stands above no test"},
		"red and no key":  {"// Seen red: off.\nfunc TestA(t *testing.T) {}", "and no promise"},
		"inside the test": {"func TestA(t *testing.T) {\n\t// Promise 7.\n}", "stands above no test"},
	} {
		t.Run(name, func(t *testing.T) {
			_, all, err := source("7: Once seen, never again.\n\notp-once: A code is good once.\n  Seen red: used twice,\n    and more.\n")
			if err != nil {
				t.Fatal(err)
			}
			wrong, err := holders("x/x_test.go", []byte("package x\n\n"+c.text+"\n"), all)
			if err != nil {
				t.Fatal(err)
			}
			if c.wrong == "" && len(wrong) == 0 && len(all["7"].tests) == 1 {
				return
			}
			if c.wrong == "" || len(wrong) != 1 || !strings.Contains(wrong[0], c.wrong) {
				t.Errorf("got %q, want %q", wrong, c.wrong)
			}
		})
	}
}
