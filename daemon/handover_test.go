package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/handover"
	"github.com/sallyport-auth/sallyport/identity"
)

// onePerson is a Realms with alice, who has a uid and a list to be handed over.
func onePerson(t *testing.T) (h *testMachine, list string) {
	t.Helper()
	h = newTestMachine(t, func(h *testMachine) {
		h.local("subuid", "local:100000:65536\n")
		h.local("subgid", "local:100000:65536\n")
	})
	h.give(token("alice", 1900000100))
	list = filepath.Join(h.dir, "subids")
	h.d.o.Realms.handOver.List = list
	return h, list
}

func session(h *testMachine, name string, peer identity.Peer, op identity.Operation) identity.Code {
	l := identity.Login{Operation: op, Service: "sshd", User: name, Peer: peer}
	return h.d.Decide(bg, l, nil).Code
}

// Promise subids-given.
func TestASessionThatRootBeginsGivesSubordinateIDs(t *testing.T) {
	for name, c := range map[string]struct {
		peer identity.Peer
		op   identity.Operation
		want int
	}{
		"root opens a session":       {asRoot, identity.OpOpenSession, 1},
		"root only sets credentials": {asRoot, identity.OpSetCredentials, 0},
		"root closes one":            {asRoot, identity.OpCloseSession, 0},
		"the account itself":         {identity.Peer{UID: 1900000100}, identity.OpOpenSession, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := onePerson(t)
			if code := session(h, "alice", c.peer, c.op); code != identity.Granted {
				t.Fatalf("%v", code)
			}
			if got := len(h.d.GivenSubIDs()); got != c.want {
				t.Errorf("%d ranges", got)
			}
			if got := h.d.o.Realms.handOver.Woken(); got != (c.want == 1) {
				t.Errorf("handed over: %v", got)
			}
		})
	}
	t.Run("without any left the session begins all the same", func(t *testing.T) {
		h, _ := onePerson(t)
		must(t, h.cache.Close())
		if code := session(h, "alice", asRoot, identity.OpOpenSession); code != identity.Granted {
			t.Errorf("%v", code)
		}
	})
	t.Run("somebody who is disabled gets none", func(t *testing.T) {
		h, _ := onePerson(t)
		h.d.p.AllowAll = false
		if code := session(h, "alice", asRoot, identity.OpOpenSession); code == identity.Granted || len(h.d.GivenSubIDs()) != 0 {
			t.Errorf("%v", code)
		}
	})
}

// Promise subids-given.
func TestARangeThatTheFilesHaveIsGivenAgain(t *testing.T) {
	first := identity.SubIDRange.Min
	own := func(start uint32) string { return fmt.Sprintf("1900000100:%d:65536\n", start) }
	for name, c := range map[string]struct {
		lines string
		want  uint32
	}{
		"one of ours":                 {own(first + 7*share), first + 7*share},
		"by name, so not ours":        {fmt.Sprintf("alice:%d:65536\n", first), first + share},
		"of another length":           {fmt.Sprintf("1900000100:%d:65535\n", first), first + share},
		"outside the setting":         {own(200000), first},
		"outside the range":           {own(700), first},
		"ids of the system":           {own(0), first},
		"another has a part of it":    {own(first+7*share) + fmt.Sprintf("x:%d:1\n", first+7*share+3), first},
		"another's":                   {fmt.Sprintf("1900000101:%d:65536\n", first), first + share},
		"a local account lives there": {own(first + 9*share), first},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := onePerson(t)
			h.local("subuid", c.lines)
			h.local("subgid", c.lines)
			h.local("passwd", fmt.Sprintf("root:x:0:0::/root:/bin/sh\nx:x:%d:1::/:/\n", first+9*share+1))
			if r, err := h.d.SubIDsOf(bg, asRoot, "alice"); err != nil || r.Min != c.want {
				t.Errorf("%v, %v; want %d", r, err, c.want)
			}
		})
	}
}

