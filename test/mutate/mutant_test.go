package main

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

func TestEveryConditionIsBrokenInEveryWay(t *testing.T) {
	const source = `package p

func f(a, b bool, n int) bool {
	if a && b {
		return false
	}
	switch {
	case n > 3, a:
		return true
	}
	switch n {
	case 1:
		return b || func() bool { return a }()
	}
	return false
}
`
	list, broken, _, err := mutantsOf("p.go", []byte(source), 1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range list {
		got = append(got, m.String())
	}
	want := []string{
		"p.go:4: never: a && b", "p.go:4: always: a && b", "p.go:4: left out: a", "p.go:4: left out: b",
		"p.go:8: never: n > 3", "p.go:8: always: n > 3", "p.go:8: never: a", "p.go:8: always: a",
		"p.go:13: left out: b", "p.go:13: left out: func() bool { return a }()",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "p.go", broken, 0); err != nil {
		t.Errorf("%v\n%s", err, broken)
	}
	const line = "if (!mutateIs(1) && ((mutateIs(2) || ((mutateIs(3) || (a)) && (mutateIs(4) || (b)))))) {"
	if !strings.Contains(string(broken), line) {
		t.Errorf("no %s in\n%s", line, broken)
	}
}

func TestEveryIfOfCIsBroken(t *testing.T) {
	list := mutantsOfC("m.c", []byte("int f(int a)\n{\n\tif ((a & 1) == g('(', \"\\\")\"))\n\t\treturn 1;\n}\n"))
	want := map[string]string{
		"m.c:3: always: (a & 1) == g('(', \"\\\")\")": "int f(int a)\n{\n\tif (1 || ((a & 1) == g('(', \"\\\")\")))\n\t\treturn 1;\n}\n",
		"m.c:3: never: (a & 1) == g('(', \"\\\")\")":  "int f(int a)\n{\n\tif (0 && ((a & 1) == g('(', \"\\\")\")))\n\t\treturn 1;\n}\n",
	}
	if len(list) != len(want) {
		t.Fatalf("%v", list)
	}
	for _, m := range list {
		if want[m.String()] != string(m.source) {
			t.Errorf("%s:\n%s", m, m.source)
		}
	}
}
