package fleet

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// guesses types a wrong password that often.
func (b *branch) guesses(m *sallyport.Provider, name string, times int) {
	b.t.Helper()
	for range times {
		reply, err := once(b.t.Context(), m, name, map[identity.FactorKind]string{identity.Password: "wrong"})
		if err != nil || reply.Outcome == provider.Allow {
			b.t.Fatalf("a wrong password: %+v, %v", reply, err)
		}
	}
}

// lockedAt tells whether the right password is refused because of a lock.
func (b *branch) lockedAt(m *sallyport.Provider, name string) bool {
	b.t.Helper()
	reply, err := once(b.t.Context(), m, name, map[identity.FactorKind]string{identity.Password: password})
	if err != nil || reply.Locked == (reply.Outcome == provider.Allow) {
		b.t.Fatalf("%s: %+v, %v", name, reply, err)
	}
	return reply.Locked
}

// TestAnUnlockReachesABranch: what a branch has counted by itself ends with the unlock that
// its standby hears of, once for each; and what it reports of the time before counts nowhere.
// Promise reading-unlock.
func TestAnUnlockReachesABranch(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("bob", "")
	b.person("eve", "")
	m := b.joined("box", b.reads.URL)
	b.must(nil, b.full.Kill()) // so that the report waits
	unlock := func() {
		t.Helper()
		b.must(b.admin.UnlockAccount(t.Context(), &v1.NameRequest{Name: "bob"}))
		b.caughtUp()
	}
	b.guesses(m, "bob", 5)
	b.guesses(m, "eve", 5)
	if !b.lockedAt(m, "bob") || !b.lockedAt(m, "eve") {
		t.Fatal("five wrong passwords do not lock at the branch")
	}
	unlock()
	if v, err := m.Verdict(t.Context(), "bob"); err != nil || len(v.Locks) > 0 {
		t.Errorf("what is said of bob: %+v, %v", v, err)
	}
	if b.lockedAt(m, "bob") {
		t.Error("unlocked by an administrator, and locked at the branch")
	}
	if !b.lockedAt(m, "eve") {
		t.Error("the unlock of one account ends the lock of another")
	}
	b.guesses(m, "bob", 5)
	if !b.lockedAt(m, "bob") {
		t.Error("after an unlock nothing is counted any more")
	}
	b.must(nil, b.reads.Kill())
	b.must(nil, b.reads.Start(t.Context()))
	if !b.lockedAt(m, "bob") {
		t.Error("one unlock ends two locks")
	}
	unlock()
	if b.lockedAt(m, "bob") {
		t.Error("a second unlock is not heard of")
	}
	b.must(nil, b.full.Start(t.Context()))
	b.until("the report arrives", func() bool { return b.rows("server.report") > 0 && b.failures("eve") > 0 })
	if n := b.failures("bob"); n != 0 {
		t.Errorf("a full server counts %d failures of bob from before he was unlocked", n)
	}
}
