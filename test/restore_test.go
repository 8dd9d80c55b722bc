package test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const (
	backupFile = "/root/realm.backup"
	lostPass   = "a password of lost days"
)

// stopServer ends the server and waits until the machine knows.
func stopServer(t *testing.T, r *machine.Realm) {
	t.Helper()
	must(t, r.Server.Stop(t.Context()))
	must(t, r.WaitOffline(t.Context()))
}

// loseDays lets the machine see changes that are lost afterwards: ada's password, her
// group that gives sudo, and carol.
func loseDays(t *testing.T, r *machine.Realm) {
	t.Helper()
	admin(t, r, lostPass, "account", "set-password", ada)
	admin(t, r, "", "account", "add", "carol")
	admin(t, r, lostPass, "account", "set-password", "carol")
	admin(t, r, "", "group", "add-member", "admins", "carol")
	within(t, r, 20*time.Second, func() error {
		_, err := r.Script(t.Context(), "id -nG carol | grep -q admins")
		return err
	})
	lets(t, ways(r, ada, lostPass)["ssh keyboard-interactive"], ada)
	lets(t, ways(r, "carol", lostPass)["ssh keyboard-interactive"], "carol")
}

// isAsRestored checks that nothing of the lost days is left on the machine.
func isAsRestored(t *testing.T, r *machine.Realm) {
	t.Helper()
	must(t, r.WaitOnline(t.Context()))
	within(t, r, 20*time.Second, func() error {
		if _, err := r.Script(t.Context(), "getent passwd carol"); err == nil {
			return errors.New("carol is of the lost days and still resolves")
		}
		return nil
	})
	keepsOut(t, ways(r, "carol", lostPass)["ssh keyboard-interactive"])
	keepsOut(t, ways(r, ada, lostPass)["ssh keyboard-interactive"])
	out, err := r.Run(t.Context(), "/usr/bin/sallyport", "status")
	must(t, err)
	if !strings.Contains(out, "taken back to an earlier state") {
		t.Errorf("status says nothing of it:\n%s", out)
	}
	if _, err := r.Run(t.Context(), "/usr/bin/sallyport", "cache", "refresh", ada); err != nil {
		t.Errorf("cache refresh: %v", err)
	}
	admin(t, r, "", "account", "disable", ada)
	within(t, r, 20*time.Second, func() error {
		o, err := byKey(r, ada)(t.Context())
		if err == nil && o.OK() {
			err = errors.New("ada is disabled and gets in by her key")
		}
		return err
	})
	keepsOut(t, ways(r, ada, adaPass)["ssh keyboard-interactive"])
	keepsOut(t, byKey(r, ada))
	stopServer(t, r)
	for _, password := range []string{adaPass, lostPass} {
		keepsOut(t, ways(r, ada, password)["ssh keyboard-interactive"])
		keepsOut(t, ways(r, "carol", password)["ssh keyboard-interactive"])
	}
}

// Promise history-machine-follows.
func TestAMachineGoesByARestoredServer(t *testing.T) {
	for name, restore := range map[string]struct {
		keep, back string
		away       bool
	}{
		"by the commands": {
			keep: "sallyport-server backup " + backupFile + " --dir " + machine.ServerDir,
			back: "sallyport-server restore " + backupFile + " --replace --dir " + machine.ServerDir,
		},
		"by a folder put back": {
			keep: "cp -a " + machine.ServerDir + " " + backupFile,
			back: "rm -rf " + machine.ServerDir + " && cp -a " + backupFile + " " + machine.ServerDir,
		},
		"by a folder put back while the machine is away": {
			keep: "cp -a " + machine.ServerDir + " " + backupFile,
			back: "rm -rf " + machine.ServerDir + " && cp -a " + backupFile + " " + machine.ServerDir,
			away: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := joined(t)
			lets(t, byKey(r, ada), ada)
			stopServer(t, r)
			script(t, r, restore.keep)
			must(t, r.StartServer(t.Context()))
			must(t, r.WaitOnline(t.Context()))
			loseDays(t, r)
			stopServer(t, r)
			if restore.away {
				must(t, r.Daemon.Stop(t.Context()))
			}
			script(t, r, restore.back)
			must(t, r.StartServer(t.Context()))
			if restore.away {
				for range 20 { // far more changes than were lost
					admin(t, r, "", "account", "disable", ada)
					admin(t, r, "", "account", "enable", ada)
				}
				must(t, r.StartDaemon(t.Context()))
			}
			isAsRestored(t, r)
		})
	}
}
