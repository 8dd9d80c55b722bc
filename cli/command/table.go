package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/spelling"
)

// Table is every command of a program: what runs, what its help shows, and what is
// completed, from one list.
type Table struct {
	Program string
	// About is a sentence on the program, and After what its help ends with; both may be
	// empty. Manual names its manual page.
	About, After, Manual string
	Rows                 []Row
}

// Row is one command.
type Row struct {
	// Name is its words, such as "account add"; Old is an earlier name that works on.
	Name, Old string
	// Args are the names that follow: "NAME [KEY]". A command takes as many, those in
	// brackets or none of them.
	Args string
	// Rest: its options come first, each with two dashes, and everything behind them is
	// left as it is, at least one word.
	Rest bool
	// Help is one line.
	Help string
	// Prepare declares the options and returns what the command does. It does nothing else.
	Prepare func(*Flags) Action
}

// Action is what a command does once its words are read.
type Action func(context.Context) error

// ErrUsage says that words were wrong; its text says how.
var ErrUsage = errors.New("wrong usage")

// Usage makes an ErrUsage.
func Usage(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUsage, fmt.Errorf(format, args...))
}

// Flags are the options of a command, and the names that were given with it.
type Flags struct {
	*flag.FlagSet
	names []string
}

// Names are those that were given.
func (f *Flags) Names() []string { return f.names }

// Name is one of them; "" when fewer were given.
func (f *Flags) Name(i int) string {
	if i < len(f.names) {
		return f.names[i]
	}
	return ""
}

// prepare makes a row ready to be read or shown.
func (t Table) prepare(r Row) (*Flags, Action) {
	f := &Flags{FlagSet: flag.NewFlagSet(t.Program+" "+r.Name, flag.ContinueOnError)}
	f.SetOutput(io.Discard) // Fail says what was wrong, once
	return f, r.Prepare(f)
}

// Run runs the command that the words name. Help goes to out and is no error.
func (t Table) Run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "--version" {
		args = append([]string{"version"}, args[1:]...)
	}
	if len(args) > 0 && args[0] == "help" {
		if len(args) == 2 && args[1] == "--list" {
			t.list(out)
			return nil
		}
		args = append(slices.Clone(args[1:]), "-h")
	}
	r, rest, found := t.find(args)
	if !found {
		return t.unknown(args, out)
	}
	f, act := t.prepare(r)
	err := f.read(rest, r)
	if errors.Is(err, flag.ErrHelp) {
		t.help(out, r, f)
		return nil
	}
	if err != nil {
		return err
	}
	return act(ctx)
}

// find takes the longest name that args begin with.
func (t Table) find(args []string) (best Row, rest []string, found bool) {
	most := 0
	for _, r := range t.Rows {
		for _, name := range []string{r.Name, r.Old} {
			w := strings.Fields(name)
			if len(w) > most && len(w) <= len(args) && slices.Equal(w, args[:len(w)]) {
				best, rest, found, most = r, args[len(w):], true, len(w)
			}
		}
	}
	return best, rest, found
}

// unknown answers what names no command: with help, where that was asked for.
func (t Table) unknown(args []string, out io.Writer) error {
	help := len(args) == 0
	var typed []string
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			help = help || slices.Contains([]string{"-h", "-help", "--help"}, a)
			break
		}
		typed = append(typed, a)
	}
	group := t.group(typed)
	if help && (len(typed) == 0 || len(typed) == 1 && len(group) > 0) {
		t.overview(out, group)
		return nil
	}
	if len(typed) == 0 {
		return Usage("a command comes first, and then its options")
	}
	if len(typed) == 1 && len(group) > 0 {
		return Usage("%q is not a whole command: \"%s %s -h\" lists those that begin with it", typed[0], t.Program, typed[0])
	}
	known := []string{"help"}
	for _, r := range t.Rows {
		known = append(known, r.Name)
	}
	two := strings.Join(typed[:min(2, len(typed))], " ")
	if len(group) > 0 || spelling.Nearest(two, known) != "" {
		return Usage("%s", Unknown(two, known))
	}
	return Usage("%s", Unknown(typed[0], known))
}

// group is the commands that begin with that word; all where there is none.
func (t Table) group(typed []string) []Row {
	if len(typed) == 0 {
		return t.Rows
	}
	var some []Row
	for _, r := range t.Rows {
		if strings.HasPrefix(r.Name, typed[0]+" ") {
			some = append(some, r)
		}
	}
	return some
}

// read reads options before, between and behind the names.
func (f *Flags) read(args []string, r Row) error {
	if r.Rest {
		return f.readRest(args, r)
	}
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return flag.ErrHelp
			}
			return Usage("%w", err)
		}
		if args = f.Args(); len(args) == 0 {
			break
		}
		f.names, args = append(f.names, args[0]), args[1:]
	}
	least, most := r.takes()
	switch {
	case len(f.names) < least && r.Args == "":
	case len(f.names) < least:
		return Usage("%s takes %s", r.Name, r.Args)
	case len(f.names) > most && most == 0:
		return Usage("%s takes no name, and %q was given", r.Name, f.names[0])
	case len(f.names) > most:
		return Usage("%s takes %s, and %d names were given", r.Name, r.Args, len(f.names))
	}
	return nil
}

// readRest reads options until a word that is none.
func (f *Flags) readRest(args []string, r Row) error {
	if len(args) > 0 && (args[0] == "-h" || args[0] == "-help") {
		return flag.ErrHelp
	}
	own := 0
	for own < len(args) && len(args[own]) > 2 && strings.HasPrefix(args[own], "--") {
		name, _, whole := strings.Cut(args[own][2:], "=")
		known := f.Lookup(name)
		own++
		if known == nil { // Parse says what is wrong with it, or it is --help
			break
		}
		if b, is := known.Value.(interface{ IsBoolFlag() bool }); !whole && (!is || !b.IsBoolFlag()) {
			own++
		}
	}
	if err := f.Parse(args[:min(own, len(args))]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return flag.ErrHelp
		}
		return Usage("%w", err)
	}
	if f.names = args[min(own, len(args)):]; len(f.names) == 0 {
		return Usage("%s takes %s", r.Name, r.Args)
	}
	return nil
}

// takes is how many names a command wants, and how many it takes.
func (r Row) takes() (least, most int) {
	for _, w := range strings.Fields(r.Args) {
		if most++; !strings.HasPrefix(w, "[") {
			least++
		}
	}
	return least, most
}
