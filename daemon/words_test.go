package daemon

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-auth/sallyport/daemon/checks"
)

const (
	promptRoom = 28 // letters that an entry of a greeter shows of a prompt
	lineCount  = 3  // so many lines of a message a person reads before it is gone
)

// tooWide says what a screen has no room for in a prompt or a message as it is shown; "" for nothing.
func tooWide(prompt, message string) string {
	if n := utf8.RuneCountInString(strings.TrimSuffix(prompt, ": ")); n > promptRoom {
		return "a prompt of " + strconv.Itoa(n) + " letters"
	}
	for line := range strings.SplitSeq(message, "\n") {
		if n := utf8.RuneCountInString(line); n > checks.LineRoom {
			return "a line of " + strconv.Itoa(n) + " letters"
		}
	}
	return ""
}

// seen is a message as a person has read it, in one line, and says where it was too wide for a screen.
func seen(message string) string {
	if wide := tooWide("", message); wide != "" {
		return wide + ": " + message
	}
	return strings.ReplaceAll(message, "\n", " ")
}

// said is a text in the source that somebody at a prompt may be shown.
type said struct {
	at, text string
	prompt   bool
	asIs     bool // nobody breaks it into lines
}

// Of what a name, a time or a service stands for there are so many letters.
const something = "12345678"

var placeholder = regexp.MustCompile(`%[0-9.]*[sdvwqxT]`)

// written is what an expression says, with something for what is not in the source.
func written(e ast.Expr, consts map[string]ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == gotoken.STRING {
			text, err := strconv.Unquote(e.Value)
			if err == nil {
				return text
			}
		}
	case *ast.BinaryExpr:
		return written(e.X, consts) + written(e.Y, consts)
	case *ast.Ident:
		if c := consts[e.Name]; c != nil {
			return written(c, consts)
		}
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" {
			return placeholder.ReplaceAllString(written(e.Args[0], consts), something)
		}
	}
	return something
}

// telling are functions that have somebody told what they are called with.
func telling() []string {
	return []string{"Tell", "Ask", "tellCard", "unchanged", "refuse", "why", "anotherTry", "missingFactor", "Text", "hinted"}
}

// spoken finds what a file says to people: what a ruling is made of that may be told, what goes into
// a conversation, and what a function returns as a reason and what to do, or as a reason alone.
func spoken(t *testing.T, name string) (list []said) {
	t.Helper()
	files := gotoken.NewFileSet()
	file, err := parser.ParseFile(files, name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	consts := map[string]ast.Expr{}
	add := func(e ast.Expr, prompt bool) {
		if text := written(e, consts); strings.ContainsAny(text, ".: ") {
			list = append(list, said{files.Position(e.Pos()).String(), text, prompt, filepath.Base(filepath.Dir(name)) == "pam"})
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for i, id := range v.Names {
				if i < len(v.Values) {
					consts[id.Name] = v.Values[i]
				}
			}
		}
		return true
	})
	for id, e := range consts {
		text := written(e, consts)
		if strings.HasSuffix(text, ": ") && !strings.Contains(text, "\n") {
			add(e, true)
		}
		if strings.HasSuffix(id, "Why") || strings.HasSuffix(id, "Mend") || strings.HasSuffix(id, "Text") {
			add(e, false)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			fields := map[string]ast.Expr{}
			for _, el := range n.Elts {
				if kv, ok := el.(*ast.KeyValueExpr); ok {
					if id, ok := kv.Key.(*ast.Ident); ok {
						fields[id.Name] = kv.Value
					}
				}
			}
			if fields["Tell"] == nil {
				return true
			}
			for _, f := range []string{"Detail", "Mend"} {
				if fields[f] != nil {
					add(fields[f], false)
				}
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if f, ok := to.(*ast.SelectorExpr); ok && len(n.Lhs) == len(n.Rhs) && (f.Sel.Name == "Detail" || f.Sel.Name == "Mend") {
					add(n.Rhs[i], false)
				}
			}
		case *ast.CallExpr:
			var called string
			switch f := n.Fun.(type) {
			case *ast.Ident:
				called = f.Name
			case *ast.SelectorExpr:
				called = f.Sel.Name
			}
			if slices.Contains(telling(), called) {
				for _, a := range n.Args {
					add(a, called == "Ask")
				}
			}
		case *ast.FuncDecl:
			if n.Body == nil || !speaks(n) {
				return true
			}
			ast.Inspect(n.Body, func(in ast.Node) bool {
				if r, ok := in.(*ast.ReturnStmt); ok {
					for _, e := range r.Results {
						add(e, n.Name.Name == "prompt")
					}
				}
				return true
			})
		}
		return true
	})
	return list
}

// speaks tells whether a function returns a reason with what to do about it, or one of the reasons
// that are made in a function of their own.
func speaks(f *ast.FuncDecl) bool {
	if slices.Contains([]string{"Refusal", "wrongPIN", "weak", "prompt"}, f.Name.Name) {
		return true
	}
	r := f.Type.Results
	return r != nil && r.NumFields() == 2 && len(r.List) == 1 && len(r.List[0].Names) == 2 && r.List[0].Names[0].Name == "detail"
}

// One thought has room in one line, and a message in three.
// Promise screen-words.
func TestEveryMessageAndPromptHasRoomOnAScreen(t *testing.T) {
	var list []said
	for _, folder := range []string{".", "checks", "offline", "lockout", "cards", "../identity", "../server/auth", "../passwords", "../pam"} {
		names, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				list = append(list, spoken(t, name)...)
			}
		}
	}
	list = append(list, spokenByTheModule(t)...)
	for _, s := range list {
		if s.prompt {
			if wide := tooWide(s.text, ""); wide != "" {
				t.Errorf("%s: %s: %q", s.at, wide, s.text)
			}
			continue
		}
		if s.asIs {
			if wide := tooWide("", s.text); wide != "" {
				t.Errorf("%s: %s: %q", s.at, wide, s.text)
			}
			continue
		}
		for thought := range strings.SplitAfterSeq(s.text, ". ") {
			if n := utf8.RuneCountInString(strings.TrimSpace(thought)); n > checks.LineRoom {
				t.Errorf("%s: one thought has %d letters: %q", s.at, n, thought)
			}
		}
		if n := strings.Count(checks.Lines(s.text), "\n") + 1; n > lineCount {
			t.Errorf("%s: a message has %d lines: %q", s.at, n, s.text)
		}
	}
	for _, known := range []string{"Password: ", "One-time code: ", "Too many wrong answers.", "Offline, and your password was not yet used here.", "This account is disabled.", "Sallyport is not running", "Too many sign-ins"} {
		if !slices.ContainsFunc(list, func(s said) bool { return strings.HasPrefix(s.text, known) }) {
			t.Errorf("%q is not found in the source, so others may not be, either", known)
		}
	}
	t.Logf("%d texts", len(list))
}

var cText = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)

// spokenByTheModule finds what the PAM module says without the daemon.
func spokenByTheModule(t *testing.T) (list []said) {
	t.Helper()
	const name = "../pam/module/relay.c"
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	calls := strings.Split(string(source), "PAM_ERROR_MSG, NULL,")
	for _, call := range calls[1:] {
		call, _, _ = strings.Cut(call, ");")
		for _, m := range cText.FindAllStringSubmatch(call, -1) {
			list = append(list, said{at: name, text: strings.ReplaceAll(m[1], `\n`, "\n"), asIs: true})
		}
	}
	if len(list) == 0 {
		t.Errorf("nothing is found in %s", name)
	}
	return list
}
