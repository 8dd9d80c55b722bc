package module_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/module"
	"github.com/sallyport-auth/sallyport/wire"
)

// people is a directory in memory.
type people struct {
	accounts []identity.Account
	groups   []identity.GroupEntry
	of       map[string][]uint32
	err      error
}

func (p *people) account(is func(identity.Account) bool) (identity.Account, error) {
	for _, a := range p.accounts {
		if is(a) {
			return a, p.err
		}
	}
	if p.err != nil {
		return identity.Account{}, p.err
	}
	return identity.Account{}, identity.ErrNotFound
}

func (p *people) group(is func(identity.GroupEntry) bool) (identity.GroupEntry, error) {
	for _, g := range p.groups {
		if is(g) {
			return g, p.err
		}
	}
	if p.err != nil {
		return identity.GroupEntry{}, p.err
	}
	return identity.GroupEntry{}, identity.ErrNotFound
}

func (p *people) AccountByName(_ context.Context, name string) (identity.Account, error) {
	n, err := (identity.Naming{Realm: "example.org", Aliases: true}).Canonical(name)
	if err != nil {
		return identity.Account{}, err
	}
	return p.account(func(a identity.Account) bool { return a.Name == n })
}

func (p *people) AccountByUID(_ context.Context, uid uint32) (identity.Account, error) {
	return p.account(func(a identity.Account) bool { return a.UID == uid })
}

func (p *people) GroupByName(_ context.Context, name string) (identity.GroupEntry, error) {
	return p.group(func(g identity.GroupEntry) bool { return string(g.Name) == name })
}

func (p *people) GroupByGID(_ context.Context, gid uint32) (identity.GroupEntry, error) {
	return p.group(func(g identity.GroupEntry) bool { return g.GID == gid })
}

func (p *people) GroupsOf(_ context.Context, name string) (identity.GroupIDs, error) {
	if gids, ok := p.of[name]; ok {
		return identity.GroupIDs{GIDs: gids}, p.err
	}
	return identity.GroupIDs{}, identity.ErrNotFound
}

func (p *people) Accounts(_ context.Context, each func(identity.Account) error) error {
	for _, a := range p.accounts {
		if err := each(a); err != nil {
			return err
		}
	}
	return p.err
}

func (p *people) Groups(_ context.Context, each func(identity.GroupEntry) error) error {
	for _, g := range p.groups {
		if err := each(g); err != nil {
			return err
		}
	}
	return p.err
}

func anAccount(name string, id uint32) identity.Account {
	return identity.Account{
		Name: identity.Name(name), UID: id, GID: id,
		FullName: "Person " + name, Home: "/home/" + name, Shell: "/bin/bash",
	}
}

func aGroup(name string, gid uint32, members ...identity.Name) identity.GroupEntry {
	return identity.GroupEntry{Group: identity.Group{Name: identity.Name(name), GID: gid}, Members: members}
}

func smallDirectory() *people {
	return &people{
		accounts: []identity.Account{anAccount("alice", 70001), anAccount("bob", 70002)},
		groups:   []identity.GroupEntry{aGroup("alice", 70001), aGroup("crew", 70100, "alice", "bob")},
		of:       map[string][]uint32{"alice": {70001, 70100}},
	}
}

const alice = "alice:x:70001:70001:Person alice:/home/alice:/bin/bash"

func TestGlibcFindsAccountsAndGroups(t *testing.T) {
	serve(t, smallDirectory())
	both(t, func(t *testing.T, v variant) {
		want(t, v.run(t, "pwnam=alice", "pwuid=70001", "grnam=crew", "grgid=70100", "groups=alice",
			"pwnam=carol", "pwuid=70003", "grnam=carol", "grgid=70003"),
			"pwnam: "+alice, "pwuid: "+alice, "grnam: crew:x:70100:alice,bob", "grgid: crew:x:70100:alice,bob",
			"groups: 1000 70001 70100", "pwnam: none", "pwuid: none", "grnam: none", "grgid: none")
		// The record's own name comes back, as it does from a case-folding
		// directory of any kind; PAM_USER stays as it was typed.
		want(t, v.run(t, "pwnam=ALICE", "pwnam=Alice@Example.Org"), "pwnam: "+alice, "pwnam: "+alice)
	})
}

