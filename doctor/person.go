package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sallyport-auth/sallyport/doctor/pamstack"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// Person is what the host has to do with one account: what the daemon cannot see, and what
// keeps somebody out all the same. Service is the PAM service that is asked about, "" for
// all.
func (h *Host) Person(ctx context.Context, a report.Account, service string) []report.Finding {
	all := slices.Concat(h.judgeShell(a, service), h.judgeHome(a), h.judgeStacksFor(service), h.judgeAccess(a, service))
	if service == "" || service == "sshd" {
		all = append(all, h.judgeSSHUser(ctx, a)...)
	}
	if strings.HasPrefix(service, "sudo") {
		all = append(all, h.judgeSudo(ctx, a)...)
	}
	for i := range all {
		all[i].Check = "this host"
	}
	return all
}

// services are the names of the services that a question is about.
func (h *Host) asked(service string) []string {
	if service != "" {
		return []string{service}
	}
	return slices.DeleteFunc(h.pamServices(), func(n string) bool { return len(signsIn()[n]) == 0 })
}

// calling are those of the services whose stack has a module.
func (h *Host) calling(service, module string, facilities ...pamstack.Facility) []string {
	var names []string
	for _, name := range h.asked(service) {
		s, err := h.loader(nil).Load(name)
		if err != nil {
			continue
		}
		for _, f := range facilities {
			if s.Has(f, module) != nil {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// judgeStacksFor walks the stacks of the one service that is asked about.
func (h *Host) judgeStacksFor(service string) []report.Finding {
	if service == "" {
		return h.judgeNoLogin()
	}
	s, err := h.loader(nil).Load(service)
	if err != nil {
		return nil
	}
	all := h.together(h.judgeService(s))
	for _, f := range h.judgeNoLogin() {
		if s.Has(pamstack.Account, "pam_nologin.so") != nil || s.Has(pamstack.Auth, "pam_nologin.so") != nil {
			all = append(all, f)
		}
	}
	return all
}

func (h *Host) judgeShell(a report.Account, service string) []report.Finding {
	shell := a.Shell
	if shell == "" {
		shell = "/bin/sh"
	}
	info, err := os.Stat(h.path(shell))
	switch {
	case slices.Contains([]string{"nologin", "false"}, filepath.Base(shell)):
		return []report.Finding{trouble.ShellRefuses.Finding("SHELL", shell, "NAME", string(a.Name))}
	case err != nil:
		return []report.Finding{trouble.ShellMissing.Mended(h.shellMend(shell), "SHELL", shell)}
	case info.Mode().Perm()&0o001 == 0:
		return []report.Finding{trouble.ProgramMode.Finding("FILE", shell, "MODE", modeOf(info), "WANT", "0755")}
	}
	text, err := os.ReadFile(h.path("/etc/shells"))
	listed := false
	for line := range strings.Lines(string(text)) {
		listed = listed || strings.TrimSpace(line) == shell
	}
	if asks := h.calling(service, "pam_shells.so", pamstack.Auth, pamstack.Account); err == nil && !listed && len(asks) > 0 {
		return []report.Finding{trouble.ShellUnlisted.Finding("SHELL", shell, "SERVICES", strings.Join(asks, ", "))}
	}
	return nil
}

// shellMend installs a shell, or where it lies elsewhere on this machine, links to it.
func (h *Host) shellMend(shell string) string {
	base := filepath.Base(shell)
	for _, dir := range []string{"/bin", "/usr/bin", "/usr/local/bin"} {
		other := filepath.Join(dir, base)
		if _, err := os.Stat(h.path(other)); err == nil && other != shell {
			return fmt.Sprintf("sudo install -d %s && sudo ln -s %s %s", filepath.Dir(shell), other, shell)
		}
	}
	known := map[string]string{"bash": "bash", "zsh": "zsh", "fish": "fish", "dash": "dash", "ksh": "ksh", "tcsh": "tcsh", "mksh": "mksh"}
	if p, ok := known[base]; ok {
		return "sudo apt-get install " + p
	}
	return fmt.Sprintf("sudo install -d %s && sudo ln -s /bin/sh %s", filepath.Dir(shell), shell)
}

func (h *Host) judgeHome(a report.Account) []report.Finding {
	info, err := os.Stat(h.path(a.Home))
	uid, gid := strconv.FormatUint(uint64(a.UID), 10), strconv.FormatUint(uint64(a.GID), 10)
	places := []string{"HOME", a.Home, "UID", uid, "GID", gid}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		made := slices.ContainsFunc([]string{"pam_mkhomedir.so", "pam_oddjob_mkhomedir.so", "pam_systemd_home.so"}, func(m string) bool {
			return len(h.calling("", m, pamstack.Session)) > 0
		})
		if made {
			return []report.Finding{trouble.HomeWillBeMade.Finding(places...)}
		}
		return []report.Finding{trouble.HomeMissing.Finding(places...)}
	case err != nil:
		return nil // autofs may have its own way
	}
	st, isUnix := info.Sys().(*syscall.Stat_t)
	if isUnix && st.Uid != a.UID {
		return []report.Finding{trouble.HomeOwner.Finding(append(places, "OWNER", strconv.FormatUint(uint64(st.Uid), 10))...)}
	}
	folder, at := h.closedTo(user{uid: a.UID, gid: a.GID}, filepath.Join(a.Home, "."))
	if folder != "" {
		return []report.Finding{trouble.HomeClosed.Finding(append(places, "FOLDER", folder, "MODE", modeOf(at), "WANT", fmt.Sprintf("%04o", at.Mode().Perm()|0o111))...)}
	}
	if info.Mode().Perm()&0o700 != 0o700 {
		return []report.Finding{trouble.HomeClosed.Finding(append(places, "FOLDER", a.Home, "MODE", modeOf(info), "WANT", "0700")...)}
	}
	return nil
}

// judgeAccess reads access.conf(5) where a service asks pam_access. Origins are taken to
// match: where somebody comes from is not known here.
func (h *Host) judgeAccess(a report.Account, service string) []report.Finding {
	asks := h.calling(service, "pam_access.so", pamstack.Account, pamstack.Auth)
	if len(asks) == 0 {
		return nil
	}
	files := []string{"/etc/security/access.conf"}
	more, _ := filepath.Glob(h.path("/etc/security/access.d/*.conf")) // a pattern of ours
	for _, f := range more {
		files = append(files, "/etc/security/access.d/"+filepath.Base(f))
	}
	for _, file := range files {
		text, err := os.ReadFile(h.path(file))
		if err != nil {
			continue
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
			f := strings.SplitN(line, ":", 3)
			if len(f) != 3 || !accessNames(a, f[1]) {
				continue
			}
			if strings.TrimSpace(f[0]) == "+" {
				return nil
			}
			return []report.Finding{trouble.AccessDenied.Finding("SERVICES", strings.Join(asks, ", "), "FILE", file, "LINE", strconv.Itoa(n), "TEXT", line, "NAME", string(a.Name))}
		}
	}
	return nil
}

// accessNames tells whether a list of access.conf means the account.
func accessNames(a report.Account, list string) bool {
	list = strings.ReplaceAll(list, ",", " ")
	names, except, _ := strings.Cut(list, " EXCEPT ")
	match := func(words string) bool {
		for w := range strings.FieldsSeq(words) {
			group := strings.Trim(w, "()")
			inGroup := slices.ContainsFunc(a.Groups, func(g identity.Name) bool { return string(g) == group })
			if w == "ALL" || w == string(a.Name) || inGroup {
				return true
			}
		}
		return false
	}
	return match(names) && (except == "" || !accessNames(a, except))
}

// judgeSSHUser asks sshd what holds for the account, Match blocks included.
func (h *Host) judgeSSHUser(ctx context.Context, a report.Account) []report.Finding {
	if _, err := os.Stat(h.path(sshdPath)); err != nil {
		return nil
	}
	set, bad := h.sshdSettings(ctx, "-C", "user="+string(a.Name)+",host=localhost,addr=127.0.0.1")
	if bad != nil {
		return []report.Finding{*bad}
	}
	var all []report.Finding
	files := h.sshdFiles()
	for _, r := range []struct {
		key, word string
		groups    bool
		deny      bool
	}{
		{"denyusers", "DenyUsers", false, true},
		{"allowusers", "AllowUsers", false, false},
		{"denygroups", "DenyGroups", true, true},
		{"allowgroups", "AllowGroups", true, false},
	} {
		list, is := set[r.key]
		if !is {
			continue
		}
		hit := sshNames(a, list, r.groups)
		file := sshdConfig
		if s, found := first(files, r.key); found {
			file = s.file
		}
		places := []string{"WORD", r.word, "LIST", list, "NAME", string(a.Name), "FILE", file}
		switch {
		case r.deny && hit:
			all = append(all, trouble.SSHUserDenied.Finding(places...))
		case !r.deny && !hit && r.groups:
			mend := trouble.OnServer + "sudo sallyport-server group add-member GROUP {NAME} (GROUP: one of those that {FILE} names), or name one of the account's groups there, then: sudo systemctl reload ssh"
			all = append(all, trouble.SSHUserUnlisted.Mended(strings.TrimPrefix(mend, trouble.OnServer), places...))
		case !r.deny && !hit:
			all = append(all, trouble.SSHUserUnlisted.Finding(places...))
		}
	}
	return all
}

// sshNames tells whether a list of patterns (ssh_config(5), PATTERNS) means the account.
func sshNames(a report.Account, list string, groups bool) bool {
	names := []string{string(a.Name)}
	if groups {
		names = nil
		for _, g := range a.Groups {
			names = append(names, string(g))
		}
	}
	hit := false
	for pattern := range strings.FieldsSeq(list) {
		pattern, not := strings.CutPrefix(pattern, "!")
		pattern, _, _ = strings.Cut(pattern, "@")
		for _, n := range names {
			if ok, err := filepath.Match(pattern, n); err == nil && ok {
				if not {
					return false
				}
				hit = true
			}
		}
	}
	return hit
}

// judgeSudo asks sudo what it would let the account do.
func (h *Host) judgeSudo(ctx context.Context, a report.Account) []report.Finding {
	if os.Geteuid() != 0 && h.Run == nil {
		return []report.Finding{trouble.NotRoot.Finding("WHAT", "what sudo allows the account (sudo -l -U)")}
	}
	out, err := h.run(ctx, "sudo", "-n", "-l", "-U", string(a.Name))
	if strings.Contains(out, "is not allowed to run sudo") || strings.Contains(out, "may not run sudo") {
		return []report.Finding{trouble.SudoNothing.Finding("WHY", firstLine(out, err), "NAME", string(a.Name), "FILE", strings.ReplaceAll(string(a.Name), ".", "_"))}
	}
	return nil
}
