package daemon

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
)

// A program such as fail2ban reads these lines, and shuts hosts out by them.
// Promise clients-fail2ban.
func TestTheLogNamesTheHostThatARefusalCameFrom(t *testing.T) {
	for what, c := range map[string]struct {
		user, host string
		peer       uint32
		want       string // the end of the line
	}{
		"from another host":          {"alice", "203.0.113.9", 0, " account=alice peer=0 verdict=denied host=203.0.113.9"},
		"by a trusted program":       {"alice", "203.0.113.9", 33, " account=alice peer=33 verdict=denied host=203.0.113.9"},
		"by anybody else, who lies":  {"alice", "203.0.113.9", 1900000100, " account=alice peer=1900000100 verdict=denied"},
		"here":                       {"alice", "", 0, " account=alice peer=0 verdict=denied"},
		"a name that nobody has":     {"my secret word", "203.0.113.9", 0, ` account=(unknown) peer=0 verdict="unknown user" host=203.0.113.9`},
		"a host that is more a line": {"alice", "h\nmsg=decided verdict=denied host=192.0.2.1", 0, ` host="h\nmsg=decided verdict=denied host=192.0.2.1"`},
	} {
		t.Run(what, func(t *testing.T) {
			h := newTestMachine(t)
			h.local("passwd", "www-data:x:33:33::/var/www:/usr/sbin/nologin\n")
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			h.d.p.Services = map[string]policy.Service{"web": {TrustedUsers: []string{"www-data"}}}
			var log buffer
			h.d.log = slog.New(slog.NewTextHandler(&log, nil))
			h.d.Decide(bg, identity.Login{Operation: identity.OpAuthenticate, Service: "web", User: c.user, RemoteHost: c.host, Peer: identity.Peer{UID: c.peer}}, typing("wrong"))
			if !strings.HasSuffix(log.String(), c.want+"\n") || strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "secret") {
				t.Errorf("the log says\n%swant\n…%s", log.String(), c.want)
			}
		})
	}
}
