package module_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// view is a directory in memory, as the daemon would publish it.
type view struct {
	accounts []identity.Listed
	groups   []identity.ListedGroup
}

func (v *view) Accounts() iter.Seq[*identity.Listed] {
	return func(yield func(*identity.Listed) bool) {
		for i := range v.accounts {
			if !yield(&v.accounts[i]) {
				return
			}
		}
	}
}

func (v *view) Groups() iter.Seq[identity.ListedGroup] { return slices.Values(v.groups) }

func listed(name identity.Name, gid uint32) identity.ListedGroup {
	return identity.ListedGroup{Group: identity.Group{Name: name, GID: gid}}
}

func (v *view) add(name string, id uint32, gids ...uint32) *identity.Listed {
	gids = append(gids, id)
	slices.Sort(gids)
	v.accounts = append(v.accounts, identity.Listed{Account: anAccount(name, id), GroupIDs: identity.GroupIDs{GIDs: gids}})
	v.groups = append(v.groups, listed(identity.Name(name), id))
	slices.SortFunc(v.groups, func(a, b identity.ListedGroup) int { return int(a.GID) - int(b.GID) })
	return &v.accounts[len(v.accounts)-1]
}

// fewPeople is the smallDirectory with more in it: bob is in a group of the machine's own.
func fewPeople() *view {
	v := &view{groups: []identity.ListedGroup{listed("crew", 70100)}}
	v.add("alice", 70001, 70100)
	v.add("bob", 70002, 70100).Local = []uint32{44, 998}
	return v
}

const (
	bob    = "bob:x:70002:70002:Person bob:/home/bob:/bin/bash"
	crew   = "crew:x:70100:alice,bob"
	absent = "status=0 error=ENOENT"
	unsaid = "status=-1 error=ENOENT" // there is no socket
)

func whole() snapshot.Options {
	return snapshot.Options{
		Realms: []snapshot.Realm{{Name: "example.org"}}, Aliases: true, AbsentUntil: time.Now().Add(30 * time.Minute),
		Standing: identity.DirectoryStanding{Absent: true, Until: time.Now().Add(24 * time.Hour)},
	}
}

func (b *built) path() string { return filepath.Join(b.cache, "directory") }

// publish puts a new file in place, as the daemon does, until the test ends.
func publish(t testing.TB, v identity.View, o snapshot.Options) {
	t.Helper()
	f, err := os.CreateTemp(the.cache, "new")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.Write(f, v, o); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		t.Fatal(err)
	}
	replace(t, f.Name())
}

// replace renames a file over the published one and marks that as superseded.
func replace(t testing.TB, name string) {
	t.Helper()
	old, missing := snapshot.OpenMarks(the.path())
	if err := os.Rename(name, the.path()); err != nil {
		t.Fatal(err)
	}
	if missing == nil {
		old.Supersede()
		_ = old.Close()
	}
	t.Cleanup(func() { _ = os.Remove(the.path()) })
}

// ask starts the host program that calls the module itself.
func (v variant) ask(t *testing.T, steps ...string) string {
	t.Helper()
	v.host = v.mapped
	return v.run(t, steps...)
}

// session is a host program that waits for the test between its steps.
type session struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
	cmd *exec.Cmd
	err bytes.Buffer
}

func (v variant) start(t *testing.T, steps ...string) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &session{t: t, cmd: exec.CommandContext(ctx, v.mapped, steps...)}
	s.cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+v.dir)
	s.cmd.Stderr = &s.err
	in, err1 := s.cmd.StdinPipe()
	out, err2 := s.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, s.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	s.in, s.out = in, bufio.NewScanner(out)
	return s
}

// want reads lines and compares.
func (s *session) want(lines ...string) {
	s.t.Helper()
	for _, w := range lines {
		if !s.out.Scan() || s.out.Text() != w {
			s.t.Fatalf("the host printed %q, want %q\n%s", s.out.Text(), w, s.err.String())
		}
	}
}

func (s *session) goOn() { _, _ = s.in.Write([]byte("\n")) }

func (s *session) end() {
	s.t.Helper()
	_ = s.in.Close()
	for s.out.Scan() {
		s.t.Errorf("the host also printed %q", s.out.Text())
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("%v\n%s", err, s.err.String())
	}
}

// Promise 6.
func TestTheSnapshotAnswersEveryQuestionWithoutTheDaemon(t *testing.T) {
	publish(t, fewPeople(), whole())
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, "pwnam=alice", "pwuid=70002", "grnam=crew", "grgid=70100", "grnam=alice", "grgid=70002",
			"groups=alice/70001", "groups=bob/70100", "errno-pwnam=alice", "errno-pwnam=carol"),
			alice, bob, crew, crew, "alice:x:70001:alice", "bob:x:70002:bob",
			"groups 1 0: 70100", "groups 1 0: 70002 44 998", "errno=77", "errno=77")
		want(t, v.ask(t, "pwnam=carol", "pwuid=70100", "pwnam=crew", "grnam=carol", "grgid=70003", "groups=carol"),
			absent, absent, absent, absent, absent, "groups 0 ENOENT:")
		want(t, v.ask(t, "pwent=9", "grent=9", "setpwent", "setgrent", "pwent=1", "grent=1"),
			alice, bob, absent, "alice:x:70001:alice", "bob:x:70002:bob", crew, absent, alice, "alice:x:70001:alice")
		want(t, v.run(t, "pwnam=alice", "walk=passwd", "walk=group", "groups=alice"), "pwnam: "+alice,
			"pw: "+alice, "pw: "+bob, "2 of passwd", "gr: alice:x:70001:alice", "gr: bob:x:70002:bob", "gr: "+crew, "3 of group",
			"groups: 1000 70001 70100")
	})
}

