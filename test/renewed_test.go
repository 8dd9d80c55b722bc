package test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// The rows of "Files that are renewed" in docs/server.md, as far as they are files of the
// machine. TestAReloadReadsSettingsAndFilesAnew has those that a reload reads.
// Promise clients-renewed.
func TestFilesOfTheMachineAreReadAgainAsThePageSays(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	id := strings.TrimSpace(script(t, r, "id -u ada")) // her gid as well
	explains := func(t *testing.T, want string) {
		t.Helper()
		within(t, r, machine.Patience, func() error {
			if out, _ := r.Run(t.Context(), "/usr/bin/sallyport", "explain", ada); !strings.Contains(out, want) {
				return fmt.Errorf("explain does not say %q:\n%s", want, out)
			}
			return nil
		})
	}
	for name, c := range map[string]struct{ file, line, want string }{
		"a local account":     {"/etc/passwd", "ada:x:4321:4321::/:/bin/sh", "A local account has this name"},
		"a local group":       {"/etc/group", "theirs:x:" + id + ":", "or a local group its gid"},
		"a subordinate range": {"/etc/subuid", "local:" + id + ":10", "lies in a range of /etc/subuid or /etc/subgid"},
		"a range of groups":   {"/etc/subgid", "local:" + id + ":10", "lies in a range of /etc/subuid or /etc/subgid"},
	} {
		t.Run(name+" counts on its own, and so does its end", func(t *testing.T) {
			explains(t, "may log in")
			script(t, r, "touch "+c.file+"; cp -p "+c.file+" /root/before; echo \""+c.line+"\" >> "+c.file)
			explains(t, c.want)
			script(t, r, "cp -p /root/before "+c.file)
			explains(t, "may log in")
			within(t, r, machine.Patience, func() error { // programs read it from the snapshot, which follows
				_, err := r.Run(t.Context(), "/usr/bin/getent", "passwd", ada)
				return err
			})
		})
	}
	t.Run("the key that seals counts from a reload on", func(t *testing.T) {
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		lets(t, ways(r, ada, adaPass)["su"], ada)
		script(t, r, "cp -p /var/lib/sallyport/seal.key /root/; rm /var/lib/sallyport/seal.key")
		lets(t, ways(r, ada, adaPass)["su"], ada)
		must(t, r.Daemon.Signal(syscall.SIGHUP))
		must(t, ready(t, r, "the settings are read anew"))
		must(t, r.WaitOffline(t.Context()))
		keepsOut(t, ways(r, ada, adaPass)["su"])
	})
}

// ready waits until the daemon has written that.
func ready(t *testing.T, r *machine.Realm, text string) error {
	t.Helper()
	return r.Daemon.Output.Wait(t.Context(), text)
}

// The same for files of the server.
// Promise clients-renewed.
func TestFilesOfTheServerAreReadAgainAsThePageSays(t *testing.T) {
	r := bare(t)
	must(t, r.StartServer(t.Context()))
	again := func(t *testing.T) {
		t.Helper()
		must(t, r.Server.Stop(t.Context()))
		must(t, r.StartServer(t.Context()))
	}
	admin(t, r, "", "account", "add", ada)
	sets := func(password string) error {
		_, err := r.Admin(t.Context(), password, "account", "set-password", ada)
		return err
	}
	t.Run("the list of common passwords, on its own", func(t *testing.T) {
		script(t, r, `
			echo 'a word of ours' > /srv/common; chmod 0644 /srv/common
			sed -i 's|^{|{"common_passwords": "/srv/common",|' `+machine.ServerDir+`/server.json`)
		must(t, sets("a word of ours"))
		again(t)
		if err := sets("a word of ours"); err == nil {
			t.Error("a common password is taken")
		}
		must(t, sets("another word of ours"))
		script(t, r, "echo 'another word of ours' > /srv/common; touch -d '1 hour ago' /srv/common")
		if err := sets("another word of ours"); err == nil {
			t.Error("a password that has become a common one is taken")
		}
		must(t, sets("a word of ours"))
	})
	t.Run("server.json, at a restart and not before", func(t *testing.T) {
		answers := func(address string) bool {
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		}
		script(t, r, "sed -i 's|127.0.0.1:8443|127.0.0.1:8444|' "+machine.ServerDir+"/server.json")
		admin(t, r, "", "realm", "show")
		if !answers("127.0.0.1:8443") || answers("127.0.0.1:8444") {
			t.Error("it listens elsewhere before it was restarted")
		}
		again(t)
		if answers("127.0.0.1:8443") || !answers("127.0.0.1:8444") {
			t.Error("it listens as before")
		}
	})
	t.Run("keys, by the commands that change them", func(t *testing.T) {
		shown := func() string { return admin(t, r, "", "keys", "show") }
		for _, command := range []string{"rotate", "new-ca"} {
			before := shown()
			admin(t, r, "", "keys", command)
			if shown() == before {
				t.Errorf("after keys %s the server shows\n%s", command, before)
			}
		}
	})
}
