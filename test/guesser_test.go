package test

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const neighbour = "neighbour"

// Whoever guesses at ada's password uses up their own tries. Before, five wrong ones from
// anywhere locked her out of the whole realm, and one guess at each expiry renewed it.
// Promise attack-local-passwords, attack-network-guesses, guess-own-place (whole machine).
func TestAGuesserLocksNobodyElseOut(t *testing.T) {
	for _, state := range []string{"online", "with the server stopped"} {
		t.Run(state, func(t *testing.T) {
			r := joined(t)
			script(t, r, "useradd -m -s /bin/bash "+neighbour)
			lets(t, ways(r, ada, adaPass)["login"], ada) // so that she can log in offline
			if state != "online" {
				must(t, r.Server.Stop(t.Context()))
			}
			from := func(address, password string) attempt {
				return func(ctx context.Context) (machine.Outcome, error) {
					return r.SSHFrom(ctx, address, "keyboard-interactive", ada, password)
				}
			}
			for range 5 {
				keepsOut(t, ways(r, ada, "wrong")["su"])
			}
			keepsOut(t, ways(r, ada, adaPass)["su"]) // the guesser, who has found it out by now
			lets(t, from("127.0.0.1", adaPass), ada)
			lets(t, ways(r, ada, adaPass)["login"], ada)
			lets(t, func(ctx context.Context) (machine.Outcome, error) { return r.SU(ctx, neighbour, ada, adaPass) }, ada)

			for range 5 {
				keepsOut(t, from("127.0.0.2", "wrong"))
			}
			keepsOut(t, from("127.0.0.2", adaPass))
			lets(t, from("127.0.0.1", adaPass), ada)

			if state == "online" {
				out := admin(t, r, "", "account", "show", ada)
				if !strings.Contains(out, "host 127.0.0.2") || !strings.Contains(out, "locked until") || !strings.Contains(out, "seat") {
					t.Errorf("account show says\n%s", out)
				}
				admin(t, r, "", "account", "unlock", ada)
			} else {
				out := script(t, r, "sallyport explain "+ada)
				if !strings.Contains(out, "from 127.0.0.2") || !strings.Contains(out, "in processes of the user") {
					t.Errorf("explain says\n%s", out)
				}
				script(t, r, "sallyport unlock "+ada)
			}
			lets(t, ways(r, ada, adaPass)["su"], ada)
			lets(t, from("127.0.0.2", adaPass), ada)
		})
	}
}