func TestAliasesFindTheAccountWherePolicyAllows(t *testing.T) {
	typed := []string{"pwnam=ALICE", "pwnam=Alice@Example.Org", "grnam=Crew", "grnam=CREW@example.org", "pwnam=alice@elsewhere.org", "pwnam=alice@example.or", "pwnam=alice@example.orgy"}
	publish(t, fewPeople(), whole())
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, typed...), alice, alice, crew, crew, absent, absent, absent)
	})
	o := whole()
	o.Aliases = false
	publish(t, fewPeople(), o)
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, append(typed, "pwnam=alice")...), absent, absent, absent, absent, absent, absent, absent, alice)
	})
}

// Promise 6.
func TestAbsenceIsAnAnswerOnlyWithAuthority(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*snapshot.Options)
		known  string
		other  string
	}{
		"fresh":                 {func(*snapshot.Options) {}, alice, absent},
		"never whole":           {func(o *snapshot.Options) { o.Standing.Absent = false }, alice, unsaid},
		"no longer fresh":       {func(o *snapshot.Options) { o.AbsentUntil = time.Now().Add(-time.Second) }, alice, unsaid},
		"from another clock":    {func(o *snapshot.Options) { o.AbsentUntil = time.Now().Add(2 * time.Hour) }, alice, unsaid},
		"for ever":              {func(o *snapshot.Options) { o.Standing.Until = identity.Forever() }, alice, absent},
		"too old":               {func(o *snapshot.Options) { o.Standing.Until = time.Now().Add(-time.Second) }, unsaid, unsaid},
		"of no standing at all": {func(o *snapshot.Options) { o.Standing = identity.DirectoryStanding{} }, unsaid, unsaid},
	} {
		t.Run(name, func(t *testing.T) {
			o := whole()
			c.change(&o)
			publish(t, fewPeople(), o)
			both(t, func(t *testing.T, v variant) {
				want(t, v.ask(t, "pwnam=alice", "pwnam=carol", "pwuid=70003", "grnam=carol", "grgid=70003"),
					c.known, c.other, c.other, c.other, c.other)
			})
		})
	}
}

func TestTheDaemonIsAskedForWhatTheSnapshotCannotDecide(t *testing.T) {
	o := whole()
	o.Standing.Absent = false
	publish(t, fewPeople(), o)
	p := smallDirectory()
	p.accounts = append(p.accounts, anAccount("carol", 70003))
	serve(t, p)
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, "pwnam=alice", "pwnam=carol", "pwuid=70003", "pwnam=dave"), alice,
			"carol:x:70003:70003:Person carol:/home/carol:/bin/bash", "carol:x:70003:70003:Person carol:/home/carol:/bin/bash", absent)
	})
}

func TestASnapshotNeedsARoomOfExactlyItsSize(t *testing.T) {
	publish(t, fewPeople(), whole())
	passwd, group := len("alice..x..Person alice../home/alice../bin/bash.")-4, len("crew.x.alice.bob.")+3*8
	both(t, func(t *testing.T, v variant) {
		want(t, v.run(t, "squeeze-passwd=alice", "squeeze-group=crew"),
			fmt.Sprintf("fits at %d bytes", passwd), fmt.Sprintf("fits at %d bytes", group))
	})
}

func TestAGroupOfFiftyThousandIsOneBlock(t *testing.T) {
	v, bytes := fewPeople(), len("alice")+len("bob")
	for i := range uint32(50000) {
		name := fmt.Sprintf("member-%05d", i)
		v.add(name, 200000+i, 70100)
		bytes += len(name)
	}
	publish(t, v, whole())
	size := len("crew.x.") + bytes + 50002 + 8*50003
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, fmt.Sprintf("room=%d", size-1), "grnam=crew", fmt.Sprintf("room=%d", size), "grnam=crew", "allocations"),
			"status=-2 error=ERANGE", fmt.Sprintf("crew:x:70100:50002 members of %d bytes", bytes), "allocations=0")
	})
}

func TestNothingIsAllocatedForAHitOrAMissOrASmallRoom(t *testing.T) {
	publish(t, fewPeople(), whole())
	out := the.variants[0].ask(t, "pwnam=alice", "pwuid=70002", "grnam=crew", "grgid=70100", "grnam=alice", "pwnam=carol",
		"pwuid=70003", "grgid=70003", "pwent=1", "grent=1", "room=8", "pwnam=alice", "grnam=crew", "pwent=1", "allocations", "kept")
	if !strings.HasSuffix(out, "\nallocations=0\nmappings=1 descriptors=0\n") {
		t.Errorf("the host printed %s", out)
	}
}
