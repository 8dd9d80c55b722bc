package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

const (
	sshdPath   = "/usr/sbin/sshd"
	sshdConfig = "/etc/ssh/sshd_config"
	sshdPID    = "/run/sshd.pid"
	// userdbDropIn is what systemd-userdbd of Debian 13 brings; configure-host puts ours before it.
	userdbDropIn = "/etc/ssh/sshd_config.d/20-systemd-userdb.conf"
)

// lookSSHD asks sshd itself what its configuration comes to, and whether the sshd that
// runs has read it.
func lookSSHD(ctx context.Context, h *Host, _ *config.Config) []report.Finding {
	if _, err := os.Stat(h.path(sshdPath)); err != nil {
		return []report.Finding{finding(report.Note, "", "sshd is not installed")}
	}
	set, bad := h.sshdSettings(ctx)
	if bad != nil {
		return h.namedUnit([]report.Finding{*bad})
	}
	files := h.sshdFiles()
	all := h.judgeRunningSSHD(ctx, files)
	all = append(all, h.judgeSettings(set, files)...)
	if len(all) == 0 {
		all = append(all, ok("sshd uses PAM and asks %s", set["authorizedkeyscommand"]))
	}
	return h.namedUnit(all)
}

// namedUnit puts Fedora's name of the unit in the place of Debian's.
func (h *Host) namedUnit(all []report.Finding) []report.Finding {
	debian := false
	for _, dir := range []string{"/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"} {
		_, err := os.Stat(h.path(filepath.Join(dir, "ssh.service")))
		_, other := os.Stat(h.path(filepath.Join(dir, "sshd.service")))
		debian = debian || err == nil || other != nil
	}
	if !debian {
		for i := range all {
			if m, found := strings.CutSuffix(all[i].Mend, " ssh"); found {
				all[i].Mend = m + " sshd"
			}
		}
	}
	return all
}

var sshdFault = regexp.MustCompile(`(/\S+?):? line (\d+): (.*)`)

// sshdSettings is what "sshd -T" prints, with more words behind it. A machine whose sshd
// is started by its socket has no /run/sshd until somebody connects, and sshd refuses to
// speak without: then it is asked where it has one of its own.
func (h *Host) sshdSettings(ctx context.Context, more ...string) (map[string]string, *report.Finding) {
	if os.Geteuid() != 0 && h.Run == nil {
		f := trouble.NotRoot.Finding("WHAT", "what sshd's configuration comes to (sshd -T)")
		return nil, &f
	}
	out, err := h.run(ctx, sshdPath, append([]string{"-T"}, more...)...)
	if err != nil && strings.Contains(out, "rivilege separation directory") {
		apart := `mount -t tmpfs tmpfs /run && mkdir -m 0755 /run/sshd && exec /usr/sbin/sshd -T "$@"`
		out, err = h.run(ctx, "unshare", append([]string{"--mount", "--", "/bin/sh", "-c", apart, "sh"}, more...)...)
	}
	if err != nil {
		f := trouble.SSHUnreadable.Finding("WHY", firstLine(out, err))
		if m := sshdFault.FindStringSubmatch(out); m != nil {
			f = trouble.SSHWrong.Finding("FILE", m[1], "LINE", m[2], "WHY", firstLine(out, err))
		}
		return nil, &f
	}
	set := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if before, twice := set[key]; twice {
			value = before + " " + value
		}
		set[key] = value
	}
	return set, nil
}

// setting is one line of sshd's configuration.
type setting struct {
	file  string
	line  int
	key   string // lower case
	value string
	match bool // within a Match block
}

// sshdFiles are all settings in the order in which sshd reads them; the first of a key
// wins.
func (h *Host) sshdFiles() []setting { return h.sshdFile(sshdConfig, 0) }

func (h *Host) sshdFile(path string, depth int) []setting {
	text, err := os.ReadFile(h.path(path))
	if err != nil || depth > 16 {
		return nil
	}
	var all []setting
	n, match := 0, false
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value := keyAndValue(line)
		switch key {
		case "match":
			match = !strings.EqualFold(value, "all")
		case "include":
			for pattern := range strings.FieldsSeq(value) {
				pattern = strings.Trim(pattern, `"`)
				if !filepath.IsAbs(pattern) {
					pattern = filepath.Join("/etc/ssh", pattern)
				}
				found, _ := filepath.Glob(h.path(pattern)) // a wrong pattern finds nothing, for sshd too
				for _, f := range found {
					inside := "/" + strings.TrimPrefix(strings.TrimPrefix(f, h.path("/")), "/")
					for _, s := range h.sshdFile(inside, depth+1) {
						s.match = s.match || match
						all = append(all, s)
					}
				}
			}
			all = append(all, setting{path, n, key, value, match})
			continue
		}
		all = append(all, setting{path, n, key, value, match})
	}
	return all
}

