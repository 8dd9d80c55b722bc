package module_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// verdict answers every Begin with one packet, also one that the real server never sends.
func (r *rig) verdict(m *wire.Message) {
	r.t.Helper()
	b, err := m.Marshal()
	if err != nil {
		r.t.Fatal(err)
	}
	r.fake(func(c *net.UnixConn) {
		read(c)
		_, _ = c.Write(b)
	})
}

func full(code identity.Code) *wire.Message {
	return wire.New(wire.Verdict).AddNumbers(wire.Code, uint32(code)).AddString(wire.Secret, "hunter2").
		AddString(wire.Environment, "A=1").AddNumbers(wire.GIDs, 70100)
}

func TestARefusalHandsNothingOn(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		var b strings.Builder
		r.line(&b, "auth", "optional")
		fmt.Fprintf(&b, "auth optional %s\nauth required pam_permit.so\n", the.reveal)
		r.service(b.String())
		r.verdict(full(identity.Denied))
		want(t, r.run(nil, "alice", "auth", "env"), "info: authtok=- oldauthtok=-", "auth=0")
		r.stack()
		if got := r.run(nil, "alice", "setcred", "groups"); strings.Contains(got, "70100") || !strings.HasPrefix(got, "setcred=7") {
			t.Errorf("the host printed:\n%s", got)
		}
	})
}

func TestAPasswordIsHandedOnByWhatAsksForOneAlone(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		var b strings.Builder
		r.line(&b, "account", "required")
		fmt.Fprintf(&b, "account optional %s\n", the.reveal)
		r.service(b.String())
		r.serve(always(identity.Verdict{Code: identity.Granted, Password: identity.NewSecret([]byte("hunter2"))}))
		want(t, r.run(nil, "alice", "acct"), "info: authtok=- oldauthtok=-", "acct=0")
	})
}

func TestARefusalIsFollowedByItsDelay(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.serve(decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
			v := identity.Verdict{Code: identity.Denied}
			if l.User == "alice" {
				v.DelayMicros = 2_000_000
			}
			return v
		}))
		want(t, r.run(nil, "alice", "show-delay", "auth"), "delay after 7: a second or more", "auth=7")
		want(t, r.run(nil, "bob", "show-delay", "auth"), "delay after 7: none", "auth=7")
	})
}

func TestEarnedGroupsAreAddedToThoseThatAreThere(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test sets groups and must run as root")
	}
	both(t, func(t *testing.T, r *rig) {
		r.serve(always(identity.Verdict{Code: identity.Granted, Groups: []uint32{70100, 70101}}))
		want(t, r.run(nil, "alice", "in-group=4711", "setcred", "groups"), "setcred=0", "group 4711", "group 70100", "group 70101")
		want(t, r.run(nil, "alice", "in-group=70101", "setcred", "groups"), "setcred=0", "group 70100", "group 70101")
	})
}

func TestMoreGroupsThanAreAllowedGiveNone(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		groups := make([]uint32, 4097)
		for i := range groups {
			groups[i] = uint32(70100 + i)
		}
		r.serve(decide(func(_ context.Context, l identity.Login, _ identity.Conversation) identity.Verdict {
			if l.User == "alice" {
				return identity.Verdict{Code: identity.Granted, Groups: groups}
			}
			return identity.Verdict{Code: identity.Granted, Groups: groups[1:]}
		}))
		want(t, r.run(nil, "alice", "setcred"), "setcred=9")
		want(t, r.run(nil, "bob", "setcred"), "setcred=0")
	})
}
