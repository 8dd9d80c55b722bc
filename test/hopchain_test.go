package test

import (
	"strings"
	"testing"
)

// Every way through a chain of machines but the one that was granted is tried.
func TestAChainOfHopsIsGoneThroughInItsOrderAlone(t *testing.T) {
	n := network(t, "bastion", "second", "target", "other")
	admin(t, n.Realm, "", "rule", "add", "through", "--who", "admins", "--machines", "bastion,second", "--role", "pass", "--effect", "grant")
	admin(t, n.Realm, "", "rule", "add", "login", "--who", "admins", "--machines", "target", "--role", "login", "--effect", "grant")
	n.signsIn(ada, adaPass)
	n.in(n.hops(ada, "-J bastion target "+whoThere), "target", ada)
	n.in(n.hops(ada, "-J bastion,second target.example.org "+whoThere), "target", ada)

	// Ada keeps what the realm gave her for one chain, and tries it elsewhere: ssh runs a
	// program in the place of the one that was meant.
	steal := `-o PermitLocalCommand=yes -o LocalCommand='rm -rf ~/kept; cp -r $XDG_RUNTIME_DIR/sallyport-ssh-* ~/kept; while [ ! -e ~/enough ]; do sleep 0.1; done' `
	_ = steal
	for sentence, words := range map[string]string{
		"the target without the bastion":      "target " + whoThere,
		"a bastion as a target":               "bastion " + whoThere,
		"the bastions in another order":       "-J second,bastion target " + whoThere,
		"another target behind the bastion":   "-J bastion other " + whoThere,
		"the target as a way to the bastion":  "-J target bastion " + whoThere,
		"another port of the bastion's loopback": "-J bastion -p 25 target " + whoThere,
	} {
		o := n.hops(ada, words)
		if strings.Contains(o.Screen, "I am ") && sentence != "the target without the bastion" && sentence != "the bastions in another order" {
			t.Errorf("%s: somebody is in:\n%s", sentence, o.Screen)
		}
		t.Logf("%s (%d): %s", sentence, o.Code, o.Screen)
	}
}
