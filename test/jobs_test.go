package test

import "testing"

// A job is not tried again. While the daemon is being restarted its sockets are systemd's,
// and a job of a person of the realm waits there.
// Promise jobs-restart.
func TestJobsOfPeopleRunWhileTheDaemonIsRestarted(t *testing.T) {
	w := newWard(t)
	w.do(`
		mkdir -p /etc/systemd/system/sallyportd.service.d
		printf '[Service]\nExecStartPre=/bin/sleep 2\n' > /etc/systemd/system/sallyportd.service.d/slow.conf
		systemctl daemon-reload`)
	t.Run("a unit with User= and PAMName=", func(t *testing.T) {
		w.do("systemctl stop sallyportd.service; systemd-run --quiet --wait --collect -p User=ada -p PAMName=cron touch /var/tmp/by-unit; test -e /var/tmp/by-unit")
	})
	t.Run("cron", func(t *testing.T) {
		w.do(`
			systemctl stop cron
			echo '@reboot ada touch /var/tmp/by-cron' > /etc/cron.d/ada
			rm -f /run/crond.reboot
			systemctl stop sallyportd.service
			systemctl start cron`)
		w.until(func() error {
			_, err := w.In(t.Context(), "test $(stat -c %U /var/tmp/by-cron) = ada")
			return err
		})
	})
}
