package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/subid"
)

// lookSubIDs checks that the ranges of subordinate ids of the realm's people reach
// subuid(5) and subgid(5), and that programs look there.
func lookSubIDs(ctx context.Context, h *Host, c *config.Config) []report.Finding {
	all := h.judgeSubIDService()
	if out, err := h.run(ctx, "systemctl", "is-enabled", "sallyport-subids.path"); err != nil || strings.TrimSpace(out) != "enabled" {
		all = append(all, finding(report.Note, "sudo systemctl enable --now sallyport-subids.path",
			"sallyport-subids.path is not enabled: people of the realm get no subordinate ids, which rootless containers need"))
	}
	state := "/var/lib/sallyport"
	if c != nil {
		state = c.Paths.State
	}
	given, err := subid.Read(h.path(filepath.Join(state, "subids")))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if len(all) == 0 {
			all = append(all, ok("nobody of the realm has been given subordinate ids yet: the first login gives them"))
		}
		return all
	case errors.Is(err, fs.ErrPermission):
		return append(all, finding(report.Note, "sudo sallyport doctor", "who has been given subordinate ids cannot be read: %v", err))
	case err != nil:
		return append(all, finding(report.Warning, "sudo systemctl restart sallyportd", "the daemon's list of subordinate ids cannot be read: %v", err))
	}
	p, err := subid.Host{Root: h.path("/")}.Plan(given)
	if err != nil {
		return append(all, finding(report.Warning, "see that /etc/subuid, /etc/subgid, /etc/passwd and /etc/group can be read", "subordinate ids cannot be checked: %v", err))
	}
	for _, path := range p.Absent {
		all = append(all, finding(report.Note, "sudo touch "+path, "%s does not exist, so nobody gets subordinate ids, which rootless containers need", path))
	}
	for _, r := range p.Refused {
		all = append(all, finding(report.Warning, "take the line that overlaps out of /etc/subuid and /etc/subgid, or widen [subids] range; see sallyport-subids(8)",
			"uid %d has no subordinate ids: %s", r.UID, r.Why))
	}
	if n := p.Missing(); n > 0 {
		all = append(all, finding(report.Warning, "sudo systemctl start sallyport-subids",
			"the subordinate ids of %d people have not reached /etc/subuid and /etc/subgid", n))
	}
	if len(all) == 0 {
		all = append(all, ok("/etc/subuid and /etc/subgid have the subordinate ids of the %d people who were given some", len(given)))
	}
	return all
}

// judgeSubIDService: where nsswitch.conf names a service for "subid", programs ask that
// one in place of the files, and the useradd of shadow 4.17 refuses to make accounts.
func (h *Host) judgeSubIDService() []report.Finding {
	f, err := os.Open(h.path("/etc/nsswitch.conf"))
	if err != nil {
		return nil // the name service's check says so
	}
	defer f.Close() //nolint:errcheck // read only
	switch list := services(f)["subid"]; {
	case len(list) == 0 || list[0] == "files":
		return nil
	case list[0] == "sallyport":
		return []report.Finding{finding(report.Problem, "sudo /usr/share/sallyport/configure-host enable",
			"nsswitch.conf has the line \"subid: sallyport\" of an earlier version: useradd may fail, and programs find no subordinate ids")}
	default:
		return []report.Finding{finding(report.Note, "take that line out of nsswitch.conf, if nothing needs it",
			"nsswitch.conf: \"subid\" names %s, so the subordinate ids of the realm's people in /etc/subuid and /etc/subgid are not looked at", list[0])}
	}
}
