package doctor

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// lookRules finds PAM services that do what a service with rules does and lack some of
// its rules: a person who may choose between the two chooses the weaker.
func lookRules(_ context.Context, h *Host, c *config.Config) []report.Finding {
	if c == nil {
		return nil // the check of the configuration says why
	}
	var all []report.Finding
	rules := c.Services()
	here := h.servicesOfOurs()
	for _, strict := range slices.Sorted(maps.Keys(rules)) {
		for _, other := range here {
			if !alike(strict, other) {
				continue
			}
			if less := c.ServiceOf(other).Weaker(rules[strict]); less != "" {
				all = append(all, trouble.RulesAvoided.Finding("SERVICE", other, "OTHER", strict, "LESS", less))
			}
		}
	}
	if len(all) == 0 {
		return []report.Finding{ok("no PAM service here avoids the rules of another")}
	}
	return all
}

// alike tells whether two services are ways to do the same: twins, or by their names a
// variant that this version does not know (sudo and sudo-rs).
func alike(a, b string) bool {
	family := func(name string) string {
		if base, ok := config.Twin(name); ok {
			return base
		}
		return name
	}
	return a != b && (family(a) == family(b) || strings.HasPrefix(b, a+"-"))
}

// servicesOfOurs are the PAM services whose stacks call pam_sallyport.so, themselves or
// in a file that they include.
func (h *Host) servicesOfOurs() []string {
	var names []string
	for _, dir := range pamDirs() {
		entries, err := os.ReadDir(h.path(dir))
		if err != nil {
			continue // libpam finds none there either
		}
		for _, e := range entries {
			if name := e.Name(); !slices.Contains(names, name) && h.calls(name, nil) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// calls tells whether a service's file, or one that it includes, calls the module.
func (h *Host) calls(service string, seen []string) bool {
	if slices.Contains(seen, service) || strings.Contains(service, "..") {
		return false
	}
	text, ok := h.pamFile(service)
	if !ok {
		return false
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && strings.Contains(line, "pam_sallyport.so"):
			return true
		case len(words) == 2 && words[0] == "@include", len(words) >= 3 && (words[1] == "include" || words[1] == "substack"):
			if h.calls(words[len(words)-1], append(seen, service)) {
				return true
			}
		}
	}
	return false
}

func (h *Host) pamFile(service string) (string, bool) {
	for _, dir := range pamDirs() {
		if b, err := os.ReadFile(h.path(filepath.Join(dir, filepath.Base(service)))); err == nil {
			return string(b), true
		}
	}
	return "", false
}
