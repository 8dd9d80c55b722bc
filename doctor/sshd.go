package doctor

import (
	"context"
	"os"
	"strings"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/report"
)

// lookSSHD asks sshd itself what its configuration comes to.
func lookSSHD(ctx context.Context, h *Host, _ *config.Config) []report.Finding {
	if _, err := os.Stat(h.path("/usr/sbin/sshd")); err != nil {
		return []report.Finding{finding(report.Note, "", "sshd is not installed")}
	}
	out, err := h.run(ctx, "/usr/sbin/sshd", "-T")
	if err != nil {
		return []report.Finding{finding(report.Warning, "run doctor as root; sshd -t shows faults", "sshd's settings cannot be read: %s", firstLine(out, err))}
	}
	set := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		set[key] = value
	}
	all := h.judgeKeysCommand(set["authorizedkeyscommand"], set["authorizedkeyscommanduser"])
	if set["usepam"] != "yes" {
		all = append(all, finding(report.Problem, "UsePAM yes in sshd_config, then sudo systemctl reload ssh",
			"sshd does not use PAM (usepam %s): no password of the realm is accepted, and no account is checked", set["usepam"]))
	} else if f := judgeQuestions(set["passwordauthentication"] == "yes", set["kbdinteractiveauthentication"] == "yes"); f != nil {
		all = append(all, *f)
	}
	if len(all) == 0 {
		all = append(all, ok("sshd uses PAM and asks %s", set["authorizedkeyscommand"]))
	}
	return all
}

func (h *Host) judgeKeysCommand(cmd, user string) []report.Finding {
	program, _, _ := strings.Cut(cmd, " ")
	_, err := os.Stat(h.path(program))
	switch {
	case cmd == "none" || cmd == "":
		return []report.Finding{finding(report.Warning, enable+"; sshd_config must include /etc/ssh/sshd_config.d/*.conf",
			"sshd asks no AuthorizedKeysCommand: ssh keys of the realm are not accepted")}
	case !strings.Contains(cmd, "sallyport-keys"):
		return []report.Finding{finding(report.Warning, "let that command also run \"/usr/bin/sallyport-keys --chained NAME\", if it does not yet; it prints nothing for a local name",
			"sshd asks %s and not sallyport-keys: ssh keys of the realm are accepted only if that command asks it", cmd)}
	case err != nil:
		return []report.Finding{finding(report.Warning, enable, "sshd asks %s, which is not there: ssh keys of the realm are not accepted: %v", program, err)}
	case strings.HasPrefix(cmd, "/usr/bin/userdbctl "): // it needs root
	case user == "none" || user == "root":
		return []report.Finding{finding(report.Warning, "AuthorizedKeysCommandUser sallyport-keys", "sshd runs sallyport-keys as %q; it needs no rights", user)}
	}
	return nil
}

// twoQuestions is what an administrator may decide; it opens something.
const twoQuestions = "for two questions, end sshd_config with \"Match Group NAME\" and \"KbdInteractiveAuthentication yes\" " +
	"(NAME: a group of the realm's people). Beware: a local account in that group can then log in over ssh with its password"

// judgeQuestions tells what people with a second factor meet. A package does not switch
// a way to log in on, so that may be little.
func judgeQuestions(password, interactive bool) *report.Finding {
	var f report.Finding
	switch {
	case interactive:
		return nil
	case password:
		f = finding(report.Note, twoQuestions,
			"sshd asks for one line only: people with a one-time code type the code right behind their password, in one line")
	default:
		f = finding(report.Note, twoQuestions, "sshd accepts no passwords, so people of the realm log in over ssh with keys only")
	}
	return &f
}
