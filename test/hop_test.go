package test

import (
	"strings"
	"testing"
)

func TestAKeyForOneHopLetsInAtThatHostAlone(t *testing.T) {
	n := network(t, "web1", "other")
	admin(t, n.Realm, "", "rule", "add", "admins-login", "--who", "admins", "--machines", "web1", "--effect", "grant")
	n.signsIn(ada, adaPass)
	n.in(n.hops(ada, "web1 "+whoThere), "web1", ada)
	n.in(n.hops(ada, "web1.example.org "+whoThere), "web1", ada)
	o := n.hops(ada, "other "+whoThere)
	n.out(o)
	if !strings.Contains(o.Screen, "rule") {
		t.Errorf("it does not say why: %s", o.Screen)
	}
	if o := n.hops(ada, "web1 exit 7"); o.Code != 7 {
		t.Errorf("exit code %d, want 7:\n%s", o.Code, o.Screen)
	}
}
