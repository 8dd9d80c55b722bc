package trouble

import "github.com/sallyport-auth/sallyport/report"

// Of one person; explain says them.
const (
	ShellMissing    ID = "shell-missing"
	ShellRefuses    ID = "shell-refuses"
	ShellUnlisted   ID = "shell-unlisted"
	HomeMissing     ID = "home-missing"
	HomeWillBeMade  ID = "home-will-be-made"
	HomeOwner       ID = "home-owner"
	HomeClosed      ID = "home-closed"
	AccessDenied    ID = "pam-access-denies"
	SSHUserDenied   ID = "sshd-denies-user"
	SSHUserUnlisted ID = "sshd-allows-others"
	SudoNothing     ID = "sudo-nothing"
	LockedAtServer  ID = "locked-at-server"
	UnknownAtServer ID = "server-verdict-unknown"
	Disabled        ID = "account-disabled"
	Expired         ID = "account-expired"
	NotYet          ID = "account-not-yet-valid"
	NotInGroup      ID = "not-in-allowed-group"
	NameUnknown     ID = "name-unknown"
	NotRefetched    ID = "account-refused-here"
)

func people() []Cause {
	return []Cause{
		{ShellMissing, report.Problem, "The account's shell {SHELL} is not on this machine, so that every login ends at once.", "sudo apt-get install {PACKAGE}"},
		{ShellRefuses, report.Problem, "The account's shell is {SHELL}, which lets nobody work.", OnServer + "sudo sallyport-server account set {NAME} --shell /bin/bash"},
		{ShellUnlisted, report.Problem, "The account's shell {SHELL} is not in /etc/shells, and pam_shells of {SERVICES} refuses accounts whose shell is missing there.", "echo {SHELL} | sudo tee -a /etc/shells"},
		{HomeMissing, report.Problem, "The account's home {HOME} is missing, and nothing here makes it at the first login (pam_mkhomedir).", "sudo install -d -o {UID} -g {GID} -m 0700 {HOME}"},
		{HomeWillBeMade, report.Note, "The account's home {HOME} is missing; the first login makes it.", ""},
		{HomeOwner, report.Problem, "The account's home {HOME} belongs to uid {OWNER}, and not to the account (uid {UID}).", "sudo chown -R {UID}:{GID} {HOME}"},
		{HomeClosed, report.Problem, "The account cannot enter its home {HOME}: {FOLDER} has mode {MODE}.", "sudo chmod {WANT} {FOLDER}"},
		{AccessDenied, report.Problem, "pam_access ({SERVICES}) refuses the account: {FILE}:{LINE} says \"{TEXT}\".", "sudo sed -i '{LINE}i +:{NAME}:ALL' {FILE}"},
		{SSHUserDenied, report.Problem, "sshd refuses the account: {WORD} {LIST}.", "Take the name out of {WORD} in sshd's configuration, then: sudo systemctl reload ssh"},
		{SSHUserUnlisted, report.Problem, "sshd admits only the users that {WORD} names ({LIST}), and the account is not among them.", "sudo sed -i -E 's/^([[:space:]]*{WORD}[[:space:]].*)$/\\1 {NAME}/I' {FILE} && sudo systemctl reload-or-restart ssh"},
		{SudoNothing, report.Problem, "sudoers has no line for the account: {WHY}", "echo '{NAME} ALL=(ALL:ALL) ALL' | sudo install -m 0440 /dev/stdin /etc/sudoers.d/{FILE}"},
		{LockedAtServer, report.Problem, "The server has locked the account's {FACTOR} {FROM} for {LEFT} more: wrong answers.", OnServer + "sudo sallyport-server account unlock {NAME}"},
		{UnknownAtServer, report.Note, "The server did not say whether it would let the account in: {WHY}.", ""},
		{Disabled, report.Problem, "This account is disabled.", OnServer + "sudo sallyport-server account enable {NAME}"},
		{Expired, report.Problem, "This account expired on {DATE}.", "On the server, give the account another date, or none: sudo sallyport-server account set {NAME} --valid-until none"},
		{NotYet, report.Problem, "This account is valid from {DATE}.", "Wait until then, or change the date on the server: sudo sallyport-server account set {NAME} --valid-from none"},
		{NotInGroup, report.Problem, "This account may not log in to this machine: it is in none of the allowed groups ({GROUPS}).", OnServer + "sudo sallyport-server group add-member {GROUP} {NAME}"},
		{NameUnknown, report.Problem, "The realm has no such account.", OnServer + "sudo sallyport-server account add {NAME}"},
		{NotRefetched, report.Problem, "This machine refuses the account: {WHY}.", "Correct it on the server, or the setting that is named."},
	}
}