func keyAndValue(line string) (key, value string) {
	i := strings.IndexAny(line, " \t=")
	if i < 0 {
		return strings.ToLower(line), ""
	}
	return strings.ToLower(line[:i]), strings.TrimLeft(line[i:], " \t=")
}

// first is the line that settles a key outside of Match blocks.
func first(all []setting, key string) (setting, bool) {
	for _, s := range all {
		if s.key == key && !s.match {
			return s, true
		}
	}
	return setting{}, false
}

// judgeRunningSSHD looks at the sshd that runs.
func (h *Host) judgeRunningSSHD(ctx context.Context, files []setting) []report.Finding {
	service, socket := h.showUnit(ctx, "ssh.service"), h.showUnit(ctx, "ssh.socket")
	if service["LoadState"] == "not-found" {
		service = h.showUnit(ctx, "sshd.service")
	}
	at, running := h.sshdReadAt()
	switch {
	case !running && service.known() && !service.active() && !socket.active():
		enabled := strings.HasPrefix(service["UnitFileState"], "enabled") || service["ActiveState"] == "failed"
		if !enabled {
			return []report.Finding{finding(report.Note, "", "sshd is not switched on (%s)", service.state())}
		}
		return []report.Finding{trouble.SSHStopped.Finding("STATE", service.state())}
	case !running:
		return nil // each connection reads anew
	}
	changed := map[string]bool{sshdConfig: true, "/etc/ssh/sshd_config.d": true}
	for _, s := range files {
		changed[s.file] = true
	}
	for _, path := range sortedKeys(changed) {
		if info, err := os.Stat(h.path(path)); err == nil && info.ModTime().After(at) {
			return []report.Finding{trouble.SSHStale.Finding("FILE", path)}
		}
	}
	return nil
}

// sshdReadAt is when the sshd that runs last read its configuration: it writes its file
// anew at each start and at each reload.
func (h *Host) sshdReadAt() (time.Time, bool) {
	text, err := os.ReadFile(h.path(sshdPID))
	if err != nil {
		return time.Time{}, false
	}
	comm, err := os.ReadFile(h.path(filepath.Join("/proc", filepath.Base(strings.TrimSpace(string(text))), "comm")))
	info, err2 := os.Stat(h.path(sshdPID))
	if err != nil || err2 != nil || strings.TrimSpace(string(comm)) != "sshd" {
		return time.Time{}, false
	}
	return info.ModTime(), true
}

func (h *Host) judgeSettings(set map[string]string, files []setting) []report.Finding {
	var all []report.Finding
	at := func(key string) []string {
		if s, found := first(files, key); found {
			return []string{"FILE", s.file, "LINE", strconv.Itoa(s.line)}
		}
		return []string{"FILE", sshdConfig, "LINE", "1"}
	}
	if _, err := os.Stat(h.path("/etc/ssh/sshd_config.d/20-sallyport.conf")); err == nil && !included(files) {
		all = append(all, trouble.SSHDropInIgnored.Finding())
	} else {
		s, _ := first(files, "authorizedkeyscommand")
		all = append(all, h.judgeKeysCommand(set["authorizedkeyscommand"], set["authorizedkeyscommanduser"], s)...)
	}
	for _, s := range files {
		if s.match && s.key == "authorizedkeyscommand" && !strings.Contains(s.value, "sallyport-keys") {
			all = append(all, trouble.SSHKeysInMatch.Finding("FILE", s.file, "LINE", strconv.Itoa(s.line)))
		}
	}
	if set["usepam"] != "yes" {
		f := trouble.SSHNoPAM.Finding(at("usepam")...)
		if _, set := first(files, "usepam"); !set {
			f.Mend = "sudo sed -i '1i UsePAM yes' " + sshdConfig + " && sudo systemctl reload-or-restart ssh"
		}
		all = append(all, f)
	}
	password, interactive, keys := set["passwordauthentication"] == "yes", set["kbdinteractiveauthentication"] == "yes", set["pubkeyauthentication"] != "no"
	switch {
	case !keys && !password && !interactive:
		all = append(all, trouble.SSHNothing.Finding())
		fallthrough
	case !keys:
		all = append(all, trouble.SSHNoPubkey.Finding(at("pubkeyauthentication")...))
	case interactive || set["usepam"] != "yes":
	case password:
		all = append(all, trouble.SSHOneQuestion.Finding())
	default:
		all = append(all, trouble.SSHNoQuestions.Finding())
	}
	return all
}

