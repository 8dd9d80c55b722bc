package doctor

import (
	"os"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// writable are folders that every person can write to, by themselves or in a folder of
// their own.
func writable() []string { return []string{"/home", "/tmp", "/var/tmp", "/dev/shm", "/run/user"} }

// judgeSetGID says how a strength-gated group outlives the session that got it: whoever
// has the group for a while can leave a set-group-ID program behind, and the kernel asks
// nobody when a later, weaker session runs it. A mount with nosuid stops that.
func (h *Host) judgeSetGID(groups []identity.Name) []report.Finding {
	if len(groups) == 0 {
		return nil
	}
	text, err := os.ReadFile(h.path("/proc/self/mounts"))
	if err != nil {
		return []report.Finding{finding(report.Warning, "sudo sallyport doctor", "whether set-group-ID programs work in people's folders cannot be seen: %v", err)}
	}
	var open []string
	for _, dir := range writable() {
		if _, err := os.Stat(h.path(dir)); err == nil && !nosuid(string(text), dir) {
			open = append(open, dir)
		}
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = string(g)
	}
	if len(open) == 0 {
		return []report.Finding{ok("a strength-gated group (%s) cannot be kept by a set-group-ID program in a folder of a person", strings.Join(names, ", "))}
	}
	return []report.Finding{finding(report.Warning, "mount them with the option nosuid (fstab(5)); /home needs a file system of its own for that",
		"whoever has had a strength-gated group (%s) once can keep it for weaker sessions by a set-group-ID program in %s", strings.Join(names, ", "), strings.Join(open, ", "))}
}

// nosuid tells whether the mount that holds a folder has that option; text is
// proc_mounts(5). The last line for a mount point counts.
func nosuid(text, dir string) bool {
	longest, is := -1, false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(f[1])
		inside := point == "/" || dir == point || strings.HasPrefix(dir, point+"/")
		if inside && len(point) >= longest {
			longest, is = len(point), strings.Contains(","+f[3]+",", ",nosuid,")
		}
	}
	return is
}
