package desktop

import (
	"testing"
)

func TestTry(t *testing.T) {
	s := seated(t)
	s.types(greeter, bob)
	s.sees(greeter, "Password")
	s.types(greeter, bobPass)
	s.untilIn("loginctl list-sessions --no-legend | grep -w bob | grep -w seat0")
	t.Log(s.sees(bob, "Activities"))
	t.Log(s.in("ps -eo pid,user,args,cgroup | grep bob; loginctl"))
}
