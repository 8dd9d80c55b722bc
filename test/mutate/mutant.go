package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mutant is one break of one file.
type mutant struct {
	file   string
	line   int
	what   string // what became of which condition
	source []byte
}

// String is "FILE:LINE: what".
func (m mutant) String() string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.what) }

// mutants makes the breaks of a file.
func mutants(file string) ([]mutant, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if filepath.Ext(file) == ".c" {
		return mutantsOfC(file, source), nil
	}
	return mutantsOf(file, source)
}

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
			}
		}
		text := string(source[from : to-1])
		for what, with := range map[string]string{"never": "0 && (" + text + ")", "always": "1 || (" + text + ")"} {
			list = append(list, mutant{
				file: file, line: 1 + bytes.Count(source[:from], []byte("\n")), what: what + ": " + text,
				source: slices.Concat(source[:from], []byte(with), source[to-1:]),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b mutant) int { return cmp.Or(a.line-b.line, strings.Compare(a.what, b.what)) })
	return list
}

var ifs = regexp.MustCompile(`\bif \(`)

func mutantsOf(file string, source []byte) ([]mutant, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, 0)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	at := func(p token.Pos) int { return set.Position(p).Offset }
	b := breaker{file: file, source: source, at: at, line: func(p token.Pos) int { return set.Position(p).Line }}
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
	return b.list, nil
}

// breaker collects the breaks of one file.
type breaker struct {
	file     string
	source   []byte
	at, line func(token.Pos) int
	list     []mutant
}

// condition breaks one that decides: it never holds, it always holds, half of it does.
// The real one is kept in the text, so that nothing is left unused.
func (b *breaker) condition(e ast.Expr) {
	text := string(b.source[b.at(e.Pos()):b.at(e.End())])
	b.replace(e, "false && ("+text+")", "never: "+text)
	b.replace(e, "true || ("+text+")", "always: "+text)
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
		neutral := map[token.Token]string{token.LAND: "true || ", token.LOR: "false && "}[x.Op]
		for _, half := range []ast.Expr{x.X, x.Y} {
			text := string(b.source[b.at(half.Pos()):b.at(half.End())])
			b.replace(half, "("+neutral+"("+text+"))", "left out: "+text)
		}
		return true
	})
}

func (b *breaker) replace(e ast.Expr, with, what string) {
	from, to := b.at(e.Pos()), b.at(e.End())
	var out bytes.Buffer
	out.Write(b.source[:from])
	out.WriteString(with)
	out.Write(b.source[to:])
	b.list = append(b.list, mutant{file: b.file, line: b.line(e.Pos()), what: what, source: out.Bytes()})
}
