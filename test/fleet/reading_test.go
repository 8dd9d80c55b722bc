package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/server/store"
)

// cutOff ends the primary's database and its server.
func (b *branch) cutOff() {
	b.t.Helper()
	b.must(nil, b.full.Kill())
	b.must(nil, b.database.Kill())
}

// until waits for something, a minute at most.
func (b *branch) until(what string, is func() bool) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("it never comes true: %s: %s", what, b.reads.Log())
		}
	}
}

// TestALoginGoesOnAtABranchWhosePrimaryIsDead: the primary's database and server are gone.
// Promise reading-login.
func TestALoginGoesOnAtABranchWhosePrimaryIsDead(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	b.person("disabled", "")
	m := b.machine("box")
	b.must(b.admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "disabled", Disabled: true}))
	b.caughtUp()
	b.cutOff()
	if reply, err := login(t.Context(), m, "ada", ""); err != nil || reply.Outcome != provider.Allow {
		t.Fatalf("%+v, %v: %s", reply, err, b.reads.Log())
	}
	if reply, err := login(t.Context(), m, "disabled", ""); err != nil || reply.Outcome == provider.Allow {
		t.Errorf("who was disabled: %+v, %v", reply, err)
	}
	if names, _ := b.listed(m); len(names) != 2 {
		t.Errorf("listed: %v", names)
	}
}

// TestABranchCountsByItselfAndReports: wrong passwords lock at the branch, a code is good
// once, and a full server hears of both, each once.
// Promise reading-counts.
func TestABranchCountsByItselfAndReports(t *testing.T) {
	b := newBranch(t, true, 0)
	b.person("ada", codeKey)
	b.person("bob", "")
	m := b.machine("box")
	b.must(nil, b.realm.SealCodes(t.Context()))
	b.caughtUp()
	b.cutOff()
	code, err := totp.GenerateCode(codeKey, b.realm.Now())
	b.must(nil, err)
	answers := map[identity.FactorKind]string{identity.Password: password, identity.TOTP: code}
	if reply, err := once(t.Context(), m, "ada", answers); err != nil || reply.Outcome != provider.Allow {
		t.Fatalf("a code: %+v, %v: %s", reply, err, b.reads.Log())
	}
	if reply, err := once(t.Context(), m, "ada", answers); err != nil || reply.Outcome == provider.Allow {
		t.Errorf("the code a second time: %+v, %v", reply, err)
	}
	wrong := map[identity.FactorKind]string{identity.Password: "wrong"}
	for range 5 {
		if reply, err := once(t.Context(), m, "bob", wrong); err != nil || reply.Outcome == provider.Allow {
			t.Fatalf("a wrong password: %+v, %v", reply, err)
		}
	}
	if reply, err := login(t.Context(), m, "bob", ""); err != nil || reply.Outcome == provider.Allow || !reply.Locked {
		t.Errorf("after five wrong passwords: %+v, %v", reply, err)
	}
	b.must(nil, b.database.Run(t.Context()))
	b.must(nil, b.full.Start(t.Context()))
	b.until("the report arrives", func() bool { return b.rows("server.report") > 0 && b.reported() >= 7 })
	if n := b.failures("bob"); n != 4 {
		t.Errorf("a full server counts %d failures of bob: a report is to bring it next to a lock, and no further", n)
	}
	if n := b.failures("ada"); n != 1 {
		t.Errorf("a full server counts %d failures of ada's codes", n)
	}
	full := b.alone("another", b.full.URL)
	if reply, err := once(t.Context(), full, "ada", answers); err != nil || reply.Outcome == provider.Allow {
		t.Errorf("the code that was used at the branch: %+v, %v", reply, err)
	}
}

// TestAStandbyThatIsBehindSaysNothingFinal: it has not heard of a machine, an account and
// changes that others know.
// Promise reading-behind.
func TestAStandbyThatIsBehindSaysNothingFinal(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	m := b.machine("box")
	b.caughtUp()
	b.must(nil, b.standby.Freeze(t.Context()))
	b.person("new", "")
	_, ahead := b.listed(m)
	late := b.machine("late")
	b.must(late.Fetch(t.Context(), "new"))
	b.cutOff()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	err := m.Watch(ctx, ahead, nil, func(e provider.Event) error {
		if e.Kind == provider.Reset {
			t.Error("a machine that is ahead is told to list anew")
		}
		return nil
	})
	if !errors.Is(err, provider.ErrOffline) || ctx.Err() != nil {
		t.Errorf("a machine that is ahead: %v", err)
	}
	if _, err := m.Fetch(ctx, "new"); !errors.Is(err, provider.ErrOffline) {
		t.Errorf("an account that the standby does not know: %v", err)
	}
	if reply, err := login(ctx, m, "new", ""); err == nil {
		t.Errorf("a login of an account that the standby does not know: %+v", reply)
	}
	if _, err := login(ctx, late, "ada", ""); err == nil || errors.Is(err, provider.ErrRefusedMachine) {
		t.Errorf("a machine that the standby does not know: %v", err)
	}
	if reply, err := login(ctx, m, "ada", ""); err != nil || reply.Outcome != provider.Allow {
		t.Errorf("whom it knows: %+v, %v", reply, err)
	}
}

