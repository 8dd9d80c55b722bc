package test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// Whoever guesses over ssh sees the same of every name, and learns not even which exist.
// Promise attack-network-names, guess-names (whole machine).
func TestSSHSaysTheSameOfEveryNameThatIsGuessed(t *testing.T) {
	r := joined(t)
	const bob, eve = "bob", "eve"
	for _, name := range []string{bob, eve} {
		admin(t, r, "", "account", "add", name)
		admin(t, r, adaPass, "account", "set-password", name)
	}
	within(t, r, 5*time.Second, func() error { _, err := r.Run(t.Context(), "/usr/bin/id", eve); return err })
	for range 5 {
		keepsOut(t, ways(r, eve, "wrong")["ssh keyboard-interactive"]) // locked from here on
	}
	admin(t, r, "", "account", "disable", bob)
	const nobody = "nobodyhere"
	look := func(t *testing.T, state string, names map[string]string) {
		t.Helper()
		for _, method := range []string{"password", "keyboard-interactive"} {
			seen := make(map[string]string)
			for what, name := range names {
				o, err := r.SSHGuesses(t.Context(), method, name, 3, "wrong")
				must(t, err)
				if o.OK() {
					t.Fatalf("%s is in", name)
				}
				seen[what] = strings.ReplaceAll(o.Screen, name, "NAME")
			}
			want := seen["unknown"]
			if strings.Count(want, "assword: ") != 3 || !strings.Contains(want, "Permission denied (") {
				t.Fatalf("%s, %s: an unknown name sees\n%s", state, method, want)
			}
			for what, got := range seen {
				if got != want {
					t.Errorf("%s, %s: %s sees\n%s\nan unknown name sees\n%s", state, method, what, got, want)
				}
			}
		}
	}
	look(t, "online", map[string]string{"unknown": nobody, "known": ada, "locked": eve, "disabled": bob})

	// Offline, an account whose code cannot be checked here.
	admin(t, r, "", "account", "add-totp", ada, "--generate")
	within(t, r, 5*time.Second, func() error { _, err := r.Script(t.Context(), "sallyport explain ada | grep -q totp"); return err })
	must(t, r.Server.Stop(t.Context()))
	keepsOut(t, ways(r, bob, "wrong")["ssh keyboard-interactive"]) // so that the machine knows
	look(t, "offline", map[string]string{"unknown": nobody, "needs a code": ada, "disabled": bob})

	// Whoever gives the right password is told; at the machine everyone is.
	admitted := func(o machine.Outcome, err error) string { must(t, err); return o.Screen }
	if s := admitted(r.SSHFrom(t.Context(), "127.0.0.3", "keyboard-interactive", ada, adaPass)); !strings.Contains(s, "Offline") && !strings.Contains(s, "ssword") {
		t.Errorf("the right password sees %s", s)
	}
}
