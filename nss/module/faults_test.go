package module_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/wire"
)

// A listener that never accepts is what a stopped daemon looks like.
func TestAStoppedDaemonDelaysAnUnknownNameBy50msAtMost(t *testing.T) {
	l, err := wire.Listen(the.socket, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	check := func(state string) {
		t.Helper()
		t.Setenv("TIMES", "1")
		lines := strings.Split(the.shipped.run(t, "direct=carol", "groups=root"), "\n")
		if lines[0] != "status=-1 error=ETIMEDOUT errno=77" || !strings.HasPrefix(lines[2], "groups:") {
			t.Fatalf("%s: the host printed %q", state, lines)
		}
		if ms, err := strconv.Atoi(strings.TrimPrefix(lines[1], "ms=")); err != nil || ms < 49 || ms > 3000 {
			t.Errorf("%s: gave up after %q", state, lines[1])
		}
	}
	check("stopped")
	for {
		c, err := wire.Dial(context.Background(), the.socket)
		if err != nil {
			break
		}
		defer func() { _ = c.Close() }()
	}
	check("stopped, its backlog full")
}

func TestABrokenDaemonIsUnavailable(t *testing.T) {
	group := func(name string, gid, more uint32) *wire.Message {
		m := wire.New(wire.Group).AddString(wire.Name, name).AddNumbers(wire.GID, gid).AddString(wire.Member, "alice")
		if more > 0 {
			m.AddNumbers(wire.More, more)
		}
		return m
	}
	working := wire.New(wire.Working)
	cases := map[string]struct {
		messages []*wire.Message
		raw      string
		step     string
		want     string
	}{
		"hangs up at once":            {nil, "", "direct=alice", "status=-1 error=ECONNRESET errno=77"},
		"hangs up after Working":      {[]*wire.Message{working}, "", "direct=alice", "status=-1 error=ECONNRESET errno=77"},
		"garbage":                     {nil, "garbage", "direct=alice", "status=-1 error=EPROTO errno=77"},
		"more than 64 KiB":            {nil, strings.Repeat("\x01", wire.MaxPacket+1), "direct=alice", "status=-1 error=EPROTO errno=77"},
		"a verdict":                   {[]*wire.Message{wire.New(wire.Verdict).AddNumbers(wire.Code, 1)}, "", "direct=alice", "status=-1 error=EPROTO errno=77"},
		"another group in the middle": {[]*wire.Message{group("crew", 70100, 1), group("core", 70100, 0)}, "", "direct-group=crew", "status=-1 error=EPROTO"},
		"another id in the middle":    {[]*wire.Message{group("crew", 70100, 1), group("crew", 70101, 0)}, "", "direct-group=crew", "status=-1 error=EPROTO"},
		"half a group":                {[]*wire.Message{group("crew", 70100, 1)}, "", "direct-group=crew", "status=-1 error=ECONNRESET"},
		"half a group, then none":     {[]*wire.Message{group("crew", 70100, 1), wire.New(wire.NotFound)}, "", "direct-group=crew", "status=-1 error=EPROTO"},
		"half a list":                 {[]*wire.Message{group("crew", 70100, 0)}, "", "walk=group", "0 of group"},
		"a list that breaks off in a group": {
			[]*wire.Message{group("crew", 70100, 1), wire.New(wire.End)}, "", "walk=group", "0 of group",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fake(t, func(conn *net.UnixConn) {
				hear(conn)
				_ = conn.SetWriteBuffer(1 << 20)
				say(conn, c.messages...)
				if c.raw != "" {
					_, _ = conn.Write([]byte(c.raw))
				}
			})
			both(t, func(t *testing.T, v variant) { want(t, v.run(t, c.step), c.want) })
		})
	}
}

func TestARecordInAListThatBreaksARuleIsPassedOver(t *testing.T) {
	fake(t, func(c *net.UnixConn) {
		hear(c)
		for _, g := range []struct {
			name string
			gid  uint32
		}{{"first", 70100}, {"ro:ot", 70101}, {"root", 0}, {"last", 70102}} {
			say(c, wire.New(wire.Group).AddString(wire.Name, g.name).AddNumbers(wire.GID, g.gid))
		}
		say(c, wire.New(wire.End))
	})
	both(t, func(t *testing.T, v variant) {
		want(t, v.run(t, "walk=group"), "gr: first:x:70100:", "gr: last:x:70102:", "2 of group")
	})
}

func TestSixtyFourThreadsAtOnce(t *testing.T) {
	serve(t, smallDirectory())
	both(t, func(t *testing.T, v variant) { want(t, v.run(t, "threads=64"), "threads found 1280") })
}

func TestAHostMayForkAndCloseItsStandardDescriptors(t *testing.T) {
	serve(t, smallDirectory())
	both(t, func(t *testing.T, v variant) {
		want(t, v.run(t, "pwnam=alice", "close-stdio", "pwnam=alice", "fork", "pwnam=alice", "walk=passwd", "fork", "walk=group"),
			"pwnam: "+alice, "pwnam: "+alice, "pwnam: "+alice, "pw: "+alice,
			"pw: bob:x:70002:70002:Person bob:/home/bob:/bin/bash", "2 of passwd",
			"gr: alice:x:70001:", "gr: crew:x:70100:alice,bob", "2 of group")
	})
}
