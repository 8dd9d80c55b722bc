package auth

import (
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// as is a call of a machine that has joined with a key of its own.
func (b *bench) as(m store.Machine) context.Context {
	b.t.Helper()
	pub, _, err := ed25519.GenerateKey(nil)
	b.must(nil, err)
	b.must(nil, b.Store.Write(b.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Join([]byte(m.Name), pub, b.Now())
		return err
	}))
	return realm.WithCaller(b.t.Context(), realm.Caller{Key: pub})
}

// Promise explain-server.
func TestAMachineIsToldTheServersVerdict(t *testing.T) {
	b := newBench(t)
	m := b.Engine
	box, other := b.as(b.box), b.machine("other")
	verdict := func(name string) *v1.GetVerdictResponse {
		t.Helper()
		v, err := m.GetVerdict(box, &v1.GetVerdictRequest{Name: name})
		b.must(nil, err)
		return v
	}
	for range 5 {
		b.from(b.box, "host 192.0.2.1", "wrong")
		b.from(other, "host 192.0.2.2", "wrong")
	}
	v := verdict("alice")
	if !v.GetKnown() || v.GetState() != "good" || len(v.GetLocks()) != 1 || v.GetMachineName() != "box" || v.GetDiskFull() {
		t.Fatalf("of alice it says %v", v)
	}
	if l := v.GetLocks()[0]; l.GetFactor() != "password" || l.GetOrigin() != "host 192.0.2.1" || l.GetRealm() || !l.GetUntil().AsTime().After(b.Now()) {
		t.Errorf("the lock is %v", l)
	}
	if v := verdict("dora"); v.GetState() != "disabled" {
		t.Errorf("of dora it says %v", v)
	}
	if v := verdict("nobody"); v.GetKnown() || len(v.GetLocks()) > 0 {
		t.Errorf("of nobody it says %v", v)
	}
	if v := verdict(""); v.GetKnown() || v.GetMachineName() != "box" {
		t.Errorf("of itself it says %v", v)
	}
	b.unix.Add(int64(time.Hour / time.Second))
	if v := verdict("alice"); len(v.GetLocks()) != 0 {
		t.Errorf("a lock that has ended is told: %v", v)
	}
}

// Promise explain-server.
func TestAMachineHearsOfNobodyBeyondItsScope(t *testing.T) {
	b := newBench(t)
	m := b.Engine
	box := b.as(b.box)
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "crew"}))
	b.must(b.admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "box", Scope: &v1.Scope{Groups: []string{"crew"}}}))
	for range 5 {
		b.from(b.box, "seat", "wrong")
	}
	v, err := m.GetVerdict(box, &v1.GetVerdictRequest{Name: "alice"})
	if err != nil || v.GetKnown() || v.GetState() != "" || len(v.GetLocks()) > 0 {
		t.Errorf("of alice it says %v (%v)", v, err)
	}
	if _, err := m.GetVerdict(t.Context(), &v1.GetVerdictRequest{Name: "alice"}); err == nil {
		t.Error("whoever has not joined is told something")
	}
}
