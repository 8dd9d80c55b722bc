package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/server/backup"
	"github.com/sallyport-auth/sallyport/server/realm"
)

const (
	first  = "correct horse battery"
	second = "staple of another kind"
	third  = "neither of the two before"
)

// peopled is a realm with alice and bob, and a machine that both have signed in to.
func peopled(t *testing.T) (*site, *box) {
	t.Helper()
	s := newSite(t)
	for _, name := range []string{"alice", "bob"} {
		s.add(name)
		s.password(name, first)
		s.key(name)
	}
	s.group("builders")
	b := s.box()
	b.caughtUp()
	return s, b
}

// change makes the changes that are then lost, and lets the machine see them.
func change(t *testing.T, s *site, b *box) {
	t.Helper()
	s.password("alice", second)
	s.join("builders", "bob")
	s.add("carol")
	s.key("carol")
	s.key2("bob")
	b.wait("the changes", func() bool { return b.keys("carol") == 1 && len(b.groups("bob")) == 1 && b.keys("bob") == 2 })
	if !b.login("alice", second) {
		t.Fatal("alice cannot sign in with her new password")
	}
}

// gone checks that nothing of what was lost is left, and that what changed since counts.
func gone(t *testing.T, s *site, b *box) {
	t.Helper()
	s.disable("alice", true)
	b.caughtUp()
	b.wait("alice's end", func() bool { return !b.may("alice") })
	if n := b.keys("alice"); n != 0 {
		t.Errorf("alice is disabled and has %d keys", n)
	}
	if g := b.groups("bob"); len(g) != 0 {
		t.Errorf("bob has lost groups: %v", g)
	}
	if n := b.keys("bob"); n != 1 {
		t.Errorf("bob has %d keys, want 1", n)
	}
	if b.resolves("carol") || b.may("carol") {
		t.Error("carol is of a lost change and still here")
	}
}

// Promise history-machine-follows.
func TestAConnectedMachineGoesByAServerThatWasPutBack(t *testing.T) {
	s, b := peopled(t)
	old := s.copy()
	b.caughtUp()
	change(t, s, b)
	s.putBack(old)
	b.caughtUp()
	gone(t, s, b)
	if st := b.status(); st.Providers[0].WentBack == nil || !finding(st, "history") {
		t.Errorf("status says nothing of it: %+v", st.Providers[0])
	}
}

// Promise history-machine-follows.
func TestAMachineThatWasAwayLearnsOfALossBehindManyChanges(t *testing.T) {
	s, b := peopled(t)
	old := s.copy()
	b.caughtUp()
	change(t, s, b)
	b.stop()
	s.putBack(old)
	for range 40 { // far more than were lost
		s.disable("bob", true)
		s.disable("bob", false)
	}
	b.start()
	b.caughtUp()
	gone(t, s, b)
}

// Promise history-machine-follows.
func TestARestoredServerIsBelievedAndSaysWhy(t *testing.T) {
	s, b := peopled(t)
	backup := s.backup()
	change(t, s, b)
	s.restore(backup)
	b.caughtUp()
	gone(t, s, b)
	p := b.status().Providers[0]
	if p.WentBack == nil || !strings.HasPrefix(p.WentBackWhy, "The server was restored from a backup of ") {
		t.Errorf("status says %v %q", p.WentBack, p.WentBackWhy)
	}
	if h := s.histories().GetHistories(); h[1].GetKind() != "restore" {
		t.Errorf("histories %v", h)
	}
	audit, err := s.admin.ListAudit(t.Context(), &v1.ListAuditRequest{})
	must(t, err)
	if !hasRow(audit.GetRows(), "realm.restore") {
		t.Error("the audit log says nothing of the restore")
	}
}

func hasRow(rows []*v1.AuditRow, action string) bool {
	for _, r := range rows {
		if r.GetAction() == action {
			return true
		}
	}
	return false
}

