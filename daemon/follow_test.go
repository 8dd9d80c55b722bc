package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise names-losses-urgent.
func TestWhatProgramsCanSeeGrowsContentAndALossIsUrgent(t *testing.T) {
	const nothing, content, urgent = 0, 1, 2
	tools := identity.Group{UUID: uuid.New(), Name: "tools", GID: 1900000600}
	renamed := stuff
	renamed.Name = "personnel"
	outside := stuff
	outside.GID = 70000
	for sentence, c := range map[string]struct {
		change func(*identity.IDToken)
		want   int
	}{
		"nothing":             {func(*identity.IDToken) {}, nothing},
		"a new key":           {func(t *identity.IDToken) { t.SSHKeys = []identity.SSHKey{{Tag: "a", Line: "ssh-ed25519 AAAA"}} }, nothing},
		"a new password":      {func(t *identity.IDToken) { t.Factors = []identity.Factor{{Kind: identity.Password, Epoch: 7}} }, nothing},
		"another order":       {func(t *identity.IDToken) { t.Groups = append(t.Groups[:1], tools, stuff) }, nothing},
		"a shorter time off":  {func(t *identity.IDToken) { t.OfflineFor = 1 }, nothing},
		"another shell":       {func(t *identity.IDToken) { t.Account.Shell = "/bin/zsh" }, content},
		"another home":        {func(t *identity.IDToken) { t.Account.Home = "/srv/alice" }, content},
		"another full name":   {func(t *identity.IDToken) { t.Account.FullName = "Alice" }, content},
		"another name":        {func(t *identity.IDToken) { t.Account.Name = "alicia" }, content},
		"one group more":      {func(t *identity.IDToken) { t.Groups = append(t.Groups, token("x", 1900000300).Groups[0]) }, content},
		"a renamed group":     {func(t *identity.IDToken) { t.Groups[1] = renamed }, content},
		"one group less":      {func(t *identity.IDToken) { t.Groups = t.Groups[:2] }, urgent},
		"a refused group":     {func(t *identity.IDToken) { t.Groups[1] = outside }, urgent},
		"disabled":            {func(t *identity.IDToken) { t.State = identity.Disabled }, urgent},
		"refused and blocked": {func(t *identity.IDToken) { t.Account.UID = 1900000999 }, urgent},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.give(token("alice", 1900000100, stuff, tools))
			<-h.d.Changed()
			before := h.d.Revisions()
			tok := token("alice", 1900000100, stuff, tools)
			tok.Revision = 9
			c.change(&tok)
			h.give(tok)
			after := h.d.Revisions()
			if got := after.Content > before.Content; got != (c.want >= content) {
				t.Errorf("content grew: %v", got)
			}
			if got := after.Urgent > before.Urgent; got != (c.want == urgent) {
				t.Errorf("urgent grew: %v", got)
			}
			select {
			case <-h.d.Changed():
				if c.want == nothing && after == before {
					t.Error("woken for nothing")
				}
			default:
				if c.want != nothing {
					t.Error("nobody is woken")
				}
			}
		})
	}
}

// Promise names-losses-urgent.
func TestLosingAnAccountIsUrgentHoweverItGoes(t *testing.T) {
	for sentence, lose := range map[string]func(h *testMachine, id uuid.UUID) error{
		"gone": func(h *testMachine, id uuid.UUID) error { return h.d.Apply(bg, resolver.Update{Gone: []uuid.UUID{id}}) },
		"cleared": func(h *testMachine, _ uuid.UUID) error {
			return h.d.Handle(bg, identity.Peer{}, report.VerbCacheClear, nil, nil)
		},
		"forgotten": func(h *testMachine, _ uuid.UUID) error {
			return h.d.Handle(bg, identity.Peer{}, report.VerbCacheForget, []byte(`{"name":"alice"}`), nil)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			tok := token("alice", 1900000100)
			h.give(tok)
			before := h.d.Revisions()
			must(t, lose(h, tok.Account.UUID))
			after := h.d.Revisions()
			if after.Urgent == before.Urgent || after.Content == before.Content || len(h.seen()) != 0 {
				t.Fatalf("%v, then %v; seen %q", before, after, h.seen())
			}
		})
	}
}

// Promise names-losses-urgent.
func TestALossCountsAlsoWhenItCannotBeStored(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.give(tok)
	before := h.d.Revisions()
	must(t, h.cache.Close()) // every write is an error now
	if err := h.d.Apply(bg, resolver.Update{Gone: []uuid.UUID{tok.Account.UUID}}); err == nil {
		t.Fatal("it was stored")
	}
	if h.d.Revisions().Urgent == before.Urgent {
		t.Fatal("nobody is told")
	}
}

// Promise names-losses-urgent.
func TestAChangeOfTheLocalFilesIsSeenByWhoFollows(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	h.wait("alice", func() bool { return h.d.Directory().Named("alice") != nil })
	replace := func(file, text string) {
		path := filepath.Join(h.root, "etc", file)
		must(t, os.WriteFile(path+"+", []byte(text), 0o644))
		must(t, os.Rename(path+"+", path))
	}
	before := h.d.Revisions()
	replace("passwd", "root:x:0:0::/root:/bin/sh\nelse:x:1000:1000::/:/bin/sh\n")
	h.wait("the change", func() bool { return h.d.Revisions().Content > before.Content })
	if got := h.d.Revisions().Urgent; got != before.Urgent {
		t.Error("a name that nobody had is urgent")
	}
	for i, text := range []string{"stuff:x:50:\n", "x:x:1900000100:\n"} {
		before = h.d.Revisions()
		replace("group", text)
		h.wait("the loss", func() bool { return h.d.Revisions().Urgent > before.Urgent })
		if h.d.Revisions().Content == before.Content {
			t.Errorf("%d: content did not grow", i)
		}
	}
	before = h.d.Revisions()
	h.local("passwd", "alice:x:1:1::/:/bin/sh\n") // written in place
	h.wait("the loss", func() bool { return h.d.Revisions().Urgent > before.Urgent })
}

