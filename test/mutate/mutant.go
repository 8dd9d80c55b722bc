package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// mutant is one break of one file.
type mutant struct {
	file   string
	line   int
	what   string // what became of which condition
	source []byte // of C: the file with the break
	number int    // of Go: what switches it on
}

// String is "FILE:LINE: what".
func (m mutant) String() string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.what) }

// mutantsOfC breaks each if: its condition never holds, or always.
func mutantsOfC(file string, source []byte) []mutant {
	var list []mutant
	for _, at := range ifs.FindAllIndex(source, -1) {
		from, depth := at[1], 1 // behind the bracket
		to := from
		for ; to < len(source) && depth > 0; to++ {
			switch source[to] {
			case '(':
				depth++
			case ')':
				depth--
			case '\'', '"': // a bracket in it counts for nothing
				to += quoted(source[to:])
			}
		}
		text := string(source[from : to-1])
		for what, with := range map[string]string{"never": "0 && (" + text + ")", "always": "1 || (" + text + ")"} {
			list = append(list, mutant{
				file: file, line: 1 + bytes.Count(source[:from], []byte("\n")), what: what + ": " + oneLine([]byte(text)),
				source: slices.Concat(source[:from], []byte(with), source[to-1:]),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b mutant) int { return cmp.Or(a.line-b.line, strings.Compare(a.what, b.what)) })
	return list
}

// quoted is how far it is to the end of a character or a string that begins here.
func quoted(source []byte) int {
	for i := 1; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case source[0]:
			return i
		}
	}
	return len(source)
}

var ifs = regexp.MustCompile(`\bif \(`)

// mutantsOf breaks a Go file, whose package is pkg. The broken file has every break in it,
// numbered from first on, and none holds but the one that mutateIs says.
func mutantsOf(file string, source []byte, first int) (list []mutant, broken []byte, pkg string, err error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, 0)
	if err != nil {
		return nil, nil, "", fmt.Errorf("parse: %w", err)
	}
	at := func(p token.Pos) int { return set.Position(p).Offset }
	b := breaker{file: file, source: source, at: at, line: func(p token.Pos) int { return set.Position(p).Line }, next: first}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			b.condition(n.Cond)
		case *ast.SwitchStmt:
			if n.Tag == nil {
				b.cases(n.Body)
			}
		case *ast.ReturnStmt:
			for _, e := range n.Results {
				b.halves(e)
			}
		}
		return true
	})
	return b.list, b.broken(), tree.Name.Name, nil
}

// breaker collects the breaks of one file.
type breaker struct {
	file     string
	source   []byte
	at, line func(token.Pos) int
	next     int
	list     []mutant
	put      []insertion
}

// insertion is text that a break puts into the file.
type insertion struct {
	at   int
	text string
}

// condition breaks one that decides: it never holds, it always holds, half of it does.
func (b *breaker) condition(e ast.Expr) {
	b.add(e, "!mutateIs(%d) && (", "never: ")
	b.add(e, "mutateIs(%d) || (", "always: ")
	b.halves(e)
}

// cases breaks the conditions of a switch without a tag.
func (b *breaker) cases(body *ast.BlockStmt) {
	for _, s := range body.List {
		if c, ok := s.(*ast.CaseClause); ok {
			for _, e := range c.List {
				b.condition(e)
			}
		}
	}
}

// halves leaves out each half of every && and || within.
func (b *breaker) halves(e ast.Expr) {
	ast.Inspect(e, func(n ast.Node) bool {
		if _, inner := n.(*ast.FuncLit); inner {
			return false // its own statements are visited by themselves
		}
		x, ok := n.(*ast.BinaryExpr)
		if !ok || x.Op != token.LAND && x.Op != token.LOR {
			return true
		}
		with := map[token.Token]string{token.LAND: "mutateIs(%d) || (", token.LOR: "!mutateIs(%d) && ("}[x.Op]
		for _, half := range []ast.Expr{x.X, x.Y} {
			b.add(half, with, "left out: ")
		}
		return true
	})
}

// add puts a break around an expression. Breaks of a whole come before those of its parts.
func (b *breaker) add(e ast.Expr, with, what string) {
	from, to := b.at(e.Pos()), b.at(e.End())
	b.put = append(b.put, insertion{from, "(" + fmt.Sprintf(with, b.next)}, insertion{to, "))"})
	b.list = append(b.list, mutant{file: b.file, line: b.line(e.Pos()), what: what + oneLine(b.source[from:to]), number: b.next})
	b.next++
}

// oneLine is the text of a condition for a line of output.
func oneLine(text []byte) string { return string(bytes.Join(bytes.Fields(text), []byte(" "))) }

// broken is the file with every break in it. All that closes is alike, so only what opens
// at one place is in an order: the whole before its parts.
func (b *breaker) broken() []byte {
	slices.SortStableFunc(b.put, func(a, b insertion) int { return cmp.Compare(a.at, b.at) })
	var out bytes.Buffer
	done := 0
	for _, i := range b.put {
		out.Write(b.source[done:i.at])
		out.WriteString(i.text)
		done = i.at
	}
	out.Write(b.source[done:])
	return out.Bytes()
}
