package main

import (
	"fmt"
	"io"
	"strings"
)

// figure is one cell: a value, or why there is none.
type figure struct {
	value float64
	ok    bool
	text  string
}

func (f figure) String() string {
	switch {
	case f.text != "":
		return f.text
	case !f.ok:
		return "–"
	case f.value >= 1000:
		return fmt.Sprintf("%.0f", f.value)
	default:
		return fmt.Sprintf("%.3g", f.value)
	}
}

// row is one size: figures by service and name.
type row struct {
	n       int
	columns map[string]map[string]figure
}

// lines are the rows of the table, in order; those that are times are compared.
var lines = []struct { //nolint:gochecknoglobals // a table
	key, title string
	compared   bool
}{
	{"getpwnam", "getpwnam, ns", true},
	{"getpwuid", "getpwuid, ns", true},
	{"initgroups", "groups of a user (initgroups), ns", true},
	{"getgrnam", "getgrnam, ns", true},
	{"getgrgid", "getgrgid, ns", true},
	{"unknown", "unknown name, ns", true},
	{"unknown_uid", "unknown uid, ns", true},
	{"first", "first call in a process, µs", true},
	{"threads", "getpwuid, two threads, times one", false},
	{"threads_direct", "the same, past glibc", false},
	{"stopped_hit", "daemon stopped: getpwnam, ns", false},
	{"stopped_unknown", "daemon stopped: unknown name, whole process", false},
	{"disk", "bytes on disk, MB", false},
	{"publish", "published in, ms", false},
	{"memory", "memory of its daemons, MB", false},
	{"warm", "until everybody was asked for once, s", false},
}

func head(w io.Writer) {
	fmt.Fprint(w, "| users | what |")
	for _, s := range services {
		fmt.Fprintf(w, " %s |", s.name)
	}
	fmt.Fprintf(w, " ours / floor | ours / nscd | ours / sssd |\n|---|---|%s---|---|---|\n", strings.Repeat("---|", len(services)))
}

func (b *bench) print(w io.Writer) {
	for _, r := range b.rows {
		for _, l := range lines {
			fmt.Fprintf(w, "| %d | %s |", r.n, l.title)
			for _, s := range services {
				c := r.columns[s.name]
				f, ok := c[l.key]
				if whole, none := c[""]; none && !ok {
					f = whole
				}
				fmt.Fprintf(w, " %s |", f)
			}
			ours := r.columns["sallyport"][l.key]
			for _, peer := range []string{"floor", "nscd", "sssd"} {
				p := r.columns[peer][l.key]
				if l.compared && ours.ok && p.ok && p.value > 0 {
					fmt.Fprintf(w, " %.3g |", ours.value/p.value)
				} else {
					fmt.Fprint(w, " |")
				}
			}
			fmt.Fprintln(w)
		}
	}
}