func TestAFolderThatCannotBeWatchedIsLookedAt(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	must(t, os.RemoveAll(filepath.Join(h.root, "etc")))
	h.online()
	h.wait("alice", func() bool { return h.d.Directory().Named("alice") != nil })
	before := h.d.Revisions()
	h.local("passwd", "alice:x:1:1::/:/bin/sh\n")
	h.wait("the loss", func() bool { return h.d.Revisions().Urgent > before.Urgent })
}

// Promise names-absence.
func TestAnAbsentNameIsAnAnswerOnlyWhileTheListIsWhole(t *testing.T) {
	h := newTestMachine(t)
	absent := func() bool { return h.d.DirectoryStanding().Absent }
	if absent() {
		t.Error("before anything was heard")
	}
	h.srv.set(t, token("alice", 1900000100), nil)
	before := h.d.Revisions().Standing
	h.online()
	h.wait("the list", absent)
	h.wait("the news of it", func() bool { return h.d.Revisions().Standing > before })
	h.lost()
	if !absent() {
		t.Error("offline with a whole list")
	}
	h.restart()
	if absent() {
		t.Error("after a restart, before the server was heard of")
	}
	h.run()
	h.wait("offline", absent)
	h.d.MarkUnstored()
	if absent() {
		t.Error("with news that was not stored")
	}
	h.d.TakeUnstored()
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheClear, nil, nil))
	if absent() {
		t.Error("with a cleared cache")
	}
}

// Promise names-age.
func TestNamesAreAnsweredForAsLongAsPolicySays(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.policy.KeepNames = 24 * time.Hour })
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	h.wait("alice", func() bool { return h.d.Directory().Named("alice") != nil })
	h.lost()
	s := h.d.DirectoryStanding()
	if want := h.d.LastContact().Truncate(time.Second).Add(24 * time.Hour); !s.Until.Equal(want) || !s.Absent {
		t.Fatalf("%+v, want until %s", s, want)
	}
	ask := func() (list []error) {
		_, err := h.d.AccountByName(bg, "alice")
		list = append(list, err)
		_, err = h.d.AccountByUID(bg, 1900000100)
		list = append(list, err)
		_, err = h.d.GroupByName(bg, "stuff")
		list = append(list, err)
		_, err = h.d.GroupByGID(bg, stuff.GID)
		list = append(list, err)
		_, err = h.d.GroupsOf(bg, "alice")
		return append(list, err, h.d.Accounts(bg, func(identity.Account) error { return nil }),
			h.d.Groups(bg, func(identity.GroupEntry) error { return nil }))
	}
	h.clk.pass(23 * time.Hour)
	for i, err := range ask() {
		if err != nil {
			t.Errorf("question %d before the end: %v", i, err)
		}
	}
	h.clk.pass(time.Hour)
	for i, err := range ask() {
		if !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("question %d after the end: %v", i, err)
		}
	}
	if _, err := h.d.AccountByName(bg, "nobody-here"); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("absent after the end: %v", err)
	}
	if h.d.DirectoryStanding().Absent {
		t.Error("absent is an answer after the end")
	}
	// Who may log in is another matter.
	h.expect(identity.Denied, "alice", "secret")
	h.srv.be(up)
	h.wait("online again", func() bool { _, err := h.d.AccountByName(bg, "alice"); return err == nil })
	if h.d.DirectoryStanding().Until.Before(h.clk.now()) {
		t.Error("a contact does not move the end")
	}
}

func TestTheStatusSaysHowTheFileStands(t *testing.T) {
	h := newTestMachine(t)
	h.give(token("alice", 1900000100))
	if h.status().Directory != nil {
		t.Fatal("nobody publishes")
	}
	of, at := h.d.Revisions(), h.clk.now()
	h.d.SetPublished(of, report.Directory{Path: "/x/directory", Written: &at, Accounts: 1})
	if d := h.status().Directory; d == nil || d.StaleSince != nil || d.Accounts != 1 || d.Until != nil {
		t.Fatalf("%+v", d)
	}
	h.give(token("bob", 1900000101))
	d := h.status().Directory
	if d.StaleSince == nil || !d.StaleSince.Equal(at) {
		t.Fatalf("%+v", d)
	}
	has := func(severity report.Severity) bool {
		for _, f := range h.status().Findings {
			if f.Check == "directory" && f.Severity == severity {
				return true
			}
		}
		return false
	}
	if has(report.Warning) {
		t.Error("a finding for a moment's delay")
	}
	h.clk.pass(time.Minute)
	if !has(report.Warning) {
		t.Error("a file that stays behind is no finding")
	}
	h.d.SetPublished(of, report.Directory{Path: "/x/directory", Written: &at, LastError: "no space"})
	if !has(report.Problem) {
		t.Error("a failure to publish is no finding")
	}
}
