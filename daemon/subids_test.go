package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

var (
	asRoot = identity.Peer{UID: 0}
	share  = uint32(identity.SubIDCount)
)

// Promise subids-once.
func TestRootAndTheAccountItselfAreGivenSubordinateIDs(t *testing.T) {
	h := newTestMachine(t)
	h.give(token("alice", 1900000100))
	h.give(token("bob", 1900000101))
	if _, err := h.d.SubIDsOf(bg, identity.Peer{UID: 1900000101}, "alice"); !errors.Is(err, identity.ErrUnavailable) || !strings.Contains(err.Error(), "only root") {
		t.Errorf("bob for alice: %v", err)
	}
	if len(h.d.GivenSubIDs()) != 0 {
		t.Error("something was given")
	}
	first := identity.SubIDRange.Min
	r, err := h.d.SubIDsOf(bg, identity.Peer{UID: 1900000100}, "alice")
	if err != nil || r != (identity.IDRange{Min: first, Max: first + share - 1}) || identity.CheckSubIDs(r) != nil {
		t.Fatalf("alice: %v, %v", r, err)
	}
	if !h.d.o.Realms.handOver.Woken() {
		t.Error("nobody hands it over")
	}
	if again, err := h.d.SubIDsOf(bg, identity.Peer{UID: 1900000101}, "alice"); err != nil || again != r {
		t.Errorf("what was given is no secret: %v, %v", again, err)
	}
	if r, err := h.d.SubIDsOf(bg, asRoot, "bob"); err != nil || r.Min != first+share {
		t.Errorf("bob: %v, %v", r, err)
	}
	for _, name := range []string{"nobody-here", "local", "root"} {
		h.srv.be(down)
		if r, err := h.d.SubIDsOf(bg, asRoot, name); err == nil {
			t.Errorf("%s: %v", name, r)
		}
	}
	want := []identity.SubIDs{{UID: 1900000100, Start: first}, {UID: 1900000101, Start: first + share}}
	if got := h.d.o.Realms.givenSubIDs(); !slices.Equal(got, want) {
		t.Errorf("given: %v", got)
	}
}

// Promise subids-once.
func TestARangeIsNeverGivenTwiceAndNeverTakenBack(t *testing.T) {
	h := newTestMachine(t)
	alice := token("alice", 1900000100)
	h.give(alice)
	r, err := h.d.SubIDsOf(bg, asRoot, "alice")
	must(t, err)
	heirs := 1
	for sentence, end := range map[string]func() error{
		"gone":      func() error { h.d.Directory().Remove(alice.Account.UUID); return nil },
		"forgotten": func() error { return h.d.Handle(bg, asRoot, report.VerbCacheForget, []byte(`{"name":"alice"}`), nil) },
		"cleared":   func() error { return h.d.Handle(bg, asRoot, report.VerbCacheClear, nil, nil) },
		"restarted": func() error { h.restart(); return nil },
	} {
		must(t, end())
		name := fmt.Sprintf("heir-%s", sentence)
		heirs++
		h.give(token(name, 1900000200+uint32(heirs)))
		if o, err := h.d.SubIDsOf(bg, asRoot, name); err != nil || o.Min <= r.Max {
			t.Errorf("%s: the heir has %v, %v", sentence, o, err)
		}
		alice.Revision += 10
		h.give(alice)
		if back, err := h.d.SubIDsOf(bg, asRoot, "alice"); err != nil || back != r {
			t.Errorf("%s: alice came back with %v, %v", sentence, back, err)
		}
	}
}

// Promise subids-once.
func TestRangesKeepClearOfWhatIsInUse(t *testing.T) {
	first := identity.SubIDRange.Min
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.IDs = []identity.IDRange{{Min: 600000000, Max: 2000000000}}
		h.local("passwd", fmt.Sprintf("x:x:%d:1::/:/\n", first+3*share+7))
		h.local("group", fmt.Sprintf("x:x:%d:\n", first+4*share))
		h.local("subuid", fmt.Sprintf("local:%d:65536\n# a comment\nbroken\nlocal:x:y\nlocal:1:0\n", first+share/2))
		h.local("subgid", fmt.Sprintf("local:%d:1\n", first+5*share))
	})
	h.give(token("alice", first+2*share+1)) // its own uid and gid are in the range
	r, err := h.d.SubIDsOf(bg, asRoot, "alice")
	if err != nil || r.Min != first+6*share {
		t.Fatalf("%v, %v: want the share 6, not %d", r, err, (r.Min-first)/share)
	}
	// And the other way round: what was given is no account's or group's id any more.
	h.give(token("mallory", r.Min+5))
	if _, err := h.d.AccountByName(bg, "mallory"); err == nil {
		t.Error("an account has an id that was given to alice's containers")
	}
	tok := token("bob", 1900000100, identity.Group{UUID: stuff.UUID, Name: "in", GID: r.Max})
	h.give(tok)
	if ids, err := h.d.GroupsOf(bg, "bob"); err != nil || len(ids.GIDs) != 1 {
		t.Errorf("a group has: %v, %v", ids, err)
	}
}

func TestAFullRangeIsAnErrorAndAFinding(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.policy.SubIDs = identity.IDRange{Min: 600113152, Max: 600113152 + 2*share - 2} })
	h.give(token("alice", 1900000100))
	h.give(token("bob", 1900000101))
	if _, err := h.d.SubIDsOf(bg, asRoot, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.d.SubIDsOf(bg, asRoot, "bob"); !errors.Is(err, identity.ErrUnavailable) || !errors.Is(err, resolver.ErrSubIDsFull) {
		t.Fatal(err)
	}
	if !strings.Contains(fmt.Sprint(h.status().Findings), "Every range of subordinate ids is given out") {
		t.Error("no finding")
	}
}

// Promise subids-once.
func TestWhatCannotBeStoredIsNotGiven(t *testing.T) {
	h := newTestMachine(t)
	h.give(token("alice", 1900000100))
	must(t, h.cache.Close())
	if r, err := h.d.SubIDsOf(bg, asRoot, "alice"); !errors.Is(err, identity.ErrUnavailable) {
		t.Fatalf("%v, %v", r, err)
	}
	if len(h.d.GivenSubIDs()) != 0 {
		t.Fatal("it is in memory")
	}
}

// Promise attack-local-questions.
func TestACrowdThatAsksForSubordinateIDsGetsOneRangeEach(t *testing.T) {
	h := newTestMachine(t)
	const people, each = 20, 5
	for i := range uint32(people) {
		h.give(token(fmt.Sprintf("p%d", i), 1900000100+i))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[identity.IDRange]string{}
	for i := range people * each {
		wg.Go(func() {
			name := fmt.Sprintf("p%d", i%people)
			r, err := h.d.SubIDsOf(bg, asRoot, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || (got[r] != "" && got[r] != name) {
				t.Errorf("%s: %v of %q, %v", name, r, got[r], err)
			}
			got[r] = name
		})
	}
	wg.Wait()
	if len(got) != people {
		t.Errorf("%d ranges for %d people", len(got), people)
	}
}

func TestUnreadableSubordinateFilesGiveNothing(t *testing.T) {
	h := newTestMachine(t)
	h.give(token("alice", 1900000100))
	must(t, os.Mkdir(filepath.Join(h.root, "etc/subuid"), 0o755))
	if r, err := h.d.SubIDsOf(bg, asRoot, "alice"); !errors.Is(err, identity.ErrUnavailable) {
		t.Fatalf("%v, %v", r, err)
	}
}
