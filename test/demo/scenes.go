package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// ada lives on the server only; local is an account of the machine itself.
const (
	name     = "ada"
	password = "correct horse battery"
	local    = "local"
	key      = "/root/ada_key"
	backup   = "/root/realm.backup"
)

type scene struct {
	title string
	play  func(ctx context.Context, r *machine.Realm) error
}

func scenes() []scene {
	online := []scene{
		{"glibc knows a person who lives on the server", getent},
		{"ssh with a password", sshPassword},
		{"ssh with a key from the ID token", sshKey},
		{"su", su},
		{"sudo", sudo},
		{"login at the console", login},
		{"a wrong password is refused", wrongPassword},
	}
	all := append([]scene{}, online...)
	all = append(all, scene{"ssh with a key for one time: a second person approves it; a chain of jumps; three ways round it", hops})
	n := new(otherRealms)
	all = append(all,
		scene{"two people of one realm make sure of each other over the telephone; who listens, repeats or relays", oneRealm},
		scene{"two people of two realms that do not trust each other", n.strangers},
		scene{"two people of two realms that do", n.partners},
		scene{"the other realm's server is away; then the trust ends", n.ended},
	)
	all = append(all, scene{"a one-time code, and a group that a session must earn by it", earn}, scene{"the server stops", stopServer})
	for _, s := range online {
		s.title = "offline: " + s.title
		all = append(all, s)
	}
	return append(all,
		scene{"the server comes back, and ada is disabled", disable},
		scene{"disabled: ssh with the right password is refused", refusedPassword},
		scene{"disabled: ssh with the key is refused", refusedKey},
		scene{"why? sallyport explain answers", explain},
		scene{"the server is restored from a backup in which ada was not disabled", restoreServer},
		scene{"restored: the machine says so, and ada is disabled anew", disableAnew},
		scene{"restored: ssh with the right password is refused", refusedPassword},
		scene{"restored: ssh with the key is refused", refusedKey},
		scene{"the machine's own account logs in all the same", localLogin},
		scene{"the daemon is killed: names stay, for every program", namesWithoutDaemon},
	)
}

