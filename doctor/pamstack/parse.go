// Package pamstack reads the stacks of PAM services as libpam does, and walks them: what
// would each kind of person meet there?
//
// [Loader.Load] takes in /etc/pam.d/NAME with everything that it includes, by "@include"
// (Debian's), "include" and "substack". A folder that stands earlier wins, as libpam has
// it: /etc/pam.d before /usr/lib/pam.d. A facility that a service's file does not have is
// taken from "other". [Walk] goes through one facility for one [Person], with the control
// words, values in brackets, jumps and frozen results of pam.conf(5).
//
// Nothing is run. What a module would return is known for the usual ones; of others it is
// assumed that they neither let anybody in nor keep anybody out. So a walk can miss what
// a stranger's module does, and never calls a stack sound that our module is not reached
// in.
package pamstack

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Facility is one of PAM's four stacks.
type Facility string

// The facilities.
const (
	Auth     Facility = "auth"
	Account  Facility = "account"
	Session  Facility = "session"
	Password Facility = "password"
)

// Facilities are all four.
func Facilities() []Facility { return []Facility{Auth, Account, Session, Password} }

// Line is one module of a stack.
type Line struct {
	// File and Number are where it stands, Text is what stands there.
	File   string
	Number int
	Text   string

	Module  string // as it is written; "" for the end of a substack
	Args    []string
	Silent  bool // "-auth": no fault when the module is missing
	actions map[string]action
	level   int // of substacks
	sub     bool
}

// Is tells whether the line calls that module, wherever it lies.
func (l *Line) Is(module string) bool { return filepath.Base(l.Module) == module }

// Fault is a line that libpam refuses.
type Fault struct {
	File   string
	Number int
	Why    string
}

// Service is what libpam makes of a service's file.
type Service struct {
	Name   string
	Stacks map[Facility][]*Line
	Faults []Fault
	// Files are all that were read, the service's own first.
	Files []string
}

// Loader finds files. Both fields must be set.
type Loader struct {
	// Dirs are the folders that services lie in; the first that has one wins.
	Dirs []string
	// Read reads a file.
	Read func(path string) ([]byte, error)
}

// maxDepth is how deep files may include one another; libpam's limit for substacks.
const maxDepth = 16

// maxLines bounds a stack: files that include one another many times over.
const maxLines = 4096

// Load reads one service. The error is that of its own file.
func (l Loader) Load(name string) (*Service, error) {
	s := &Service{Name: name, Stacks: map[Facility][]*Line{}}
	text, path, err := l.find(name)
	if err != nil {
		return nil, err
	}
	p := parser{loader: l, service: s}
	p.file(path, text, "", 0, 0)
	if name == "other" {
		return s, nil
	}
	for _, f := range Facilities() {
		if len(s.Stacks[f]) > 0 {
			continue
		}
		if text, path, err := l.find("other"); err == nil { // else libpam has nothing either
			p.file(path, text, f, 0, 0)
		}
	}
	return s, nil
}

func (l Loader) find(name string) (text []byte, path string, err error) {
	if filepath.IsAbs(name) {
		text, err = l.Read(name)
		return text, name, err
	}
	err = fmt.Errorf("%s: there is no folder of PAM services", name)
	for _, d := range l.Dirs {
		path = filepath.Join(d, name)
		if text, err = l.Read(path); err == nil {
			return text, path, nil
		}
	}
	return nil, "", err
}

type parser struct {
	loader  Loader
	service *Service
	lines   int
}

func (p *parser) fault(file string, number int, format string, a ...any) {
	p.service.Faults = append(p.service.Faults, Fault{file, number, fmt.Sprintf(format, a...)})
}

// file takes in the lines of one facility, "" for all.
func (p *parser) file(path string, text []byte, only Facility, level, depth int) {
	if !slices.Contains(p.service.Files, path) {
		p.service.Files = append(p.service.Files, path)
	}
	for _, l := range logical(string(text)) {
		if p.lines++; p.lines > maxLines {
			return
		}
		p.line(path, l, only, level, depth)
	}
}

type numbered struct {
	number int
	text   string
}

// logical joins continued lines, takes comments off and leaves empty ones out.
func logical(text string) []numbered {
	var all []numbered
	number, from, joined := 0, 0, ""
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if from == 0 {
			from = number
		}
		line, _, comment := strings.Cut(line, "#")
		if more, continued := strings.CutSuffix(line, `\`); continued && !comment {
			joined += more + " "
			continue
		}
		if joined += line; strings.TrimSpace(joined) != "" {
			all = append(all, numbered{from, strings.TrimSpace(joined)})
		}
		from, joined = 0, ""
	}
	if strings.TrimSpace(joined) != "" {
		all = append(all, numbered{from, strings.TrimSpace(joined)})
	}
	return all
}

// words splits a line; what stands in brackets is one word, without them.
func words(text string) []string {
	var all []string
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		if text[0] != '[' {
			end := strings.IndexAny(text, " \t")
			if end < 0 {
				end = len(text)
			}
			all, text = append(all, text[:end]), text[end:]
			continue
		}
		var word strings.Builder
		word.WriteByte('[')
		i := 1
		for ; i < len(text) && text[i] != ']'; i++ {
			if text[i] == '\\' && i+1 < len(text) && text[i+1] == ']' {
				i++
			}
			word.WriteByte(text[i])
		}
		all, text = append(all, word.String()), text[min(i+1, len(text)):]
	}
	return all
}

func (p *parser) line(path string, l numbered, only Facility, level, depth int) {
	w := words(l.text)
	if w[0] == "@include" {
		if len(w) != 2 {
			p.fault(path, l.number, "@include takes one file")
			return
		}
		p.include(path, l, w[1], only, level, depth)
		return
	}
	kind, silent := strings.CutPrefix(strings.ToLower(w[0]), "-")
	f := Facility(kind)
	if !slices.Contains(Facilities(), f) {
		p.fault(path, l.number, "%q is none of auth, account, session and password", w[0])
		return
	}
	if only != "" && f != only {
		return
	}
	if len(w) < 3 {
		p.fault(path, l.number, "a control word or a module is missing")
		return
	}
	switch strings.ToLower(w[1]) {
	case "include":
		p.include(path, l, w[2], f, level, depth)
		return
	case "substack":
		p.add(f, &Line{File: path, Number: l.number, Text: l.text, level: level, sub: true})
		p.include(path, l, w[2], f, level+1, depth)
		return
	}
	actions, err := control(w[1])
	if err != nil {
		p.fault(path, l.number, "%v", err)
	}
	line := &Line{File: path, Number: l.number, Text: l.text, Module: w[2], Silent: silent, actions: actions, level: level}
	for _, a := range w[3:] {
		line.Args = append(line.Args, strings.TrimPrefix(a, "["))
	}
	p.add(f, line)
}

func (p *parser) add(f Facility, l *Line) { p.service.Stacks[f] = append(p.service.Stacks[f], l) }

func (p *parser) include(path string, l numbered, name string, only Facility, level, depth int) {
	if depth >= maxDepth {
		p.fault(path, l.number, "the files include one another without end")
		return
	}
	text, found, err := p.loader.find(name)
	if err != nil {
		p.fault(path, l.number, "%s cannot be read", name)
		return
	}
	p.file(found, text, only, level, depth+1)
}
