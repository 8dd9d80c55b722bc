package identity_test

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestAnAttemptIsCountedWhereItComesFrom(t *testing.T) {
	caller := func(login, uid uint32) identity.Caller {
		return identity.Caller{Known: true, LoginUID: login, RealUID: uid}
	}
	none := identity.NoLoginUID
	for sentence, c := range map[string]struct {
		login identity.Login
		want  string
	}{
		"a screen locker":                        {identity.Login{Peer: identity.Peer{UID: 1001}}, "uid 1001"},
		"a locker that claims to be elsewhere":   {identity.Login{Peer: identity.Peer{UID: 1001}, RemoteHost: "192.0.2.1", Caller: caller(1, 1)}, "uid 1001"},
		"ssh":                                    {identity.Login{RemoteHost: "192.0.2.1", Caller: caller(none, 0)}, "host 192.0.2.1"},
		"ssh, IPv4 in IPv6":                      {identity.Login{RemoteHost: "::ffff:192.0.2.1"}, "host 192.0.2.1"},
		"ssh, IPv6":                              {identity.Login{RemoteHost: "2001:db8:1:2:3::4"}, "host 2001:db8:1:2::/64"},
		"ssh, the same line by another address":  {identity.Login{RemoteHost: "2001:db8:1:2:ffff::1"}, "host 2001:db8:1:2::/64"},
		"ssh, link-local":                        {identity.Login{RemoteHost: "fe80::1%eth0"}, "host fe80::/64"},
		"ssh, with a host name":                  {identity.Login{RemoteHost: "Lap.Example"}, "host lap.example"},
		"a name of many letters":                 {identity.Login{RemoteHost: strings.Repeat("x", 4000)}, "host " + strings.Repeat("x", 128)},
		"a name with control characters":         {identity.Login{RemoteHost: "a\nb\x7f\xff"}, "host a?b??"},
		"su":                                     {identity.Login{RemoteUser: "local", Caller: caller(none, 1000)}, "uid 1000"},
		"su behind su":                           {identity.Login{RemoteUser: "bob", Caller: caller(1000, 1001)}, "uid 1000"},
		"su by root who logged in as root":       {identity.Login{RemoteUser: "root", Caller: caller(0, 0)}, "uid 0"},
		"sudo without audit":                     {identity.Login{RemoteUser: "bob", Caller: caller(none, 0)}, "user bob"},
		"sudo with audit":                        {identity.Login{RemoteUser: "bob", Caller: caller(1001, 0)}, "uid 1001"},
		"a greeter":                              {identity.Login{Caller: caller(none, 0)}, "seat"},
		"a console":                              {identity.Login{TTY: "tty1", Caller: caller(none, 0)}, "seat"},
		"a host whose process cannot be told of": {identity.Login{}, "unknown"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := c.login.Origin().String(); got != c.want {
				t.Errorf("origin %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhetherAnOriginIsHereOrElsewhere(t *testing.T) {
	var unknown identity.Origin
	if unknown.AtSeat() || unknown.Remote() || unknown.String() != "unknown" {
		t.Errorf("the zero origin is %q", unknown)
	}
	if !identity.Seat().AtSeat() || identity.Seat().Remote() {
		t.Error("the seat is not the seat")
	}
	ssh := identity.Login{RemoteHost: "192.0.2.1"}
	if ssh.Origin().AtSeat() || !ssh.Origin().Remote() {
		t.Error("another host is not elsewhere")
	}
}