func TestGlibcListsAll(t *testing.T) {
	serve(t, smallDirectory())
	both(t, func(t *testing.T, v variant) {
		want(t, v.run(t, "walk=passwd", "walk=group"), "pw: "+alice,
			"pw: bob:x:70002:70002:Person bob:/home/bob:/bin/bash", "2 of passwd",
			"gr: alice:x:70001:", "gr: crew:x:70100:alice,bob", "2 of group")
	})
}

func TestAGroupOfTenThousandArrivesWhole(t *testing.T) {
	var members []identity.Name
	bytes := 0
	for i := range 10000 {
		n := identity.Name(fmt.Sprintf("member-number-%05d", i))
		members, bytes = append(members, n), bytes+len(n)
	}
	p := smallDirectory()
	p.groups = append(p.groups, aGroup("many", 70200, members...))
	p.of["alice"] = nil
	for i := range uint32(4096) {
		p.of["alice"] = append(p.of["alice"], 80000+i)
	}
	serve(t, p)
	both(t, func(t *testing.T, v variant) {
		many := fmt.Sprintf("many:x:70200:10000 members of %d bytes", bytes)
		want(t, v.run(t, "grnam=many", "walk=group", "groups=alice"), "grnam: "+many,
			"gr: alice:x:70001:", "gr: crew:x:70100:alice,bob", "gr: "+many, "3 of group",
			"groups: 1000 80000 80001 80002 80003 80004 80005 80006 80007 80008 of 4097")
	})
}

func TestABufferIsEnoughOrItIsERANGE(t *testing.T) {
	serve(t, smallDirectory())
	both(t, func(t *testing.T, v variant) {
		passwd := len("alice") + len("x") + len("Person alice") + len("/home/alice") + len("/bin/bash") + 5
		group := len("crew") + len("x") + len("alice") + len("bob") + 4 + 3*8
		want(t, v.run(t, "squeeze-passwd=alice", "squeeze-group=crew"),
			fmt.Sprintf("fits at %d bytes", passwd), fmt.Sprintf("fits at %d bytes", group))
	})
}

// NSS statuses: -1 UNAVAIL, 0 NOTFOUND, 1 SUCCESS.
func TestNotFoundIsOnlySaidWithAuthority(t *testing.T) {
	serve(t, smallDirectory())
	both(t, func(t *testing.T, v variant) {
		want(t, v.run(t, "direct=alice", "direct=carol"), "status=1 error=0 errno=77", "status=0 error=ENOENT errno=77")
	})
}

func TestADirectoryThatCannotTellIsUnavailable(t *testing.T) {
	p := smallDirectory()
	p.err = identity.ErrUnavailable
	serve(t, p)
	both(t, func(t *testing.T, v variant) {
		want(t, v.run(t, "direct=carol"), "status=-1 error=EHOSTUNREACH errno=77")
	})
}

func TestWithoutADaemonOnlyTheImpossibleIsNotFound(t *testing.T) {
	both(t, func(t *testing.T, v variant) {
		want(t, v.run(t, "direct=alice", "direct-uid=70001"), "status=-1 error=ENOENT errno=77", "status=-1 error=ENOENT")
		for _, uid := range []string{"0", "999", "60001", "61184", "61200", "65534", "65535", "2147352576", "4294967294", "4294967295"} {
			want(t, v.run(t, "direct-uid="+uid), "status=0 error=ENOENT")
		}
		for _, name := range []string{"", "-a", ".a", "a:b", "a/b", "../a", "a\nb", "1000", "é", "a b", "a@", "@a", "a@b/c", "a@b@c", "a@-b", "1000@r", strings.Repeat("a", 65)} {
			want(t, v.run(t, "direct="+name), "status=0 error=ENOENT errno=77")
			if module.NamePossible(name) {
				t.Errorf("%q is thought possible", name)
			}
		}
	})
}

