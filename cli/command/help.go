package command

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// overview prints a line for each of some commands.
func (t Table) overview(w io.Writer, rows []Row) {
	if t.About != "" {
		fmt.Fprintf(w, "%s\n\n", t.About)
	}
	fmt.Fprintf(w, "usage: %s COMMAND [options]\n\n", t.Program)
	wide := 0
	for _, r := range rows {
		wide = max(wide, len(r.words()))
	}
	for _, r := range rows {
		fmt.Fprintf(w, "  %-*s  %s\n", wide, r.words(), r.Help)
	}
	fmt.Fprintf(w, "\n\"%s COMMAND -h\" shows the options of a command; %s says more.\n", t.Program, t.Manual)
	if t.After != "" {
		fmt.Fprintf(w, "%s\n", t.After)
	}
}

// words are a command's name and what follows it.
func (r Row) words() string { return strings.TrimSpace(r.Name + " " + r.Args) }

// help prints one command with its options.
func (t Table) help(w io.Writer, r Row, f *Flags) {
	fmt.Fprintf(w, "usage: %s %s [options]\n\n%s\n", t.Program, r.words(), strings.ToUpper(r.Help[:1])+r.Help[1:]+".")
	wide := 0
	f.VisitAll(func(o *flag.Flag) { wide = max(wide, len(spelled(o))) })
	if wide > 0 {
		fmt.Fprintln(w)
	}
	f.VisitAll(func(o *flag.Flag) {
		place, text := flag.UnquoteUsage(o)
		text = strings.TrimPrefix(text, place+": ")
		if o.DefValue != "" && o.DefValue != "false" && o.DefValue != "0" && o.DefValue != "[]" {
			text += " (default " + o.DefValue + ")"
		}
		fmt.Fprintf(w, "  %-*s  %s\n", wide, spelled(o), text)
	})
}

// spelled is an option as it is typed. One that takes yes or no is true by itself.
func spelled(o *flag.Flag) string {
	b, is := o.Value.(interface{ IsBoolFlag() bool })
	yes := is && b.IsBoolFlag()
	place, _ := flag.UnquoteUsage(o)
	quoted := strings.Contains(o.Usage, "`")
	switch {
	case yes && quoted:
		return "--" + o.Name + "=" + place
	case yes:
		return "--" + o.Name
	default:
		return "--" + o.Name + " " + strings.ToUpper(place)
	}
}

// list prints each command with its options, separated by a tab: completions are made of
// it, and manual pages are compared with it.
func (t Table) list(w io.Writer) {
	for _, r := range t.Rows {
		f, _ := t.prepare(r)
		var all []string
		f.VisitAll(func(o *flag.Flag) { all = append(all, "--"+o.Name) })
		fmt.Fprintf(w, "%s\t%s\n", r.Name, strings.Join(all, " "))
	}
}

// Fail says on w what was wrong with the words, and how they are right.
func (t Table) Fail(w io.Writer, args []string, err error) {
	words := "COMMAND [options]"
	if r, _, found := t.find(args); found {
		words = r.words() + " [options]"
	}
	fmt.Fprintf(w, "%s: %v\nusage: %s %s\n", t.Program, err, t.Program, words)
	fmt.Fprintf(w, "See \"%s --help\" and %s.\n", t.Program, t.Manual)
}
