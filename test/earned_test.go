package test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// vaulted is joined, with ada in a group that a session must earn by a code.
func vaulted(t *testing.T) *machine.Realm {
	t.Helper()
	r := joined(t)
	admin(t, r, "", "group", "add", "vault", "--demands", "totp", "--earned")
	admin(t, r, "", "group", "add-member", "vault", ada)
	within(t, r, machine.Patience, func() error {
		if out, err := r.Run(t.Context(), "/usr/bin/getent", "group", "vault"); err != nil || !strings.HasPrefix(out, "vault:") {
			return fmt.Errorf("getent says %q (%w)", out, err)
		}
		return nil
	})
	return r
}

// groupsIn are the groups that a session's kernel credentials have.
func groupsIn(screen string) []string {
	_, list, _ := strings.Cut(screen, machine.Proof(ada))
	list, _, _ = strings.Cut(list, "\n")
	return strings.Fields(list)
}

func hasVault(screen string) bool {
	for _, g := range groupsIn(screen) {
		if g == "vault" {
			return true
		}
	}
	return false
}

// TestASessionHasTheGroupThatItsStrengthEarned looks at the kernel's credentials of
// sessions that real hosts began, with the server and without.
// Promise gated-strength.
func TestASessionHasTheGroupThatItsStrengthEarned(t *testing.T) {
	r := vaulted(t)
	admin(t, r, "", "machine", "set", "laptop", "--offline-codes=true")
	admin(t, r, "", "group", "set", "admins", "--offline-codes=true")
	t.Run("nobody is told who is in it", func(t *testing.T) {
		if out := script(t, r, "id -Gn ada; getent initgroups ada; userdbctl groups-of-user ada 2>/dev/null; getent group vault"); strings.Count(out, "vault") != 1 ||
			strings.TrimSpace(out[strings.LastIndex(out, "vault:"):]) != strings.TrimRight("vault:x:"+gid(t, r)+":", "\n") {
			t.Errorf("programs are told:\n%s", out)
		}
	})
	t.Run("a password alone earns nothing", func(t *testing.T) {
		if s := lets(t, ways(r, ada, adaPass)["su"], ada); hasVault(s) {
			t.Errorf("it has it:\n%s", s)
		}
	})
	for _, where := range []string{"online", "offline"} {
		for _, name := range []string{"ssh keyboard-interactive", "su", "login"} {
			t.Run(name+", "+where, func(t *testing.T) {
				phone := enrol(t, r)
				if where == "offline" {
					lets(t, codeWays(r, phone.code(t))["su"], ada)
					must(t, r.Server.Stop(t.Context()))
					must(t, r.WaitOffline(t.Context()))
				}
				if s := lets(t, codeWays(r, phone.code(t))[name], ada); !hasVault(s) {
					t.Errorf("a password and a code have not earned it:\n%s", s)
				}
				if s := lets(t, byKey(r, ada), ada); hasVault(s) {
					t.Errorf("a session by key has it, right after one that earned it:\n%s", s)
				}
				if where == "offline" {
					must(t, r.StartServer(t.Context()))
					must(t, r.WaitOnline(t.Context()))
				}
			})
		}
	}
	t.Run("both in one line, by sshd's plain password method", func(t *testing.T) {
		phone := enrol(t, r)
		if s := lets(t, ways(r, ada, adaPass+phone.code(t))["ssh password"], ada); !hasVault(s) {
			t.Errorf("it is not earned:\n%s", s)
		}
	})
	t.Run("whoami tells", func(t *testing.T) {
		phone := enrol(t, r)
		o, err := r.TalkAs(t.Context(), local, []string{"assword: ", adaPass, "One-time code: ", phone.code(t)}, "su - ada -c 'sallyport whoami'")
		must(t, err)
		if !strings.Contains(o.Screen, "earned by this session, until its last process ends: the group vault") {
			t.Errorf("whoami says:\n%s", o.Screen)
		}
	})
	t.Run("root who becomes her has it not", func(t *testing.T) {
		if out := script(t, r, "su - ada -c 'id -Gn; sallyport whoami'"); !strings.Contains(out, "not earned by this session: the group vault, which takes a one-time code") {
			t.Errorf("whoami says:\n%s", out)
		}
	})
}