func finding(s report.Status, check string) bool {
	for _, f := range s.Findings {
		if f.Check == check && f.Detail != "" && f.Mend != "" {
			return true
		}
	}
	return false
}

// Promise history-restart.
func TestARestartIsNoLossAndNobodyIsAskedAgain(t *testing.T) {
	s, b := peopled(t)
	change(t, s, b)
	for range 3 {
		s.restart()
		b.caughtUp()
	}
	b.stop()
	s.restart()
	s.disable("bob", true)
	b.start()
	b.caughtUp()
	if p := b.status().Providers[0]; p.WentBack != nil || b.may("bob") || !b.may("carol") {
		t.Errorf("a restart is taken for a loss: %+v", p)
	}
}

// Promise history-lost-password.
func TestARestoreOfAllThatWasHeardIsNoLoss(t *testing.T) {
	s, b := peopled(t)
	change(t, s, b)
	backup := s.backup()
	s.restore(backup)
	b.caughtUp()
	if p := b.status().Providers[0]; p.WentBack != nil || !b.may("carol") {
		t.Errorf("nothing was lost: %+v", p)
	}
	s.end()
	b.offline()
	if !b.login("alice", second) {
		t.Error("alice's verifier went though her password is the same")
	}
}

// Promise history-lost-password.
func TestALostPasswordEndsAndTheRightOneStays(t *testing.T) {
	s, b := peopled(t)
	backup := s.backup()
	change(t, s, b) // alice signed in with the second here
	s.restore(backup)
	b.caughtUp()
	s.end()
	b.offline()
	if b.login("alice", second) {
		t.Fatal("a password that the server never knew is taken offline")
	}
	s.start()
	b.caughtUp()
	s.password("alice", third)
	b.wait("the right password", func() bool { return b.login("alice", third) })
	s.end()
	b.offline()
	if b.login("alice", second) || b.login("alice", first) || !b.login("alice", third) {
		t.Error("offline, not exactly the newest password is taken")
	}
}

// Promise history-disowned.
func TestAnOfflineMachineGoesOnUntilItHearsOfTheLoss(t *testing.T) {
	s, b := peopled(t)
	backup := s.backup()
	change(t, s, b)
	s.end()
	b.offline()
	if !b.may("carol") || !b.login("alice", second) {
		t.Fatal("offline, the last that was heard does not count")
	}
	s.start()
	s.restore(backup)
	b.caughtUp()
	gone(t, s, b)
}

// Promise history-lost-ids.
func TestIDsOfLostAccountsAreGivenToNobodyElse(t *testing.T) {
	s, b := peopled(t)
	backup := s.backup()
	change(t, s, b)
	carol := uid(t, s, "carol")
	s.restore(backup)
	b.caughtUp()
	dave := s.add("dave")
	if dave.GetUid() < carol+realm.DefaultIDGap {
		t.Errorf("dave has uid %d, carol had %d", dave.GetUid(), carol)
	}
	if _, err := s.admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "eve", Uid: &carol}); err == nil {
		t.Error("carol's uid was given to eve")
	}
	ids := s.histories().GetReserved()
	if len(ids) != 1 || ids[0].GetId() != carol || ids[0].GetName() != "carol" || ids[0].GetMachine() != "box" {
		t.Fatalf("kept ids: %v", ids)
	}
	_, err := s.admin.ReleaseID(t.Context(), &v1.ReleaseIDRequest{Id: carol})
	must(t, err)
	if _, err := s.admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "eve", Uid: &carol}); err != nil {
		t.Error(err)
	}
	b.wait("the refusal", func() bool {
		return strings.Contains(refusal(b, "eve"), "first seen for")
	})
}

func refusal(b *box, name string) string {
	for _, r := range b.status().Providers[0].Refused {
		if r.Name == name {
			return r.Reason
		}
	}
	return ""
}

func uid(t *testing.T, s *site, name string) uint32 {
	t.Helper()
	a, err := s.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: name})
	must(t, err)
	return a.GetUid()
}

