// Package test signs people in on whole machines: the host's real sshd, su, sudo,
// login, glibc and systemd in a throwaway root (package machine), with the
// project installed by its own "make install". Each file is one question about
// the machine; every test starts with a machine of its own.
package test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// ada lives on the server, local and root on the machine.
const (
	ada       = "ada"
	adaPass   = "correct horse battery"
	local     = "local"
	localPass = "staple of the machine"
	rootPass  = "root of the machine"
	adaKey    = "/root/ada_key"
)

func TestMain(m *testing.M) {
	if err := machine.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// bare is a machine with the project installed and local people, and no realm yet.
func bare(t *testing.T) *machine.Realm {
	t.Helper()
	m, err := machine.New()
	if err != nil {
		t.Fatal(err)
	}
	r := &machine.Realm{Machine: m}
	t.Cleanup(func() {
		if t.Failed() {
			for what, p := range map[string]*machine.Process{"daemon": r.Daemon, "server": r.Server, "sshd": r.SSHD} {
				if p != nil {
					t.Logf("── what %s printed ──\n%s", what, tail(p.Output.String(), 60))
				}
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, r.Install(t.Context()))
	script(t, r, `
		useradd -m -s /bin/bash `+local+`
		printf '%s:%s\n' `+local+` '`+localPass+`' root '`+rootPass+`' | chpasswd
		printf 'PermitRootLogin yes\nMaxStartups 100\nKbdInteractiveAuthentication yes\n' > /etc/ssh/sshd_config.d/90-test.conf
		# OpenSSH 9.8 and later shut an address out for a while that failed.
		if sshd -T 2>/dev/null | grep -qi '^persourcepenalties'; then echo 'PerSourcePenalties no' >> /etc/ssh/sshd_config.d/90-test.conf; fi
		echo '%admins ALL=(ALL) ALL' > /etc/sudoers.d/admins
		echo 'local ALL=(ALL) ALL' > /etc/sudoers.d/local
		chmod 0440 /etc/sudoers.d/*
		ssh-keygen -q -t ed25519 -N '' -f `+adaKey)
	return r
}

// joined is a machine in a realm where ada is, with everything running.
func joined(t *testing.T) *machine.Realm {
	t.Helper()
	r, ctx := bare(t), t.Context()
	must(t, r.StartServer(ctx))
	must(t, r.AddPerson(ctx, ada, adaPass, adaKey+".pub", "admins"))
	must(t, r.Join(ctx))
	must(t, r.StartDaemon(ctx))
	must(t, r.WaitOnline(ctx))
	must(t, r.StartSSHD(ctx))
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func script(t *testing.T, r *machine.Realm, lines string) string {
	t.Helper()
	out, err := r.Script(t.Context(), lines)
	must(t, err)
	return out
}

func admin(t *testing.T, r *machine.Realm, secret string, words ...string) string {
	t.Helper()
	out, err := r.Admin(t.Context(), secret, words...)
	must(t, err)
	return out
}

// attempt is one way into the machine.
type attempt func(ctx context.Context) (machine.Outcome, error)

// lets asserts that the person gets in and becomes who.
func lets(t *testing.T, try attempt, who string) string {
	t.Helper()
	o, err := try(t.Context())
	must(t, err)
	if !o.OK() || !strings.Contains(o.Screen, machine.Proof(who)) {
		t.Errorf("%s is not in (exit code %d):\n%s", who, o.Code, o.Screen)
	}
	return o.Screen
}

// keepsOut asserts that nobody gets in.
func keepsOut(t *testing.T, try attempt) string {
	t.Helper()
	o, err := try(t.Context())
	must(t, err)
	if o.OK() || strings.Contains(o.Screen, "I am ") {
		t.Errorf("someone is in (exit code %d):\n%s", o.Code, o.Screen)
	}
	return o.Screen
}

// ways are every host program that asks for a password, by the name it has here.
func ways(r *machine.Realm, name, password string) map[string]attempt {
	return map[string]attempt{
		"ssh password": func(ctx context.Context) (machine.Outcome, error) {
			return r.SSHPassword(ctx, "password", name, password)
		},
		"ssh keyboard-interactive": func(ctx context.Context) (machine.Outcome, error) {
			return r.SSHPassword(ctx, "keyboard-interactive", name, password)
		},
		"su": func(ctx context.Context) (machine.Outcome, error) { return r.SU(ctx, local, name, password) },
		"login": func(ctx context.Context) (machine.Outcome, error) {
			return r.Login(ctx, name, password)
		},
	}
}

func byKey(r *machine.Realm, name string) attempt {
	return func(ctx context.Context) (machine.Outcome, error) { return r.SSHKey(ctx, adaKey, name) }
}

func bySudo(r *machine.Realm, name, password string) attempt {
	return func(ctx context.Context) (machine.Outcome, error) { return r.Sudo(ctx, name, password) }
}

// within waits until a condition holds: for what is promised to happen by itself.
func within(t *testing.T, r *machine.Realm, patience time.Duration, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, r.Eventually(ctx, ask))
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
