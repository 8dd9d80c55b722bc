package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/doctor/pamstack"
	"github.com/sallyport-auth/sallyport/trouble"
)

// edit is a change to one file that an administrator could type.
type edit struct {
	file    string
	command string
	text    string // of the file after it
}

// mendFor finds the change after which the service is sound: each that could help is
// made in memory and walked, and the first that helps is told. "" means that none does.
func (h *Host) mendFor(t stackTrouble) string {
	if t.cause == trouble.PAMUnread {
		return ""
	}
	if shared := h.sharedOf(t); shared != "" {
		if _, err := os.Stat(h.path("/usr/sbin/pam-auth-update")); err == nil {
			return forcePAM
		}
	}
	for _, e := range h.edits(t) {
		s, err := h.loader(map[string]string{e.file: e.text}).Load(t.service)
		if err == nil && len(s.Faults) == 0 && judgeFacility(s, t.facility, h.pamFacts()) == nil {
			return e.command
		}
	}
	return ""
}

// sharedOf is the shared file that the trouble is in: the one that decides, or the one
// that is included and lacks our line.
func (h *Host) sharedOf(t stackTrouble) string {
	isShared := func(path string) bool { return strings.HasPrefix(filepath.Base(path), "common-") }
	if t.line != nil {
		if isShared(t.line.File) {
			return t.line.File
		}
		return ""
	}
	s, err := h.loader(nil).Load(t.service)
	if err != nil {
		return ""
	}
	for _, f := range s.Files {
		if !isShared(f) || !strings.Contains(f, string(t.facility)) {
			continue
		}
		if text, _ := h.pamFile(filepath.Base(f)); !strings.Contains(text, pamstack.Module) {
			return f
		}
	}
	return ""
}

// edits are the changes that could help, the least first.
func (h *Host) edits(t stackTrouble) []edit {
	var all []edit
	own := "/etc/pam.d/" + t.service
	text, there := h.pamFile(t.service)
	if t.line != nil && t.line.Number > 0 {
		if in, err := os.ReadFile(h.path(t.line.File)); err == nil {
			all = append(all, edit{
				t.line.File, fmt.Sprintf("sudo sed -i '%ds/^/#/' %s", t.line.Number, t.line.File),
				change(string(in), t.line.Number, func(l string) string { return "#" + l }),
			})
		}
	}
	shared := h.sharedStack(t.facility)
	if !there || shared == "" {
		return all
	}
	if _, err := os.Stat(h.path(own)); err != nil {
		return all // it is the vendor's own file, below /usr
	}
	for _, n := range linesOf(text, t.facility, "pam_unix.so") {
		all = append(all, edit{
			own, fmt.Sprintf("sudo sed -i '%ds/.*/%s/' %s", n, shared, own),
			change(text, n, func(string) string { return shared }),
		})
	}
	if t.line != nil && t.line.File == own {
		all = append(all, edit{
			own, fmt.Sprintf("sudo sed -i '%di %s' %s", t.line.Number, shared, own),
			change(text, t.line.Number, func(l string) string { return shared + "\n" + l }),
		})
	}
	all = append(all,
		edit{own, fmt.Sprintf("sudo sed -i '$a %s' %s", shared, own), strings.TrimRight(text, "\n") + "\n" + shared + "\n"},
		edit{own, fmt.Sprintf("sudo sed -i '1i %s' %s", shared, own), shared + "\n" + text})
	return all
}

// sharedStack is the line by which a service takes in the shared stack of a facility.
func (h *Host) sharedStack(f pamstack.Facility) string {
	for name, line := range map[string]string{"common-" + string(f): "@include common-" + string(f), "password-auth": fmt.Sprintf("%-8s substack password-auth", f)} {
		if text, there := h.pamFile(name); there && strings.Contains(text, pamstack.Module) {
			return line
		}
	}
	return ""
}

// change gives line n of a text (from 1) another form.
func change(text string, n int, to func(string) string) string {
	lines := strings.SplitAfter(text, "\n")
	if n < 1 || n > len(lines) {
		return text
	}
	line, ending := strings.CutSuffix(lines[n-1], "\n")
	lines[n-1] = to(line)
	if ending {
		lines[n-1] += "\n"
	}
	return strings.Join(lines, "")
}

// linesOf are the lines of a file in which a facility calls a module.
func linesOf(text string, f pamstack.Facility, module string) []int {
	var all []int
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		w := strings.Fields(line)
		if len(w) >= 3 && strings.TrimPrefix(w[0], "-") == string(f) && slices.ContainsFunc(w, func(x string) bool { return filepath.Base(x) == module }) {
			all = append(all, n)
		}
	}
	return all
}