// TestAStandbyThatHeardNothingForTooLongServesNobody.
// Promise reading-lag.
func TestAStandbyThatHeardNothingForTooLongServesNobody(t *testing.T) {
	b := newBranch(t, false, time.Second)
	b.person("ada", "")
	m := b.machine("box")
	b.caughtUp()
	b.cutOff()
	b.until("the server says so", func() bool { return strings.Contains(b.reads.Log(), "has heard nothing of its primary") })
	if reply, err := login(t.Context(), m, "ada", ""); err == nil {
		t.Errorf("%+v", reply)
	}
}

// TestAPromotedStandbyIsStillOnlyRead, and the server says so. A removed server lets nobody in
// any more.
// Promise reading-removed.
func TestAPromotedStandbyIsStillOnlyRead(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	m := b.machine("box")
	b.caughtUp()
	signed := b.signedAtBranch("ada")
	b.must(m.Verify(signed))
	b.must(b.admin.RemoveServer(t.Context(), &v1.RemoveServerRequest{Name: b.id}))
	b.must(once(t.Context(), m, "ada", map[identity.FactorKind]string{identity.Password: password}))
	b.caughtUp()
	b.until("the branch says that it is out", func() bool { return strings.Contains(b.reads.Log(), "it is not admitted yet, or was removed") })
	if _, err := b.alone("other", b.reads.URL).Fetch(t.Context(), "ada"); err == nil {
		t.Error("a server that was removed gives out tokens")
	}
	fresh := b.machine("fresh")
	b.must(fresh.Fetch(t.Context(), "ada"))
	if _, err := fresh.Verify(signed); !errors.Is(err, identity.ErrToken) {
		t.Errorf("what a removed server signed: %v", err)
	}
	b.cutOff()
	b.must(nil, b.standby.Promote(t.Context()))
	b.until("the branch says that it is no standby", func() bool { return strings.Contains(b.reads.Log(), "is no standby") })
	if out, err := b.reads.Admin(t.Context(), "", "account", "add", "bob"); err == nil || !strings.Contains(out, "only reads") {
		t.Errorf("a change: %s, %v", out, err)
	}
}

// TestAFullServerRefusesAStandby, and says what to do.
func TestAFullServerRefusesAStandby(t *testing.T) {
	b := newBranch(t, false, 0)
	out, err := b.reads.Admin(t.Context(), "", "server", "list")
	if err != nil || !strings.Contains(out, "read-only") || !strings.Contains(out, "this one") {
		t.Errorf("server list: %s, %v", out, err)
	}
	dir := t.TempDir() + "/wrong"
	p := &Process{Binary: b.full.Binary, Dir: dir}
	out, err = p.Admin(t.Context(), "", "init", "--database", b.standby.Same(b.realm.Settings.Database), "--seal-key", b.full.SealKey(), "--listen", "127.0.0.1:0")
	if err == nil || !strings.Contains(out, "is a standby") || !strings.Contains(out, "--read-only") {
		t.Errorf("%s, %v", out, err)
	}
}

// signedAtBranch is what the branch signs of somebody.
func (b *branch) signedAtBranch(name string) []byte {
	b.t.Helper()
	r, err := b.alone("at-"+name, b.reads.URL).Fetch(b.t.Context(), identity.Name(name))
	b.must(nil, err)
	return r.Signed
}

// rows counts those of the audit log of that action.
func (b *branch) rows(action string) (n int) {
	b.t.Helper()
	log, err := b.admin.ListAudit(b.t.Context(), &v1.ListAuditRequest{})
	b.must(nil, err)
	for _, r := range log.GetRows() {
		if r.GetAction() == action {
			n++
		}
	}
	return n
}

// reported counts the failures and codes that full servers were told of.
func (b *branch) reported() (n int) {
	b.t.Helper()
	log, err := b.admin.ListAudit(b.t.Context(), &v1.ListAuditRequest{})
	b.must(nil, err)
	for _, r := range log.GetRows() {
		n += countsOf(r.GetAction(), r.GetDetail())
	}
	return n
}

// failures is the highest count of somebody's at the full server.
func (b *branch) failures(name string) (n uint32) {
	b.t.Helper()
	b.must(nil, b.realm.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		list, err := tx.Failures(identity.Name(name))
		for _, f := range list {
			if f.Origin != "" {
				n = max(n, f.Count)
			}
		}
		return err
	}))
	return n
}
