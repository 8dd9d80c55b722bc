package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
)

// moduleDirs are where distributions keep shared libraries.
func moduleDirs() []string {
	return []string{
		"/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
		"/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib", "/lib", "/usr/local/lib",
	}
}

func (h *Host) findModule(name string) string {
	for _, d := range moduleDirs() {
		if _, err := os.Stat(h.path(filepath.Join(d, name))); err == nil {
			return filepath.Join(d, name)
		}
	}
	return ""
}

const enable = "sudo /usr/share/sallyport/configure-host enable"

// lookNames checks nsswitch.conf(5) and the NSS module.
func lookNames(_ context.Context, h *Host, _ *config.Config) []report.Finding {
	var all []report.Finding
	if h.findModule("libnss_sallyport.so.2") == "" {
		all = append(all, finding(report.Problem, "install Sallyport again: make install, or the package",
			"libnss_sallyport.so.2 is in none of the library folders, so no program can resolve our names"))
	}
	f, err := os.Open(h.path("/etc/nsswitch.conf"))
	if err != nil {
		return append(all, finding(report.Problem, enable, "nsswitch.conf cannot be read: %v", err))
	}
	defer f.Close() //nolint:errcheck // read only
	services := services(f)
	for _, db := range []string{"passwd", "group", "initgroups"} {
		list, present := services[db]
		if !present && db == "initgroups" {
			continue // glibc then uses the group line
		}
		all = append(all, judgeServices(db, list))
	}
	for _, db := range []string{"shadow", "gshadow"} {
		if slices.Contains(services[db], "sallyport") {
			all = append(all, finding(report.Warning, "take sallyport out of that line",
				"nsswitch.conf: %q names sallyport, which has no such entries: every look at it asks for nothing", db))
		}
	}
	return all
}

// services reads nsswitch.conf(5): the services of each database, with the
// actions in brackets between them.
func services(r io.Reader) map[string][]string {
	all := map[string][]string{}
	for s := bufio.NewScanner(r); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		if db, list, found := strings.Cut(line, ":"); found {
			all[strings.TrimSpace(db)] = strings.Fields(list)
		}
	}
	return all
}

// ends tells whether an action between the services ends a lookup of a name that
// the ones before do not have, as "[NOTFOUND=return]" does.
func ends(before []string) bool {
	text := strings.ToLower(strings.Join(before, ""))
	for text != "" {
		_, rest, found := strings.Cut(text, "[")
		if !found {
			return false
		}
		action, after, _ := strings.Cut(rest, "]")
		if strings.Contains(action, "notfound=return") || strings.Contains(action, "!success=return") || strings.Contains(action, "!unavail=return") {
			return true
		}
		text = after
	}
	return false
}

func judgeServices(db string, list []string) report.Finding {
	ours := slices.Index(list, "sallyport")
	local := slices.IndexFunc(list, func(s string) bool { return s == "files" || s == "compat" })
	switch {
	case ours < 0:
		return finding(report.Problem, enable, "nsswitch.conf: %q does not name sallyport, so nobody of the realm exists here", db)
	case local < 0 || local > ours:
		return finding(report.Problem, enable, "nsswitch.conf: %q names sallyport before files: local names must come first", db)
	case ends(list[:ours]):
		return finding(report.Problem, "take the action in brackets before sallyport out of nsswitch.conf",
			"nsswitch.conf: %q ends a lookup before sallyport is asked: %s", db, strings.Join(list, " "))
	default:
		return ok("nsswitch.conf: %s: %s", db, strings.Join(list, " "))
	}
}

// pamStacks are the files that others include, per distribution.
func pamStacks() [][]string {
	return [][]string{
		{"common-auth", "common-account", "common-session"}, // Debian, Ubuntu
		{"system-auth", "password-auth"},                    // Fedora and kin
	}
}

// lookPAM checks that the module is there, asked, and beside pam_unix.
func lookPAM(_ context.Context, h *Host, _ *config.Config) []report.Finding {
	var all []report.Finding
	if h.findModule("security/pam_sallyport.so") == "" {
		all = append(all, finding(report.Problem, "install Sallyport again: make install, or the package",
			"pam_sallyport.so is in none of PAM's folders"))
	}
	seen := false
	for _, set := range pamStacks() {
		for _, name := range set {
			text, err := os.ReadFile(h.path("/etc/pam.d/" + name))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			seen = true
			if err != nil {
				all = append(all, finding(report.Warning, "run doctor as root", "/etc/pam.d/%s: %v", name, err))
				continue
			}
			all = append(all, judgeStack(name, string(text)))
		}
	}
	if !seen {
		all = append(all, finding(report.Warning, "name pam_sallyport.so in the stacks of the services that should use it; see pam_sallyport(8)",
			"no shared PAM stack is known on this distribution"))
	}
	return all
}

func judgeStack(name, text string) report.Finding {
	ours, unix := 0, 0
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		if strings.Contains(line, "pam_sallyport.so") {
			ours++
		}
		if strings.Contains(line, "pam_unix.so") {
			unix++
		}
	}
	switch {
	case ours == 0:
		return finding(report.Problem, enable, "/etc/pam.d/%s does not call pam_sallyport.so", name)
	case unix == 0:
		return finding(report.Problem, "put pam_unix.so back into the stack: sudo pam-auth-update",
			"/etc/pam.d/%s has no pam_unix.so: local accounts, root too, could not log in", name)
	default:
		return ok("/etc/pam.d/%s calls pam_sallyport.so beside pam_unix.so", name)
	}
}

func firstLine(out string, err error) string {
	if line, _, _ := strings.Cut(strings.TrimSpace(out), "\n"); line != "" {
		return line
	}
	return fmt.Sprint(err)
}