// Promise subids-given.
func TestTheListIsWrittenWhenItChangesAndAgainUntilItArrives(t *testing.T) {
	h, list := onePerson(t)
	r := h.d.o.Realms
	r.handOver.Once(false)
	if _, err := os.Stat(list); err == nil {
		t.Error("an empty list was written")
	}
	_, err := h.d.SubIDsOf(bg, asRoot, "alice")
	must(t, err)
	if missing := r.handOver.Once(false); missing != 1 {
		t.Errorf("%d missing", missing)
	}
	line := fmt.Sprintf("1900000100:%d:65536\n", identity.SubIDRange.Min)
	before := statOf(t, list)
	if b, err := os.ReadFile(list); err != nil || string(b) != line || before.Mode().Perm() != 0o600 {
		t.Fatalf("%q, %v, %v", b, before.Mode(), err)
	}
	r.handOver.Once(false)
	if after := statOf(t, list); !os.SameFile(before, after) {
		t.Error("what is the same was written again")
	}
	r.handOver.Once(true)
	if after := statOf(t, list); os.SameFile(before, after) {
		t.Error("what did not arrive was not written again")
	}
	h.local("subuid", "local:100000:65536\n"+line)
	if missing := r.handOver.Once(false); missing != 1 {
		t.Error("subgid does not count")
	}
	h.local("subgid", line)
	before = statOf(t, list)
	if missing := r.handOver.Once(true); missing != 0 {
		t.Errorf("%d missing", missing)
	}
	if after := statOf(t, list); !os.SameFile(before, after) {
		t.Error("what has arrived was written again")
	}
}

func statOf(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info
}

// Promise subids-given.
func TestStatusSaysWhichRangesHaveNotArrived(t *testing.T) {
	h, _ := onePerson(t)
	_, err := h.d.SubIDsOf(bg, asRoot, "alice")
	must(t, err)
	findings := func() string {
		h.d.o.Realms.handOver.Once(false)
		return fmt.Sprint(h.status().Findings)
	}
	if got := findings(); strings.Contains(got, "have not reached") {
		t.Errorf("at once: %s", got)
	}
	h.clk.pass(time.Minute)
	if got := findings(); !strings.Contains(got, "The subordinate ids of 1 people have not reached /etc/subuid") || !strings.Contains(got, "sallyport-subids.path") {
		t.Errorf("after a minute: %s", got)
	}
	line := fmt.Sprintf("1900000100:%d:65536\n", identity.SubIDRange.Min)
	h.local("subuid", line)
	h.local("subgid", line)
	if got := findings(); strings.Contains(got, "subordinate") {
		t.Errorf("arrived: %s", got)
	}
	must(t, os.Remove(filepath.Join(h.root, "etc/subgid")))
	if got := findings(); !strings.Contains(got, "/etc/subgid does not exist") || !strings.Contains(got, "touch") {
		t.Errorf("without a file: %s", got)
	}
	must(t, os.Mkdir(filepath.Join(h.root, "etc/subgid"), 0o755))
	if got := findings(); !strings.Contains(got, "Subordinate ids are not handed over") {
		t.Errorf("unreadable: %s", got)
	}
}

// Promise subids-given.
func TestAListThatIsOverlookedIsSeenLater(t *testing.T) {
	h, list := onePerson(t)
	_, err := h.d.SubIDsOf(bg, asRoot, "alice")
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		o := h.d.o
		hand := handover.New(o.Realms.givenSubIDs) // of this bubble
		hand.List, hand.Root, hand.Now, hand.Log = list, o.LocalFiles, o.Now, o.Log
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); hand.Run(ctx) }()
		synctest.Wait()
		first := statOf(t, list)
		var at []time.Duration
		for begun := time.Now(); time.Since(begun) < 20*time.Minute; {
			time.Sleep(time.Second)
			synctest.Wait()
			if now := statOf(t, list); !os.SameFile(first, now) {
				first, at = now, append(at, time.Since(begun))
			}
		}
		if want := "[5s 15s 35s 1m15s 2m35s 5m15s 10m35s]"; fmt.Sprint(at) != want {
			t.Errorf("written again after %v, want %s", at, want)
		}
		cancel()
		<-done
	})
}
