package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/doctor/pamstack"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// signsIn are the services that people come in by, and which of their stacks are gone
// through. Those that are not here are passed over; a file of another name that calls our
// module is looked at too.
func signsIn() map[string][]pamstack.Facility {
	whole := []pamstack.Facility{pamstack.Auth, pamstack.Account, pamstack.Session}
	started := []pamstack.Facility{pamstack.Account, pamstack.Session} // nobody is asked there
	locker := []pamstack.Facility{pamstack.Auth}
	return map[string][]pamstack.Facility{
		"login": whole, "remote": whole, "sshd": whole, "su": whole, "su-l": whole, "sudo": whole, "sudo-i": whole, "sudo-rs": whole, "doas": whole,
		"gdm-password": whole, "lightdm": whole, "sddm": whole, "greetd": whole, "lxdm": whole, "xdm": whole, "ly": whole,
		"xrdp-sesman": whole, "cockpit": whole, "polkit-1": {pamstack.Auth, pamstack.Account},
		"cron": started, "crond": started, "atd": started, "systemd-user": started,
		"xscreensaver": locker, "i3lock": locker, "swaylock": locker, "kde": locker, "vlock": locker,
		"passwd": {pamstack.Password},
	}
}

// pamDirs are where libpam looks for services; the first that has one wins.
func pamDirs() []string { return []string{"/etc/pam.d", "/usr/lib/pam.d"} }

func (h *Host) loader(over map[string]string) pamstack.Loader {
	return pamstack.Loader{Dirs: pamDirs(), Read: func(path string) ([]byte, error) {
		if text, changed := over[path]; changed {
			return []byte(text), nil
		}
		return os.ReadFile(h.path(path))
	}}
}

// pamFacts are what walks must know of this host.
func (h *Host) pamFacts() pamstack.Host {
	dirs := moduleDirs()
	none := !slices.ContainsFunc(dirs, func(d string) bool { _, err := os.Stat(h.path(filepath.Join(d, "security"))); return err == nil })
	known := map[string]bool{}
	return pamstack.Host{Missing: func(module string) bool {
		if none {
			return false // a host that cannot be seen that far
		}
		if _, asked := known[module]; !asked {
			known[module] = !h.hasModule(module)
		}
		return known[module]
	}}
}

func (h *Host) hasModule(module string) bool {
	if filepath.IsAbs(module) {
		_, err := os.Stat(h.path(module))
		return err == nil
	}
	for _, ending := range []string{"", ".so"} {
		if h.findModule(filepath.Join("security", module+ending)) != "" {
			return true
		}
	}
	return false
}

// lookPAM checks the module and walks the stacks of every service.
func lookPAM(_ context.Context, h *Host, _ *config.Config) []report.Finding {
	all := h.judgeModule("security/pam_sallyport.so", trouble.PAMModuleMissing, trouble.PAMModuleMode, trouble.PAMModuleBroken)
	var troubles []stackTrouble
	looked := 0
	for _, name := range h.pamServices() {
		s, err := h.loader(nil).Load(name)
		switch {
		case errors.Is(err, fs.ErrPermission):
			all = append(all, trouble.NotRoot.Finding("WHAT", "/etc/pam.d/"+name))
			continue
		case err != nil:
			continue
		}
		looked++
		all = append(all, h.judgeModes0644(s.Files)...)
		troubles = append(troubles, h.judgeService(s)...)
	}
	if looked == 0 {
		return append(all, trouble.PAMOff.Finding())
	}
	if h.nobodyCalls() {
		return append(all, trouble.PAMOff.Mended(h.switchOn()))
	}
	all = append(all, h.together(troubles)...)
	all = append(all, h.judgeNoLogin()...)
	if len(all) == 0 {
		all = append(all, ok("%d PAM services reach pam_sallyport.so, and local accounts pam_unix.so", looked))
	}
	return all
}

// pamServices are the names of the services to look at.
func (h *Host) pamServices() []string {
	names := h.servicesOfOurs()
	for name := range signsIn() {
		if _, there := h.pamFile(name); there && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(n string) bool { return !isService(n) })
}

func (h *Host) nobodyCalls() bool {
	return !slices.ContainsFunc(h.servicesOfOurs(), isService)
}

// isService leaves out what other files include, and copies that programs keep.
func isService(n string) bool {
	return !strings.HasPrefix(n, "common-") && !strings.HasSuffix(n, "-auth") && n != "other" && n != "postlogin" && !strings.ContainsAny(n, ".~")
}

// stackTrouble is what is wrong with one facility of one service.
type stackTrouble struct {
	cause    trouble.ID
	service  string
	facility pamstack.Facility
	line     *pamstack.Line // that decides; nil where none does
	at       string         // places that services share a cause by
}

// judgeService walks the facilities of one service.
func (h *Host) judgeService(s *pamstack.Service) []stackTrouble {
	var all []stackTrouble
	for _, f := range s.Faults {
		at := fmt.Sprintf("%s:%d", f.File, f.Number)
		if strings.HasPrefix(f.Why, "common-") {
			at = f.Why // one file, and everybody includes it
		}
		all = append(all, stackTrouble{
			cause: trouble.PAMUnread, service: s.Name, at: at,
			line: &pamstack.Line{File: f.File, Number: f.Number, Text: f.Why},
		})
	}
	if len(all) > 0 {
		return all
	}
	list, known := signsIn()[s.Name]
	if !known {
		list = slices.DeleteFunc([]pamstack.Facility{pamstack.Auth, pamstack.Account}, func(f pamstack.Facility) bool { return !s.Calls(f) })
	}
	for _, f := range list {
		if t := judgeFacility(s, f, h.pamFacts()); t != nil {
			all = append(all, *t)
		}
	}
	return all
}