// TestSudoGoesByTheGroupThatTheSessionEarned has a rule for the group and no other,
// and takes no proof of sudo's own: the group is all there is.
// Promise gated-strength.
func TestSudoGoesByTheGroupThatTheSessionEarned(t *testing.T) {
	r := vaulted(t)
	reconfigure(t, r, "[service.sudo]\nstep_up = false")
	script(t, r, "echo '%vault ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/vault; rm /etc/sudoers.d/admins")
	phone := enrol(t, r)
	o, err := r.TalkAs(t.Context(), local, []string{"assword: ", adaPass, "One-time code: ", phone.code(t)}, "su - ada -c 'sudo -n id -un'")
	must(t, err)
	if !o.OK() || !strings.Contains(o.Screen, "root") {
		t.Errorf("who earned it, exit code %d:\n%s", o.Code, o.Screen)
	}
	if o, err = r.TalkAs(t.Context(), "root", nil, "su - ada -c 'sudo -n id -un'"); err != nil || o.OK() {
		t.Errorf("who has not, exit code %d, %v:\n%s", o.Code, err, o.Screen)
	}
}

// TestABackupCodeLetsInOnceWhereACodeIsAskedFor types one at real prompts.
func TestABackupCodeLetsInOnceWhereACodeIsAskedFor(t *testing.T) {
	r := joined(t)
	phone := enrol(t, r)
	codes := regexp.MustCompile(`(?m)^[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}$`).FindAllString(admin(t, r, "", "account", "backup-codes", ada), -1)
	if len(codes) < 3 {
		t.Fatalf("backup-codes printed %q", codes)
	}
	typing := func(code string) attempt {
		return func(ctx context.Context) (machine.Outcome, error) {
			return r.TalkAs(ctx, local, []string{"assword: ", adaPass, "One-time code or backup code: ", code}, "su - ada -c '"+iAm+"'")
		}
	}
	within(t, r, machine.Patience, func() error {
		if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "explain", ada, "--json"); err != nil || !strings.Contains(out, `"backup-code"`) {
			return fmt.Errorf("explain says %s (%w)", out, err)
		}
		return nil
	})
	lets(t, typing(codes[0]), ada)
	keepsOut(t, typing(codes[0]))
	lets(t, typing(strings.ToUpper(codes[1])), ada)
	lets(t, typing(phone.code(t)), ada)
	must(t, r.Server.Stop(t.Context()))
	must(t, r.WaitOffline(t.Context()))
	keepsOut(t, typing(codes[2]))
}

func gid(t *testing.T, r *machine.Realm) string {
	t.Helper()
	return strings.Split(script(t, r, "getent group vault"), ":")[2]
}

// TestStepUpOfSSHDCountsForTheProcessThatProvedIt has sshd demand a fresh proof: a
// login by key has none, and sshd cannot ask for one in its account phase.
func TestStepUpOfSSHDCountsForTheProcessThatProvedIt(t *testing.T) {
	r := configured(t, "[service.sshd]\nstep_up = true")
	t.Run("a password is a proof", func(t *testing.T) { lets(t, ways(r, ada, adaPass)["ssh keyboard-interactive"], ada) })
	t.Run("a key is none, even right after it", func(t *testing.T) { keepsOut(t, byKey(r, ada)) })
}

// TestSSHDAsksForACodeWhereItsServiceDemandsOne does so with an account that has
// one, and with one that has none.
func TestSSHDAsksForACodeWhereItsServiceDemandsOne(t *testing.T) {
	r := configured(t, "[service.sshd]\nstep_up = true\npoints = 30")
	t.Run("who has only a password is told why it is not enough", func(t *testing.T) {
		o, err := r.TalkAs(t.Context(), "root", []string{"assword: ", adaPass}, "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "+
			"-o LogLevel=INFO -o PreferredAuthentications=keyboard-interactive -o NumberOfPasswordPrompts=1 ada@127.0.0.1 '"+iAm+"'")
		must(t, err)
		if o.OK() || !strings.Contains(o.Screen, "demands more than was proved") {
			t.Errorf("exit code %d:\n%s", o.Code, o.Screen)
		}
	})
	phone := enrol(t, r)
	var try attempt = func(ctx context.Context) (machine.Outcome, error) {
		return codeWays(r, phone.code(t))["ssh keyboard-interactive"](ctx)
	}
	t.Run("a code makes it enough", func(t *testing.T) { lets(t, try, ada) })
}
