package trouble

import "github.com/sallyport-auth/sallyport/report"

// Of PAM.
const (
	PAMModuleMissing ID = "pam-module-missing"
	PAMModuleMode    ID = "pam-module-mode"
	PAMModuleBroken  ID = "pam-module-broken"
	PAMOff           ID = "pam-off"
	PAMNotCalled     ID = "pam-not-called"
	PAMNotReached    ID = "pam-not-reached"
	PAMRefused       ID = "pam-refused-later"
	PAMLocalOut      ID = "pam-local-out"
	PAMOpen          ID = "pam-open"
	PAMUnread        ID = "pam-unreadable"
	PAMSession       ID = "pam-no-session"
	PAMPassword      ID = "pam-no-password-change"
	PAMMode          ID = "pam-file-mode"
	RulesAvoided     ID = "service-rules-avoided"
	NoLogin          ID = "nologin"
)

func stacks() []Cause {
	return []Cause{
		{PAMModuleMissing, report.Problem, "pam_sallyport.so is in none of PAM's folders.", "Install Sallyport again: make install, or sudo apt-get install --reinstall sallyport"},
		{PAMModuleMode, report.Problem, "{FILE} has mode {MODE}, so programs that are not root's cannot load it.", "sudo chmod 0644 {FILE}"},
		{PAMModuleBroken, report.Problem, "{FILE} cannot be loaded on this machine: {WHY}.", "Install the package for this machine's architecture ({ARCH}): sudo apt-get install --reinstall sallyport"},
		{PAMOff, report.Problem, "No PAM service calls pam_sallyport.so: Sallyport is not switched on here.", configure},
		{PAMNotCalled, report.Problem, "The PAM service {SERVICE} does not call pam_sallyport.so in its {FACILITY} stack, so nobody of the realm is signed in by it.", "Let /etc/pam.d/{SERVICE} include the stack that calls it: @include common-{FACILITY}"},
		{PAMNotReached, report.Problem, "The PAM service {SERVICE} calls pam_sallyport.so in its {FACILITY} stack, and never gets there: {FILE}:{LINE} ends it before, with \"{TEXT}\".", "Move that line behind the one of pam_sallyport.so."},
		{PAMRefused, report.Problem, "The PAM service {SERVICE} refuses people of the realm although pam_sallyport.so says yes ({FACILITY} stack): {FILE}:{LINE} decides, with \"{TEXT}\".", "Let the line of pam_sallyport.so jump over that one."},
		{PAMLocalOut, report.Problem, "The PAM service {SERVICE} refuses local accounts, root too, in its {FACILITY} stack: {FILE}:{LINE} decides, with \"{TEXT}\".", "Put pam_unix.so back into that stack."},
		{PAMOpen, report.Problem, "The PAM service {SERVICE} lets people of the realm in with any password: {FILE}:{LINE} decides, with \"{TEXT}\".", "Take that line out, or put it behind one that ends the stack for a wrong password."},
		{PAMUnread, report.Problem, "libpam cannot read the stack of {SERVICE}: {FILE}:{LINE}: {WHY}. It refuses everybody there.", "sudo sed -i '{LINE}s/^/#/' {FILE}"},
		{PAMSession, report.Warning, "The PAM service {SERVICE} does not reach pam_sallyport.so in its session stack: sudo's remembered proofs and strength-gated groups do not work there.", "Let /etc/pam.d/{SERVICE} include the stack that calls it: @include common-session"},
		{PAMPassword, report.Warning, "The PAM service {SERVICE} does not reach pam_sallyport.so in its password stack, so people of the realm cannot change their password by it.", configure},
		{PAMMode, report.Problem, "{FILE} has mode {MODE}: {WHY}.", "sudo chmod 0644 {FILE}"},
		{RulesAvoided, report.Warning, "The PAM service {SERVICE} does what {OTHER} does and demands less ({LESS}): the rules of [service.{OTHER}] can be avoided by it.", "Give [service.{SERVICE}] in sallyportd.toml the rules of [service.{OTHER}], then: sudo systemctl restart sallyportd"},
		{NoLogin, report.Problem, "{FILE} exists, and pam_nologin lets nobody but root log in while it does ({SERVICES}).", "sudo rm -f {FILE}"},
	}
}
