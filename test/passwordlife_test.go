package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// dueTurns are the answers of a person who signs in with the old password and sets a new one.
func dueTurns(old, fresh string) []string {
	return []string{"assword: ", old, "urrent password: ", old, "ew password: ", fresh, "etype new password: ", fresh}
}

// mustChange asks ada for a new password, and waits until the machine knows.
func mustChange(t *testing.T, r *machine.Realm) {
	t.Helper()
	before := revision(t, r)
	admin(t, r, "", "account", "set", ada, "--must-change=true")
	within(t, r, 2*time.Second+machine.Patience/10, func() error {
		if revision(t, r) == before {
			return fmt.Errorf("the machine still has revision %s", before)
		}
		return nil
	})
}

// revision is that of ada's account as the machine knows it.
func revision(t *testing.T, r *machine.Realm) string {
	t.Helper()
	_, after, _ := strings.Cut(script(t, r, "sallyport explain "+ada+" || true"), "revision ")
	rev, _, _ := strings.Cut(after, "\n")
	return strings.Fields(rev + " ?")[0]
}

// Promise password-due-changed, password-due-who, password-due-offline.
func TestADuePasswordIsChangedInTheSameLogin(t *testing.T) {
	r := joined(t)
	old := adaPass
	hosts := []struct {
		name string
		try  func(turns []string) attempt
	}{
		{"su", func(turns []string) attempt {
			return func(ctx context.Context) (machine.Outcome, error) { return r.SUTalk(ctx, local, ada, turns) }
		}},
		{"ssh keyboard-interactive", func(turns []string) attempt {
			return func(ctx context.Context) (machine.Outcome, error) { return r.SSHTalk(ctx, ada, turns) }
		}},
		{"login", func(turns []string) attempt {
			return func(ctx context.Context) (machine.Outcome, error) { return r.LoginTalk(ctx, ada, turns) }
		}},
	}
	for i, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			mustChange(t, r)
			fresh := fmt.Sprintf("%s %d", nextPass, i)
			lets(t, h.try(dueTurns(old, fresh)), ada)
			keepsOut(t, ways(r, ada, old)["su"])
			lets(t, ways(r, ada, fresh)["su"], ada)
			old = fresh
		})
	}
	t.Run("not for a login by key", func(t *testing.T) {
		mustChange(t, r)
		lets(t, byKey(r, ada), ada)
	})
	t.Run("offline it lets in and says so", func(t *testing.T) {
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		if s := lets(t, ways(r, ada, old)["su"], ada); !strings.Contains(s, "Your password must be changed.") {
			t.Errorf("the person is not told:\n%s", s)
		}
	})
}

// sshd has a password changed by passwd(1) in the session of somebody who came by key.
// Promise password-due-key.
func TestADuePasswordConcernsKeysWherePolicySaysSo(t *testing.T) {
	r := joined(t)
	lets(t, byKey(r, ada), ada)
	mustChange(t, r)
	rule := func(value string) {
		reconfigure(t, r, "[service.sshd]\npassword_due_with_key = \""+value+"\"")
	}
	t.Run("refuse", func(t *testing.T) {
		before := script(t, r, "cat /etc/sallyport/sallyportd.toml")
		rule("refuse")
		keepsOut(t, byKey(r, ada))
		said := script(t, r, "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -i "+adaKey+" "+ada+"@127.0.0.1 true 2>&1 || true")
		mentions(t, said, "Your password must be changed.", "Until then sshd takes nothing else.", "Log in with the password.")
		mentions(t, script(t, r, "sallyport explain ada --service sshd"), "a login without it, such as by ssh key, is refused until it is changed")
		lets(t, func(ctx context.Context) (machine.Outcome, error) {
			return r.SSHTalk(ctx, ada, dueTurns(adaPass, nextPass))
		}, ada)
		lets(t, byKey(r, ada), ada)
		must(t, r.WriteFile("/etc/sallyport/sallyportd.toml", before, 0o644))
	})
	t.Run("ask", func(t *testing.T) {
		rule("ask")
		const third = nextPass + " of this year"
		mustChange(t, r)
		keepsOut(t, byKey(r, ada)) // a command, with nobody to ask
		c, err := r.Console(t.Context(), "/usr/bin/ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", adaKey, "-tt", ada+"@127.0.0.1")
		must(t, err)
		must(t, c.Talk(t.Context(), "urrent password: ", nextPass, "ew password: ", third, "etype new password: ", third))
		_, _, err = c.Wait(t.Context())
		must(t, err)
		lets(t, byKey(r, ada), ada)
		lets(t, ways(r, ada, third)["su"], ada)
	})
}

// Promise password-form.
func TestAnUmlautLogsInFromEitherKeyboard(t *testing.T) {
	r := joined(t)
	const composed, decomposed = "gr\u00fcn ist die hoffnung", "gru\u0308n ist die hoffnung"
	admin(t, r, decomposed, "account", "set-password", ada)
	everywhere := func(t *testing.T) {
		t.Helper()
		for _, typed := range []string{composed, decomposed} {
			for _, host := range []string{"su", "ssh keyboard-interactive"} {
				lets(t, ways(r, ada, typed)[host], ada)
			}
		}
		keepsOut(t, ways(r, ada, "grun ist die hoffnung")["su"])
	}
	t.Run("online", everywhere)
	t.Run("offline", func(t *testing.T) {
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		everywhere(t)
	})
}