// included tells whether sshd reads the folder that our drop-in lies in.
func included(files []setting) bool {
	for _, s := range files {
		if s.key == "include" && !s.match && strings.Contains(s.value, "sshd_config.d/") {
			return true
		}
	}
	return false
}

// judgeKeysCommand judges the command that sshd asks for keys; the line at is what sets it.
func (h *Host) judgeKeysCommand(cmd, user string, at setting) []report.Finding {
	program, _, _ := strings.Cut(cmd, " ")
	switch {
	case at.file == userdbDropIn:
		return []report.Finding{trouble.SSHNoKeys.Finding()}
	case cmd == "none" || cmd == "":
		f := trouble.SSHNoKeys.Finding()
		if at.file != "" { // configure-host leaves what an administrator has set
			f.Mend = fmt.Sprintf("sudo sed -i '%ds/^/#/' %s && ", at.line, at.file) + f.Mend
		}
		return []report.Finding{f}
	case !strings.Contains(cmd, "sallyport-keys"):
		return []report.Finding{trouble.SSHOtherKeys.Finding("COMMAND", cmd)}
	}
	if f := h.judgeKeysProgram(program); f != nil {
		return []report.Finding{*f}
	}
	if program != "/usr/bin/sallyport-keys" {
		if f := h.judgeKeysProgram("/usr/bin/sallyport-keys"); f != nil {
			return []report.Finding{*f}
		}
	}
	chained := strings.HasPrefix(cmd, "/usr/bin/userdbctl ") // it needs root, and ours is run by setpriv
	if _, rest, found := strings.Cut(cmd, "--reuid="); chained && found {
		user, _, _ = strings.Cut(rest, " ")
	} else if chained {
		return judgeKeysWords(cmd, at)
	}
	switch _, there := h.localUser(user); {
	case user == "none" || user == "root" || user == "":
		return []report.Finding{trouble.SSHKeysUser.Finding("USER", user, "FILE", "/etc/ssh/sshd_config.d/20-sallyport.conf")}
	case !there && h.Root == "":
		return []report.Finding{trouble.SSHKeysUserGone.Finding("USER", user)}
	}
	return judgeKeysWords(cmd, at)
}

// judgeKeysWords looks whether the command is told which key was offered: without that it
// cannot say what a certificate is good for.
func judgeKeysWords(cmd string, at setting) []report.Finding {
	words := strings.Fields(cmd)
	i := slices.IndexFunc(words, func(w string) bool { return filepath.Base(w) == "sallyport-keys" })
	if i < 0 || at.file == "" {
		return nil // a program of somebody's own, which may ask ours
	}
	words = words[i+1:]
	named := slices.Contains(words, "%u")
	if named && slices.Contains(words, "%t") && slices.Contains(words, "%k") {
		return nil
	}
	missing := " %t %k"
	if !named { // without any word sshd itself adds the name
		missing = " %u" + missing
	}
	return []report.Finding{trouble.SSHKeysBare.Finding("FILE", at.file, "LINE", strconv.Itoa(at.line), "WORDS", missing)}
}

// judgeKeysProgram checks what sshd checks (safe_path of OpenSSH): all that leads to the
// program is root's, and nobody else can write it.
func (h *Host) judgeKeysProgram(program string) *report.Finding {
	if _, err := os.Stat(h.path(program)); err != nil {
		f := trouble.SSHKeysMissing.Finding("FILE", program)
		return &f
	}
	if h.Root != "" {
		return nil // whose files are they, elsewhere?
	}
	for p := program; ; p = filepath.Dir(p) {
		info, err := os.Stat(h.path(p))
		if err != nil {
			return nil
		}
		st, isUnix := info.Sys().(*syscall.Stat_t)
		if isUnix && st.Uid != 0 || info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0 || p == program && info.Mode().Perm()&0o111 != 0o111 {
			f := trouble.SSHKeysMode.Finding("FILE", p, "MODE", fmt.Sprintf("%04o", info.Mode().Perm()), "OWNER", h.owner(info))
			return &f
		}
		if p == "/" {
			return nil
		}
	}
}
