package clients

import (
	"strings"
	"testing"
)

// jobs run programs as ada while she is not there. Each is keyed by what its owner expects,
// and leaves the file $OUT, which is ada's.
func jobs() map[string]string {
	return map[string]string{
		// cron looks at its tables once a minute, but at "@reboot" when it starts.
		"cron runs my crontab":           "echo \"@reboot touch $OUT\" | crontab -u ada -; " + cronStarts,
		"cron runs the machine's for me": "echo \"@reboot ada touch $OUT\" >/etc/cron.d/ada; " + cronStarts,
		"at runs what I left":            `runuser -u ada -- sh -c "cd /; echo touch $OUT | at now"`,
		"batch runs it when it is calm":  `runuser -u ada -- sh -c "cd /; echo touch $OUT | batch"`,
		"a unit with User= and PAMName=": `systemd-run --quiet --wait --collect -p User=ada -p PAMName=login touch $OUT`,
		"a timer of mine, with linger": `
			loginctl enable-linger ada
			until systemctl --user -M ada@ is-system-running; do :; done >/dev/null
			systemd-run --quiet --user -M ada@ --on-active=100ms --timer-property=AccuracySec=10ms touch $OUT`,
		"systemd-run --uid":        `systemd-run --quiet --wait --collect --uid=ada touch $OUT`,
		"machinectl shell by root": `machinectl -q shell ada@.host /usr/bin/touch $OUT`,
		"su by root":               `su -l ada -c "touch $OUT"`,
		"runuser":                  `runuser -u ada -- touch $OUT`,
	}
}

const cronStarts = "rm -f /run/crond.reboot; systemctl restart cron"

// TestJobsOfPeopleRun has cron and its like run them, with the server and without, and
// not for somebody who may not log in any more.
// Promise clients-jobs.
func TestJobsOfPeopleRun(t *testing.T) {
	h := joined(t, wants{
		units: []string{"ssh", "atd"},
		files: map[string]string{
			"/etc/systemd/system/atd.service.d/calm.conf": "[Service]\nExecStart=\nExecStart=/usr/sbin/atd -f -l 100 -b 1\n",
		},
	})
	each := func(when string) {
		for expects, job := range jobs() {
			h.scene(expects+when, func() { h.runsAsAda(job) })
		}
	}
	each("")
	h.offline()
	each(", offline")
	h.in("systemctl start sallyport-server")
	h.online()
	h.in("sallyport-server account disable ada" + server)
	h.untilIn("sallyport explain ada | grep -q disabled")
	for _, expects := range []string{"cron runs my crontab", "at runs what I left", "a unit with User= and PAMName=", "machinectl shell by root", "su by root"} {
		h.scene(expects+", not for somebody who is disabled", func() { h.refusesTheJob(jobs()[expects]) })
	}
}

// refusesTheJob sees that ada was asked about, and that nothing ran.
func (h *host) refusesTheJob(job string) {
	h.t.Helper()
	refusals := "journalctl -b -u sallyportd --no-pager -o cat | grep 'operation=account.*account=ada' | grep -vc granted || true"
	before := strings.TrimSpace(h.in(refusals))
	out, err := h.In(h.t.Context(), "rm -f /var/tmp/ran; crontab -u ada -r || true; OUT=/var/tmp/ran\n"+job)
	h.untilIn("test $(" + refusals + ") -gt " + before)
	if ran, _ := h.In(h.t.Context(), "ls /var/tmp/ran"); strings.HasPrefix(ran, "/") {
		h.t.Errorf("it ran (%v):\n%s", err, out)
	}
}

// runsAsAda sees the file that the job leaves.
func (h *host) runsAsAda(job string) {
	h.t.Helper()
	h.in("rm -f /var/tmp/ran /etc/cron.d/ada; crontab -u ada -r || true; OUT=/var/tmp/ran\n" + job)
	h.untilIn("test $(stat -c %U /var/tmp/ran) = ada")
}