// Promise history-lost-ids.
func TestARestoreKeepsTheIDsOfTheFolderThatItReplaces(t *testing.T) {
	s := newSite(t)
	s.add("alice")
	file := s.backup()
	carol := s.add("carol").GetUid()
	o := backup.RestoreOptions{File: file, Dir: s.dir, Now: time.Now()}
	if _, err := backup.Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a folder that is not empty, unasked: %v", err)
	}
	o.Replace = true
	if _, err := backup.Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "stop that first") {
		t.Errorf("under a running server: %v", err)
	}
	s.end()
	r, err := backup.Restore(t.Context(), o)
	must(t, err)
	if _, err := os.Stat(filepath.Join(r.Aside, "sallyport.db")); err != nil {
		t.Error(err)
	}
	s.start()
	if _, err := s.admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "eve", Uid: &carol}); err == nil {
		t.Error("an id that the replaced folder gave out is given out again")
	}
}

// Promise history-proof.
func TestAMachinesProofBeginsANewHistoryOnce(t *testing.T) {
	s, b := peopled(t)
	old := s.copy()
	b.caughtUp()
	change(t, s, b)
	s.putBack(old)
	b.caughtUp()
	gone(t, s, b)
	losses := func() (n int) {
		for _, h := range s.histories().GetHistories() {
			if h.GetKind() == "loss" {
				n++
			}
		}
		return n
	}
	if n := losses(); n != 1 {
		t.Fatalf("%d histories began because of a loss, want 1", n)
	}
	for range 2 {
		s.restart()
		b.caughtUp()
	}
	if n := losses(); n != 1 {
		t.Errorf("after restarts %d histories began because of a loss, want 1", n)
	}
}

func TestOneMachinesProofResetsNoOther(t *testing.T) {
	s, b := peopled(t)
	other := s.box()
	other.caughtUp()
	other.stop()
	old := s.copy()
	b.caughtUp()
	change(t, s, b)
	b.stop()
	s.putBack(old)
	s.disable("bob", true)
	other.start()
	other.caughtUp()
	b.start()
	b.caughtUp()
	other.caughtUp() // in the history that began by the proof
	if p := other.status().Providers[0]; p.WentBack != nil || other.may("bob") || !other.may("alice") {
		t.Errorf("the other machine: %+v", p)
	}
	if p := b.status().Providers[0]; p.WentBack == nil || b.may("bob") || b.may("carol") {
		t.Errorf("the machine that knew more: %+v", p)
	}
}

// Promise history-proof.
func TestAMarkOutsideShowsAFolderThatWasPutBack(t *testing.T) {
	s := newSite(t)
	s.mark = t.TempDir()
	s.restart()
	s.add("alice")
	old := s.copy()
	s.waitSecond() // moments are kept in whole seconds
	s.add("carol")
	s.putBack(old)
	h := s.histories().GetHistories()[0]
	if h.GetKind() != "loss" || !strings.Contains(h.GetWhy(), "put back") {
		t.Errorf("the start after it: %v", h)
	}
	s.restart()
	if h := s.histories().GetHistories()[0]; h.GetKind() != "start" {
		t.Errorf("the next start: %v", h)
	}
}

func TestARealmMadeAnewIsANewHistory(t *testing.T) {
	s, b := peopled(t)
	if !b.login("alice", first) {
		t.Fatal("alice cannot sign in")
	}
	b.stop()
	s.end()
	s.dir += ".anew"
	s.init()
	s.start()
	s.add("dave")
	s.add("alice")
	s.password("alice", second)
	b.join()
	b.start()
	b.caughtUp()
	if b.may("bob") || b.resolves("bob") {
		t.Error("bob is of the old realm and still here")
	}
	if why := refusal(b, "alice"); why != "" && !strings.Contains(why, "first seen for") {
		t.Errorf("alice is refused: %s", why)
	}
	s.end()
	b.offline()
	if b.login("alice", first) {
		t.Error("a password of the old realm is taken offline")
	}
}