func TestARecordThatBreaksARuleEntersNoProgram(t *testing.T) {
	record := func(name string, uid, gid uint32, gecos, home string) *wire.Message {
		return wire.New(wire.Account).AddString(wire.Name, name).AddNumbers(wire.UID, uid).AddNumbers(wire.GID, gid).
			AddString(wire.FullName, gecos).AddString(wire.Home, home).AddString(wire.Shell, "/bin/sh")
	}
	cases := map[string]*wire.Message{
		"uid 0":                      record("alice", 0, 70001, "", "/"),
		"gid 0":                      record("alice", 70001, 0, "", "/"),
		"uid of a dynamic user":      record("alice", 61200, 70001, "", "/"),
		"uid -1":                     record("alice", 4294967295, 70001, "", "/"),
		"a line break in a name":     record("ali\nce", 70001, 70001, "", "/"),
		"upper case in a name":       record("Alice", 70001, 70001, "", "/"),
		"a colon in a full name":     record("alice", 70001, 70001, "a:b", "/"),
		"a line break in a home":     record("alice", 70001, 70001, "", "/a\nroot::0:0::/:/bin/sh"),
		"a home that is not a path":  record("alice", 70001, 70001, "", "home"),
		"a group in place of people": wire.New(wire.Group).AddString(wire.Name, "alice").AddNumbers(wire.GID, 70001),
	}
	for name, m := range cases {
		t.Run(name, func(t *testing.T) {
			fake(t, func(c *net.UnixConn) { hear(c); say(c, wire.New(wire.Working), m) })
			both(t, func(t *testing.T, v variant) {
				want(t, v.run(t, "direct=alice"), "status=-1 error=EPROTO errno=77")
			})
		})
	}
}

func TestGroupsOfAnAccountAreCheckedWhole(t *testing.T) {
	both(t, func(t *testing.T, v variant) {
		for _, bad := range []uint32{0, 27, 999, 65534, 4294967295} {
			t.Run(fmt.Sprint(bad), func(t *testing.T) {
				fake(t, func(c *net.UnixConn) { hear(c); say(c, wire.New(wire.Groups).AddNumbers(wire.GIDs, 70001, bad)) })
				want(t, v.run(t, "groups=alice", "direct-groups=alice"), "groups: 1000", "status=-1 start=0 size=1")
			})
		}
		t.Run("limit", func(t *testing.T) {
			fake(t, func(c *net.UnixConn) {
				hear(c)
				say(c, wire.New(wire.Groups).AddNumbers(wire.GIDs, 70001, 70002, 70003, 70002, 70004, 70005))
			})
			want(t, v.run(t, "direct-groups=alice"), "status=1 start=3 size=3")
		})
	})
}

// Promise 6.
func TestLocalGroupListsNeverWaitForUs(t *testing.T) {
	asked := make(chan struct{}, 100)
	fake(t, func(c *net.UnixConn) { hear(c); asked <- struct{}{} })
	both(t, func(t *testing.T, v variant) {
		v.run(t, "groups=root", "groups=local", "pwnam=root", "pwuid=0", "grgid=0")
	})
	if len(asked) > 0 {
		t.Errorf("the daemon was asked %d times about local accounts", len(asked))
	}
}

func hear(c *net.UnixConn) {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Read(make([]byte, 2048))
}

func say(c *net.UnixConn, messages ...*wire.Message) {
	for _, m := range messages {
		b, err := m.Marshal()
		if err != nil {
			panic(err)
		}
		_, _ = c.Write(b)
	}
}
