// Package commandtest compares a program's table of commands with its manual page.
package commandtest

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/cli/command"
)

// Manual tests that the synopsis of the page (mdoc(7)) has every command with every option
// of it, and no other. Options that each command of a program has are left out by common.
func Manual(t *testing.T, table command.Table, path string, common ...string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := synopsis(t, string(text))
	var list bytes.Buffer
	if err := table.Run(t.Context(), []string{"help", "--list"}, &list); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(list.String()) {
		name, options, _ := strings.Cut(strings.TrimSpace(line), "\t")
		has, is := page[name]
		if !is {
			t.Errorf("%s: no synopsis of %q", path, name)
			continue
		}
		delete(page, name)
		left := func(all []string) []string {
			all = slices.DeleteFunc(slices.Clone(all), func(o string) bool { return slices.Contains(common, o) })
			slices.Sort(all)
			return slices.Compact(all)
		}
		if want := left(strings.Fields(options)); !slices.Equal(left(has), want) {
			t.Errorf("%s: %q has the options %q, and the page has %q", path, name, want, left(has))
		}
	}
	for name := range page {
		t.Errorf("%s: there is no command %q", path, name)
	}
}

// synopsis has the options of each command: a block begins with .Nm, its command with .Cm,
// and an option is an Fl. "Cm account show | list" are two commands of one form.
func synopsis(t *testing.T, page string) map[string][]string {
	t.Helper()
	_, rest, found := strings.Cut(page, "\n.Sh SYNOPSIS\n")
	body, _, ends := strings.Cut(rest, "\n.Sh ")
	if !found || !ends {
		t.Fatal("the page has no synopsis")
	}
	all := map[string][]string{}
	for _, block := range strings.Split(body, ".Nm\n") {
		var names, options []string
		for line := range strings.Lines(block) {
			words := strings.Fields(strings.TrimPrefix(line, "."))
			for i, w := range words {
				if w == "Fl" && i+1 < len(words) {
					options = append(options, "-"+words[i+1])
				}
			}
			if len(words) > 0 && words[0] == "Cm" {
				names = alternatives(words[1:])
			}
		}
		for _, n := range names {
			all[n] = append(all[n], options...)
		}
	}
	return all
}

// alternatives are the commands of "account show | disable": the first word is that of all.
func alternatives(words []string) []string {
	var names []string
	for i, one := range strings.Split(strings.Join(words, " "), " | ") {
		if i > 0 && len(words) > 0 {
			one = words[0] + " " + one
		}
		names = append(names, one)
	}
	return names
}