// judgeFacility is the one question: does everybody meet there what they should?
func judgeFacility(s *pamstack.Service, f pamstack.Facility, h pamstack.Host) *stackTrouble {
	say := func(id trouble.ID, l *pamstack.Line) *stackTrouble {
		t := &stackTrouble{cause: id, service: s.Name, facility: f, line: l}
		if l != nil {
			t.at = fmt.Sprintf("%s:%d", l.File, l.Number)
		}
		return t
	}
	ours := s.Try(f, pamstack.Ours, h)
	if f == pamstack.Session || f == pamstack.Password {
		if ours.Reached(pamstack.Module) {
			return nil
		}
		return say(map[pamstack.Facility]trouble.ID{pamstack.Session: trouble.PAMSession, pamstack.Password: trouble.PAMPassword}[f], nil)
	}
	if local := s.Try(f, pamstack.Local, h); local.Result != pamstack.Success {
		return say(trouble.PAMLocalOut, local.Decided)
	}
	switch {
	case !s.Calls(f):
		return say(trouble.PAMNotCalled, nil)
	case !ours.Reached(pamstack.Module) && f == pamstack.Auth && ours.Result == pamstack.Success:
		return say(trouble.PAMOpen, ours.Decided)
	case !ours.Reached(pamstack.Module):
		return say(trouble.PAMNotReached, ours.Decided)
	case ours.Result != pamstack.Success:
		return say(trouble.PAMRefused, ours.Decided)
	case f == pamstack.Auth && s.Try(f, pamstack.Wrong, h).Result == pamstack.Success:
		return say(trouble.PAMOpen, s.Try(f, pamstack.Wrong, h).Decided)
	}
	return nil
}

// together says once what several services have from the same line.
func (h *Host) together(troubles []stackTrouble) []report.Finding {
	var all []report.Finding
	for len(troubles) > 0 {
		t := troubles[0]
		var names, facilities []string
		troubles = slices.DeleteFunc(troubles, func(o stackTrouble) bool {
			mine := o.cause == t.cause && o.at == t.at && (o.at != "" || o.facility == t.facility && h.mendFor(o) == h.mendFor(t))
			if mine && !slices.Contains(names, o.service) {
				names = append(names, o.service)
			}
			if mine && !slices.Contains(facilities, string(o.facility)) {
				facilities = append(facilities, string(o.facility))
			}
			return mine
		})
		places := []string{"SERVICE", strings.Join(names, ", "), "FACILITY", strings.Join(facilities, " and ")}
		line := &pamstack.Line{File: "/etc/pam.d/" + t.service, Text: "the end of the stack"}
		if t.line != nil {
			line = t.line
		}
		places = append(places, "FILE", line.File, "LINE", fmt.Sprint(line.Number), "TEXT", line.Text, "WHY", line.Text)
		f := t.cause.Finding(places...)
		if mend := h.mendFor(t); mend != "" {
			f.Mend = mend
		}
		all = append(all, f)
	}
	return all
}

// judgeNoLogin looks for the files that keep all but root out.
func (h *Host) judgeNoLogin() []report.Finding {
	var all []report.Finding
	for _, file := range []string{"/etc/nologin", "/run/nologin", "/var/run/nologin"} {
		info, err := os.Lstat(h.path(file))
		if err != nil || len(all) > 0 && strings.HasPrefix(file, "/var") || info.IsDir() {
			continue
		}
		var names []string
		for _, name := range h.pamServices() {
			s, err := h.loader(nil).Load(name)
			if err == nil && (s.Has(pamstack.Account, "pam_nologin.so") != nil || s.Has(pamstack.Auth, "pam_nologin.so") != nil) {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			all = append(all, trouble.NoLogin.Finding("FILE", file, "SERVICES", strings.Join(names, ", ")))
		}
	}
	return all
}

// judgeModes0644 finds files that only root can read: su, a screen locker and polkit's
// helper read theirs with the rights of whoever runs them, or of their own.
func (h *Host) judgeModes0644(files []string) []report.Finding {
	var all []report.Finding
	for _, f := range files {
		if info, err := os.Stat(h.path(f)); err == nil && info.Mode().Perm()&0o022 != 0 {
			all = append(all, trouble.PAMMode.Finding("FILE", f, "MODE", modeOf(info), "WHY", "others than root can write it, and with it let themselves in"))
		}
	}
	return all
}

// switchOn is what joins the host to us: by the package's program, and past an
// administrator's changes to PAM's files only where there are some.
func (h *Host) switchOn() string {
	const enable = "sudo /usr/share/sallyport/configure-host enable"
	for _, f := range []string{"common-auth", "common-account", "common-session"} {
		text, there := h.pamFile(f)
		if there && !strings.Contains(text, "# here are the per-package modules") {
			return forcePAM
		}
	}
	return enable
}

// forcePAM has pam-auth-update write the shared stacks anew, whatever was changed in them
// by hand.
const forcePAM = "sudo env DEBIAN_FRONTEND=noninteractive pam-auth-update --force --package --enable sallyport sallyport-password"

func arch() string { return runtime.GOARCH }
