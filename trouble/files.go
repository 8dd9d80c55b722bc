package trouble

import "github.com/sallyport-auth/sallyport/report"

const restart = " && sudo systemctl restart sallyportd"

// Of the configuration and the daemon's files.
const (
	ConfigMissing     ID = "config-missing"
	ConfigWrong       ID = "config-wrong"
	ConfigMistyped    ID = "config-mistyped"
	ConfigWritable    ID = "config-writable"
	ConfigUnreadable  ID = "config-unreadable"
	ConfigNewer       ID = "config-newer"
	NobodyAllowed     ID = "nobody-allowed"
	FolderClosed      ID = "folder-closed"
	FileUnreadable    ID = "file-unreadable"
	FileOpen          ID = "file-open"
	FileOwner         ID = "file-owner"
	FileMissing       ID = "file-missing"
	StateReadOnly     ID = "state-read-only"
	DiskFull          ID = "disk-full"
	ProgramMissing    ID = "program-missing"
	ProgramMode       ID = "program-mode"
	UserMissing       ID = "user-missing"
	NotRoot           ID = "not-root"
	ShadowsExecutable ID = "program-shadowed"
)

func files() []Cause {
	return []Cause{
		{ConfigMissing, report.Problem, "{FILE} is missing: this machine has not joined a realm.", "sudo sallyport join --server URL --code CODE --fingerprint SHA256"},
		{ConfigWrong, report.Problem, "The configuration is wrong, so the daemon cannot start: {WHY}.", "Correct that place (sallyportd.toml(5) lists every key), then: sudo systemctl restart sallyportd"},
		{
			ConfigMistyped, report.Problem, "The configuration has a mistyped key, so the daemon cannot start: {WHY}.",
			"sudo sed -i '{LINE}s/{KEY}/{NEAR}/' {FILE}" + restart,
		},
		{ConfigWritable, report.Problem, "{FILE} can be written by others than its owner (mode {MODE}).", "sudo chmod 0644 {FILE}"},
		{ConfigUnreadable, report.Problem, "The daemon's user sallyport cannot read {FILE} (mode {MODE}, owner {OWNER}), so the daemon cannot start.", "sudo chmod 0644 {FILE}" + restart},
		{ConfigNewer, report.Warning, "{FILE} was changed after the daemon had read it: the daemon goes by the older one.", "sudo systemctl restart sallyportd"},
		{NobodyAllowed, report.Problem, "The configuration lets nobody log in: [login] allow is empty.", "Name groups in [login] allow of sallyportd.toml, or \"*\" for everybody, then: sudo systemctl restart sallyportd"},
		{FolderClosed, report.Problem, "The daemon's user sallyport cannot pass the folder {FOLDER} (mode {MODE}, owner {OWNER}), and so cannot use {FILE}.", "sudo chmod {WANT} {FOLDER}" + restart},
		{FileUnreadable, report.Problem, "The daemon's user sallyport cannot use {FILE} (mode {MODE}, owner {OWNER}).", "sudo chmod {WANT} {FILE}" + restart},
		{FileOpen, report.Problem, "{FILE} has mode {MODE}: others can reach secrets.", "sudo chmod {WANT} {FILE}"},
		{FileOwner, report.Problem, "{FILE} belongs to {OWNER} and not to sallyport: the daemon cannot use it.", "sudo chown sallyport:sallyport {FILE}" + restart},
		{FileMissing, report.Problem, "{FILE} is missing, and this machine cannot prove to the server who it is without it.", "sudo sallyport join --server {URL} --code CODE --fingerprint SHA256"},
		{StateReadOnly, report.Problem, "The file system of {FOLDER} is mounted read-only: the daemon can remember nothing.", "sudo mount -o remount,rw {MOUNT}" + restart},
		{DiskFull, report.Problem, "The file system of {FOLDER} is full: changes and passwords cannot be remembered, and nobody new can log in offline.", "Free some space on it (sudo du -xh {MOUNT} | sort -h | tail shows where it is), then: sudo systemctl restart sallyportd"},
		{ProgramMissing, report.Problem, "{FILE} is missing.", "Install Sallyport again: make install, or sudo apt-get install --reinstall sallyport"},
		{ProgramMode, report.Problem, "{FILE} has mode {MODE}, which keeps programs from using it.", "sudo chmod {WANT} {FILE}"},
		{UserMissing, report.Problem, "There is no user {USER}, so {WHAT} cannot run.", "sudo systemd-sysusers && sudo chown -R sallyport:sallyport /var/lib/sallyport /var/cache/sallyport && sudo systemctl restart sallyportd"},
		{NotRoot, report.Note, "doctor ran without root's rights and could not look at: {WHAT}.", "sudo sallyport doctor"},
		{ShadowsExecutable, report.Warning, "{FILE} stands before the installed {OTHER} in root's PATH.", "sudo rm {FILE}"},
	}
}
