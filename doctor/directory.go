package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/nss"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

const restart = "sudo systemctl restart sallyportd"

// lookDirectory checks the file that programs read names from: whole, readable
// by everyone, in force, and the one that the daemon thinks it is.
func lookDirectory(ctx context.Context, h *Host, c *config.Config) []report.Finding {
	paths := config.Defaults().Paths
	if c != nil {
		paths = c.Paths
	}
	dir := h.path(paths.Directory)
	path := nss.Path(dir)
	var all []report.Finding
	if paths.Directory != config.Defaults().Paths.Directory {
		all = append(all, finding(report.Note, "", "programs look in %s only; [paths] directory is %s", config.Defaults().Paths.Directory, paths.Directory))
	}
	info, err := os.Stat(path)
	if err != nil {
		return append(append(all, judgeFolder(dir, paths.Directory)...), trouble.SnapshotMissing.Finding("WHY", err.Error()))
	}
	all = append(all, judgeModes(dir, paths.Directory, info)...)
	r, err := snapshot.Open(path)
	if err == nil {
		defer r.Close() //nolint:errcheck // only read
		err = r.Check()
	}
	if err != nil {
		return append(all, trouble.SnapshotDamaged.Finding("FILE", nss.Path(paths.Directory), "WHY", err.Error()))
	}
	i := r.Info()
	if !h.now().Before(i.ValidUntil) {
		all = append(all, trouble.SnapshotStale.Finding("DATE", i.ValidUntil.Format(time.DateTime)))
	}
	if r.Superseded() {
		all = append(all, finding(report.Warning, restart, "the directory snapshot says that there is a newer one, and there is none"))
	}
	run := h.path(filepath.Join(paths.Run, "control.sock"))
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // a daemon that hangs is another check's finding
	defer cancel()
	if s, err := control.One[report.Status](ctx, control.Client{Path: run}, report.VerbStatus, nil); err == nil && s.Directory != nil {
		all = append(all, judgePublished(s.Directory, i, paths.Directory)...)
	}
	if len(all) == 0 {
		all = append(all, ok("%s is sound: %d accounts, %d groups, written %s", path, i.Accounts, i.Groups, i.Written.Format(time.DateTime)))
	}
	return all
}

// judgeFolder and judgeModes take the folder as the host has it, and as it is told.
func judgeFolder(dir, told string) []report.Finding {
	folder, err := os.Stat(dir)
	switch {
	case err != nil:
		return []report.Finding{trouble.SnapshotUnwritten.Finding("FOLDER", told, "WHY", err.Error())}
	case folder.Mode().Perm()&0o005 != 0o005:
		return []report.Finding{trouble.SnapshotFolder.Finding("FOLDER", told, "MODE", modeOf(folder))}
	case folder.Mode().Perm()&0o022 != 0:
		return []report.Finding{finding(report.Problem, "sudo chmod 0755 "+told, "%s can be written by others than the daemon (mode %s)", told, modeOf(folder))}
	}
	return nil
}

func judgeModes(dir, told string, file os.FileInfo) []report.Finding {
	all := judgeFolder(dir, told)
	if file.Mode().Perm() != 0o644 {
		all = append(all, trouble.SnapshotMode.Finding("FILE", nss.Path(told), "MODE", modeOf(file)))
	}
	return all
}

// judgePublished compares the file with what the daemon published.
func judgePublished(d *report.Directory, i snapshot.Info, told string) []report.Finding {
	var all []report.Finding
	if d.LastError != "" {
		all = append(all, trouble.SnapshotUnwritten.Finding("FOLDER", told, "WHY", d.LastError))
	}
	if d.Written != nil && i.Written.Before(d.Written.Add(-time.Second)) {
		all = append(all, finding(report.Problem, restart, "the file in force is of %s, the daemon published one at %s: somebody put an old one back",
			i.Written.Format(time.DateTime), d.Written.Format(time.DateTime)))
	}
	return all
}

// caches are the daemons that answer glibc on nscd's socket, and what to do.
func caches() map[string]struct{ what, mend string } {
	return map[string]struct{ what, mend string }{
		"nscd": {
			"nscd keeps answers of its own for minutes, so that changes show late",
			"sudo systemctl disable --now nscd",
		},
		"unscd": {
			"unscd keeps answers of its own for minutes, so that changes show late",
			"sudo systemctl disable --now unscd",
		},
		"nsncd": {"nsncd answers for glibc; it keeps nothing, so that answers stay right, and only cost more", ""},
	}
}

// lookNSCD tells who else answers for glibc.
func lookNSCD(_ context.Context, h *Host, _ *config.Config) []report.Finding {
	var all []report.Finding
	for name, c := range caches() {
		if h.runs(name) {
			severity := report.Warning
			if c.mend == "" {
				severity = report.Note
			}
			all = append(all, finding(severity, c.mend, "a name service cache is running: %s", c.what))
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, p := range []string{"/run/nscd/socket", "/var/run/nscd/socket"} {
		if _, err := os.Stat(h.path(p)); err == nil {
			c := caches()["nscd"]
			return append(all, finding(report.Warning, c.mend, "a name service cache is running, or has left its socket %s: %s", p, c.what))
		}
	}
	return append(all, ok("no name service cache stands between programs and the directory"))
}

// runs tells whether a process of that name runs.
func (h *Host) runs(name string) bool {
	found, err := filepath.Glob(h.path("/proc/[0-9]*/comm"))
	if err != nil {
		return false
	}
	for _, p := range found {
		comm, err := os.ReadFile(p)
		if err == nil && strings.TrimSpace(string(comm)) == name {
			return true
		}
	}
	return false
}

// lookUserDB looks for the socket of an earlier version: systemd asks whatever is there
// about every name, and waits 45 seconds for it each time.
func lookUserDB(_ context.Context, h *Host, _ *config.Config) []report.Finding {
	const path = "/run/systemd/userdb/io.sallyport"
	if _, err := os.Lstat(h.path(path)); errors.Is(err, os.ErrNotExist) {
		return []report.Finding{ok("systemd's user database has the people of the realm from the name service")}
	}
	return []report.Finding{finding(report.Problem, "sudo systemctl disable --now sallyport-userdb.socket sallyport-userdb.service; sudo rm -f "+path,
		"an earlier version of Sallyport left %s: every lookup through systemd waits for it, and nobody answers there any more", path)}
}
