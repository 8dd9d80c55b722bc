package trouble

import "github.com/sallyport-auth/sallyport/report"

// anew starts sockets and daemon anew, whatever of both runs.
const anew = "sudo systemctl stop sallyportd.service sallyportd.socket; sudo systemctl start sallyportd.socket sallyportd.service"

// Of the unit.
const (
	UnitMasked     ID = "unit-masked"
	UnitMissing    ID = "unit-missing"
	UnitDisabled   ID = "unit-disabled"
	UnitStopped    ID = "unit-stopped"
	UnitFailed     ID = "unit-failed"
	UnitLimit      ID = "unit-start-limit"
	UnitExec       ID = "unit-not-executable"
	UnitUser       ID = "unit-no-user"
	UnitCondition  ID = "unit-condition"
	UnitDropIn     ID = "unit-drop-in"
	UnitReload     ID = "unit-changed"
	SocketsGone    ID = "sockets-gone"
	SocketMode     ID = "socket-mode"
	SocketInactive ID = "socket-inactive"
	RunFolder      ID = "run-folder-closed"
	DaemonHangs    ID = "daemon-hangs"
	DaemonSilent   ID = "daemon-silent"
	DaemonOld      ID = "daemon-old-program"
	DaemonDenied   ID = "daemon-denied"
)

func units() []Cause {
	return []Cause{
		{
			UnitMasked, report.Problem, "The unit {UNIT} is masked, so it can never start.",
			"sudo systemctl unmask sallyportd.service sallyportd.socket && sudo systemctl enable sallyportd.service && sudo systemctl start sallyportd.socket sallyportd.service",
		},
		{UnitMissing, report.Problem, "systemd knows no unit sallyportd.service.", "Install Sallyport again, then: sudo systemctl daemon-reload && sudo systemctl enable --now sallyportd"},
		{UnitDisabled, report.Warning, "sallyportd is not enabled: after the next start of the machine nobody of the realm can log in.", "sudo systemctl enable --now sallyportd"},
		{UnitStopped, report.Problem, "The daemon is stopped (sallyportd.service is {STATE}).", "sudo systemctl start sallyportd.socket sallyportd.service"},
		{UnitFailed, report.Problem, "The daemon cannot start (sallyportd.service is {STATE}). Its last words: {WHY}", "Mend what its last words name, then: sudo systemctl restart sallyportd"},
		{
			UnitLimit, report.Problem, "The daemon failed so often that systemd has given up (start-limit-hit). Its last words: {WHY}",
			"sudo systemctl reset-failed sallyportd.service sallyportd.socket; " + anew,
		},
		{UnitExec, report.Problem, "systemd cannot run {FILE} (mode {MODE}).", "sudo chmod 0755 {FILE}" + restart},
		{UnitUser, report.Problem, "systemd cannot run the daemon as its user: {WHY}", "sudo systemd-sysusers && sudo chown -R sallyport:sallyport /var/lib/sallyport /var/cache/sallyport && sudo systemctl restart sallyportd"},
		{UnitCondition, report.Problem, "systemd did not start the daemon, because a condition of its unit does not hold: {WHY}.", "sudo systemctl restart sallyportd"},
		{
			UnitDropIn, report.Problem, "The daemon does not run, and a drop-in changes its unit: {FILE}.",
			"sudo mv {FILE} {FILE}.off && sudo systemctl daemon-reload && sudo systemctl restart sallyportd",
		},
		{UnitReload, report.Warning, "The file of the unit {UNIT} was changed after systemd had read it.", "sudo systemctl daemon-reload" + restart},
		{SocketsGone, report.Problem, "{FILE} is gone while the daemon runs: nobody can reach it.", anew},
		{SocketMode, report.Problem, "{FILE} has mode {MODE}, so that not everybody can use it.", "sudo chmod 0666 {FILE}"},
		{RunFolder, report.Problem, "{FOLDER} has mode {MODE}, so that nobody but root reaches the daemon.", "sudo chmod 0755 {FOLDER}"},
		{SocketInactive, report.Problem, "sallyportd.socket is {STATE} while the daemon runs: its sockets reach nobody.", anew},
		{DaemonHangs, report.Problem, "The daemon runs and does not answer (process {PID}, state {STATE}).", "sudo systemctl kill --kill-whom=main --signal=SIGCONT sallyportd; sudo systemctl restart sallyportd"},
		{DaemonSilent, report.Problem, "The daemon does not answer: {WHY}.", anew},
		{DaemonOld, report.Warning, "The daemon that runs is version {RUNS}, and the one that is installed is {HERE}.", "sudo systemctl restart sallyportd"},
		{DaemonDenied, report.Problem, "AppArmor denies the daemon something: {WHY}", "sudo aa-complain /usr/sbin/sallyportd" + restart},
	}
}
