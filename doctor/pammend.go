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
		return h.mendUnread(t)
	}
	if shared := h.sharedOf(t); shared != "" {
		if _, err := os.Stat(h.path("/usr/sbin/pam-auth-update")); err == nil {
			return h.mendShared(t, shared)
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

// mendUnread: a shared file that is missing is written anew; of any other line the table
// says what to do.
func (h *Host) mendUnread(t stackTrouble) string {
	if _, err := os.Stat(h.path("/usr/sbin/pam-auth-update")); err == nil && strings.HasPrefix(t.line.Text, "common-") {
		return forcePAM
	}
	return ""
}

// mendShared has pam-auth-update write its part of a shared file anew. What stands outside
// of that part stays by itself: a line that decides there is taken out, and so is one of
// ours.
func (h *Host) mendShared(t stackTrouble, shared string) string {
	text, _ := h.pamFile(filepath.Base(shared))
	var strays []string
	inside, n := false, 0
	for line := range strings.Lines(text) {
		n++
		switch {
		case strings.HasPrefix(line, "# here are the per-package modules"):
			inside = true
		case strings.HasPrefix(line, "# end of pam-auth-update config"):
			inside = false
		case inside || strings.HasPrefix(strings.TrimSpace(line), "#"):
		case strings.Contains(line, pamstack.Module), t.line != nil && t.line.File == shared && t.line.Number == n:
			strays = append(strays, fmt.Sprintf("%ds/^/#/", n))
		}
	}
	if len(strays) == 0 {
		return forcePAM
	}
	return fmt.Sprintf("sudo sed -i '%s' %s && %s", strings.Join(strays, ";"), shared, forcePAM)
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
		if text, _ := h.pamFile(filepath.Base(f)); len(linesOf(text, t.facility, pamstack.Module)) == 0 {
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
	for _, file := range h.ownFiles(t.service) {
		in, err := os.ReadFile(h.path(file))
		if err != nil {
			continue
		}
		for _, n := range linesOf(string(in), t.facility, "pam_unix.so") {
			all = append(all, edit{
				file, fmt.Sprintf("sudo sed -i '%ds/.*/%s/' %s", n, strings.ReplaceAll(shared, "/", `\/`), file),
				change(string(in), n, func(string) string { return shared }),
			})
		}
	}
	if t.line != nil && t.line.File == own {
		all = append(all, edit{
			own, fmt.Sprintf("sudo sed -i '%ds/.*/%s/' %s", t.line.Number, shared, own),
			change(text, t.line.Number, func(string) string { return shared }),
		})
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

// ownFiles are the files that a service is made of, without the shared ones.
func (h *Host) ownFiles(service string) []string {
	s, err := h.loader(nil).Load(service)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(s.Files, func(f string) bool {
		return !strings.HasPrefix(f, "/etc/pam.d/") || strings.HasPrefix(filepath.Base(f), "common-") || strings.HasSuffix(f, "-auth") || filepath.Base(f) == "other"
	})
}

// sharedStack is the line by which a service takes in the shared stack of a facility.
func (h *Host) sharedStack(f pamstack.Facility) string {
	for name, line := range map[string]string{"common-" + string(f): "@include common-" + string(f), "password-auth": fmt.Sprintf("%-8s substack password-auth", f)} {
		if text, there := h.pamFile(name); there && len(linesOf(text, f, pamstack.Module)) > 0 {
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