// prepare installs, makes the realm, joins the machine and starts everything.
func prepare(ctx context.Context, r *machine.Realm) error {
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"make install", r.Install},
		{"sallyport-server init, serve", r.StartServer},
		{"account add ada, group add admins", func(ctx context.Context) error { return people(ctx, r) }},
		{"sallyport join", r.Join},
		{"sallyportd", r.StartDaemon},
		{"online", r.WaitOnline},
		{"sshd", r.StartSSHD},
	} {
		say("%s", step.what)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

func people(ctx context.Context, r *machine.Realm) error {
	if _, err := r.Script(ctx, `
		useradd -m -s /bin/bash `+local+`
		echo '`+local+`:`+password+`' | chpasswd
		echo '%admins ALL=(ALL) ALL' > /etc/sudoers.d/admins
		chmod 0440 /etc/sudoers.d/admins
		echo 'KbdInteractiveAuthentication yes' > /etc/ssh/sshd_config.d/90-demo.conf
		# OpenSSH 9.8 and later shut an address out for a while that failed.
		if sshd -T 2>/dev/null | grep -qi '^persourcepenalties'; then echo 'PerSourcePenalties no' >> /etc/ssh/sshd_config.d/90-demo.conf; fi
		ssh-keygen -q -t ed25519 -N '' -f `+key); err != nil {
		return err
	}
	return r.AddPerson(ctx, name, password, key+".pub", "admins")
}

// expect shows the screen and compares whether the person got in.
func expect(o machine.Outcome, err error, in bool, who string) error {
	show(o.Screen)
	switch {
	case err != nil:
		return err
	case in && (!o.OK() || !strings.Contains(o.Screen, machine.Proof(who))):
		return fmt.Errorf("%s should be inside and is not (exit code %d)", who, o.Code)
	case !in && (o.OK() || strings.Contains(o.Screen, "I am ")):
		return fmt.Errorf("%s should be refused and is inside", who)
	case in:
		say("✓ %s is in", who)
	default:
		say("✓ refused")
	}
	return nil
}

func getent(ctx context.Context, r *machine.Realm) error {
	for _, cmd := range []string{"getent passwd ada", "getent group admins", "id ada"} {
		out, err := r.Script(ctx, cmd)
		show("$ " + cmd + "\n" + out)
		if err != nil {
			return err
		}
		if !strings.Contains(out, name) {
			return fmt.Errorf("%s does not know %s", cmd, name)
		}
	}
	return nil
}

func sshPassword(ctx context.Context, r *machine.Realm) error {
	o, err := r.SSHPassword(ctx, "keyboard-interactive", name, password)
	return expect(o, err, true, name)
}

func sshKey(ctx context.Context, r *machine.Realm) error {
	o, err := r.SSHKey(ctx, key, name)
	return expect(o, err, true, name)
}

func su(ctx context.Context, r *machine.Realm) error {
	o, err := r.SU(ctx, local, name, password)
	return expect(o, err, true, name)
}

func sudo(ctx context.Context, r *machine.Realm) error {
	o, err := r.Sudo(ctx, name, password)
	return expect(o, err, true, "root")
}

func login(ctx context.Context, r *machine.Realm) error {
	o, err := r.Login(ctx, name, password)
	return expect(o, err, true, name)
}

func wrongPassword(ctx context.Context, r *machine.Realm) error {
	o, err := r.SSHPassword(ctx, "keyboard-interactive", name, "not it")
	return expect(o, err, false, name)
}

func stopServer(ctx context.Context, r *machine.Realm) error {
	if err := r.Server.Stop(ctx); err != nil {
		return err
	}
	if err := r.WaitOffline(ctx); err != nil {
		return err
	}
	out, err := r.Run(ctx, "/usr/bin/sallyport", "status")
	show("$ sallyport status\n" + out)
	if err == nil || !strings.Contains(out, "offline") {
		return errors.New("status does not say that the server is away")
	}
	return nil
}

func disable(ctx context.Context, r *machine.Realm) error {
	if err := r.StartServer(ctx); err != nil {
		return err
	}
	out, err := r.Run(ctx, "/usr/sbin/sallyport-server", "backup", backup, "--dir", machine.ServerDir)
	show("$ sallyport-server backup " + backup + "\n" + out)
	if err != nil {
		return err
	}
	if _, err := r.Admin(ctx, "", "account", "disable", name); err != nil {
		return err
	}
	say("$ sallyport-server account disable %s", name)
	return r.WaitOnline(ctx)
}

// restoreServer goes back to before ada was disabled: the backup was made then.
func restoreServer(ctx context.Context, r *machine.Realm) error {
	if err := r.Server.Stop(ctx); err != nil {
		return err
	}
	if err := r.WaitOffline(ctx); err != nil {
		return err
	}
	out, err := r.Run(ctx, "/usr/sbin/sallyport-server", "restore", backup, "--replace", "--dir", machine.ServerDir)
	show("$ sallyport-server restore " + backup + " --replace\n" + out)
	if err != nil {
		return err
	}
	if err := r.StartServer(ctx); err != nil {
		return err
	}
	return r.WaitOnline(ctx)
}

func disableAnew(ctx context.Context, r *machine.Realm) error {
	out, err := r.Run(ctx, "/usr/bin/sallyport", "status")
	show("$ sallyport status\n" + out)
	if !strings.Contains(out, "The server was restored from a backup") {
		return errors.Join(errors.New("status does not say that the server was restored"), err)
	}
	if _, err := r.Admin(ctx, "", "account", "disable", name); err != nil {
		return err
	}
	say("$ sallyport-server account disable %s", name)
	return r.Eventually(ctx, func() error {
		out, err := r.Run(ctx, "/usr/bin/sallyport", "explain", name)
		if err == nil || !strings.Contains(out, "disabled") {
			return fmt.Errorf("explain does not say that %s is disabled", name)
		}
		return nil
	})
}

func refusedPassword(ctx context.Context, r *machine.Realm) error {
	o, err := r.SSHPassword(ctx, "keyboard-interactive", name, password)
	return expect(o, err, false, name)
}

func refusedKey(ctx context.Context, r *machine.Realm) error {
	o, err := r.SSHKey(ctx, key, name)
	return expect(o, err, false, name)
}

func explain(ctx context.Context, r *machine.Realm) error {
	out, err := r.Run(ctx, "/usr/bin/sallyport", "explain", name)
	show("$ sallyport explain " + name + "\n" + out)
	if err == nil || !strings.Contains(out, "disabled") {
		return fmt.Errorf("explain does not say that %s is disabled", name)
	}
	return nil
}

func localLogin(ctx context.Context, r *machine.Realm) error {
	o, err := r.SSHPassword(ctx, "password", local, password)
	return expect(o, err, true, local)
}

// namesWithoutDaemon asks as people do, when nobody is there to answer.
func namesWithoutDaemon(ctx context.Context, r *machine.Realm) error {
	if _, err := r.Script(ctx, "touch /srv/notes; chown ada:admins /srv/notes"); err != nil {
		return err
	}
	r.Daemon.Kill()
	for _, cmd := range []string{"id ada", "ls -l /srv/notes", "getent group admins", "find /srv -user ada"} {
		out, err := r.Script(ctx, cmd)
		show("$ " + cmd + "\n" + out)
		if err != nil {
			return err
		}
		if !strings.Contains(out, name) && !strings.Contains(out, "/srv/notes") {
			return fmt.Errorf("%s does not know %s", cmd, name)
		}
	}
	return nil
}
