package trouble

import "github.com/sallyport-auth/sallyport/report"

const reloadSSH = " && sudo systemctl reload-or-restart ssh"

// Of sshd.
const (
	SSHUnreadable       ID = "sshd-unreadable"
	SSHWrong            ID = "sshd-wrong"
	SSHStale            ID = "sshd-not-reloaded"
	SSHStopped          ID = "sshd-stopped"
	SSHNoPAM            ID = "sshd-without-pam"
	SSHNoKeys           ID = "sshd-no-keys-command"
	SSHOtherKeys        ID = "sshd-other-keys-command"
	SSHKeysMissing      ID = "sshd-keys-program-missing"
	SSHKeysMode         ID = "sshd-keys-program-mode"
	SSHKeysUser         ID = "sshd-keys-user"
	SSHKeysUserGone     ID = "sshd-keys-user-missing"
	SSHKeysBare         ID = "sshd-keys-without-certificates"
	SSHKeysInMatch      ID = "sshd-keys-command-in-match"
	SSHNoPubkey         ID = "sshd-no-public-keys"
	SSHNoQuestions      ID = "sshd-no-questions"
	SSHOneQuestion      ID = "sshd-one-question"
	SSHNothing          ID = "sshd-accepts-nothing"
	SSHDropInIgnored    ID = "sshd-drop-in-ignored"
	SSHCertificatesOnly ID = "ssh-certificates-only"
)

func ssh() []Cause {
	const two = "For two questions, end sshd_config with \"Match Group NAME\" and \"KbdInteractiveAuthentication yes\" (NAME: a group of the realm's people), then: sudo systemctl reload ssh. Beware: a local account in that group can then log in over ssh with its password."
	return []Cause{
		{SSHUnreadable, report.Warning, "sshd's settings cannot be read: {WHY}", "sudo sshd -t"},
		{SSHWrong, report.Problem, "sshd refuses its configuration: {WHY}", "sudo sed -i '{LINE}s/^/#/' {FILE}" + reloadSSH},
		{SSHStale, report.Problem, "The sshd that runs was started before {FILE} was changed, and goes by the older settings.", "sudo systemctl reload ssh"},
		{SSHStopped, report.Problem, "sshd is installed and does not run ({STATE}), so nobody can log in over ssh.", "sudo systemctl restart ssh"},
		{SSHNoPAM, report.Problem, "sshd does not use PAM (UsePAM no in {FILE}:{LINE}): no password of the realm is accepted, and no account is checked.", "sudo sed -i '{LINE}s/.*/UsePAM yes/' {FILE}" + reloadSSH},
		{SSHNoKeys, report.Problem, "sshd does not run sallyport-keys, so ssh keys of the realm are not accepted.", configure + reloadSSH},
		{SSHOtherKeys, report.Warning, "sshd asks {COMMAND} and not sallyport-keys: ssh keys of the realm are accepted only if that command asks it.", "Let that command also run \"/usr/bin/sallyport-keys --chained NAME\", if it does not yet; it prints nothing for a local name."},
		{SSHKeysMissing, report.Problem, "sshd asks {FILE} for keys, which is not there, so ssh keys of the realm are not accepted.", "Install Sallyport again: make install, or sudo apt-get install --reinstall sallyport"},
		{SSHKeysMode, report.Problem, "sshd refuses to run {FILE} (mode {MODE}, owner {OWNER}): it must be root's, executable, and writable by nobody else; its folders too.", "sudo chown root:root {FILE} && sudo chmod 0755 {FILE}"},
		{SSHKeysUser, report.Warning, "sshd runs sallyport-keys as {USER}; it needs no rights.", "sudo sed -i -E 's/^([[:space:]]*AuthorizedKeysCommandUser).*/\\1 sallyport-keys/I' {FILE}" + reloadSSH},
		{SSHKeysUserGone, report.Problem, "sshd is to run sallyport-keys as {USER}, and there is no such user, so ssh keys of the realm are not accepted.", "sudo systemd-sysusers" + reloadSSH},
		{SSHKeysBare, report.Warning, "sshd does not tell sallyport-keys what was offered ({FILE}:{LINE}), so ssh keys of the realm are accepted and certificates of \"sallyport ssh\" are not.", "sudo sed -i '{LINE}s/[[:space:]]*$/{WORDS}/' {FILE}" + reloadSSH},
		{SSHKeysInMatch, report.Problem, "A Match block of sshd ({FILE}:{LINE}) has an AuthorizedKeysCommand of its own: the people that it matches get no ssh keys of the realm.", "sudo sed -i '{LINE}s/^/#/' {FILE}" + reloadSSH},
		{SSHNoPubkey, report.Problem, "sshd accepts no keys at all (PubkeyAuthentication no in {FILE}:{LINE}).", "sudo sed -i '{LINE}s/.*/PubkeyAuthentication yes/' {FILE}" + reloadSSH},
		{SSHNoQuestions, report.Note, "sshd accepts no passwords, so people of the realm log in over ssh with keys only.", two},
		{SSHOneQuestion, report.Note, "sshd asks for one line only: people with a one-time code type the code right behind their password, in one line.", two},
		{SSHNothing, report.Problem, "sshd accepts neither passwords nor keys of the realm: nobody of the realm can log in over ssh.", configure + reloadSSH},
		{SSHCertificatesOnly, report.Note, "sshd accepts certificates of the realm's people only, and none of the ssh keys that the realm has stored: its administrators set so. Keys in a person's own ~/.ssh/authorized_keys are read by sshd all the same.", "Log in with: sallyport ssh {NAME}. To close ~/.ssh/authorized_keys as well, end sshd_config with \"Match Group NAME\" and \"AuthorizedKeysFile none\" (NAME: a group of the realm's people), then: sudo systemctl reload ssh"},
		{SSHDropInIgnored, report.Problem, "sshd does not read /etc/ssh/sshd_config.d: /etc/ssh/sshd_config has no Include line for it.", "sudo sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config" + reloadSSH},
	}
}
