package sallyport_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/seal"
)

func (r *liveRealm) do(_ any, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// listed names the accounts that a machine is told of.
func (r *liveRealm) listed(p *sallyport.Provider) (names []string, at provider.Position) {
	r.t.Helper()
	at, err := p.List(r.t.Context(), func(rec provider.Record) error {
		names = append(names, string(rec.Token.Account.Name))
		return nil
	})
	r.do(nil, err)
	slices.Sort(names)
	return names, at
}

// watching is a change stream that a test reads.
type watching struct {
	t      *testing.T
	events chan provider.Event
	ended  chan error
	end    context.CancelFunc
}

func watch(t *testing.T, p *sallyport.Provider, from provider.Position) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{t, make(chan provider.Event, 100), make(chan error, 1), cancel}
	go func() {
		w.ended <- p.Watch(ctx, from, nil, func(e provider.Event) error { w.events <- e; return nil })
	}()
	t.Cleanup(func() { cancel() })
	return w
}

// until reads events up to the one that is wanted.
func (w *watching) until(what string, wanted func(provider.Event) bool) provider.Event {
	w.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case e := <-w.events:
			if wanted(e) {
				return e
			}
		case err := <-w.ended:
			for len(w.events) > 0 { // what came before the end
				if e := <-w.events; wanted(e) {
					w.ended <- err
					return e
				}
			}
			w.t.Fatalf("%s: the stream ended: %v", what, err)
		case <-late:
			w.t.Fatalf("%s did not come", what)
		}
	}
}

func caughtUp(e provider.Event) bool { return e.Kind == provider.CaughtUp }

func (w *watching) ends() error {
	w.t.Helper()
	select {
	case err := <-w.ended:
		return err
	case <-time.After(20 * time.Second):
		w.t.Fatal("the stream does not end")
		return nil
	}
}

// Promise machine-scope.
func TestAMachineLearnsOnlyWhomItsScopeAdmits(t *testing.T) {
	r := newRealm(t)
	for _, n := range []string{"ada", "bob", "eve"} {
		r.account(n)
	}
	for _, g := range []string{"crew", "inner"} {
		r.do(r.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: g}))
	}
	r.do(r.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "crew", Member: "inner"}))
	r.do(r.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "crew", Member: "ada"}))
	r.do(r.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "inner", Member: "bob"}))
	p := r.machine()
	all, from := r.listed(p)
	if strings.Join(all, " ") != "ada bob eve" {
		t.Fatalf("without a scope: %v", all)
	}
	before := watch(t, p, from)
	before.until("the present", caughtUp)
	r.do(r.admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "box", Scope: &v1.Scope{Groups: []string{"crew"}}}))
	// What it knew of the others it is told to forget: the list is read again, and wins.
	if e := before.until("the reset", func(e provider.Event) bool { return e.Kind == provider.Reset }); e.Lost {
		t.Error("nothing was lost")
	}
	some, from := r.listed(p)
	if strings.Join(some, " ") != "ada bob" {
		t.Errorf("with a scope: %v", some)
	}
	if _, err := p.Fetch(t.Context(), "eve"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("eve by name: %v", err)
	}
	if a := try(t, p, "ada", testPassword); a.Outcome != provider.Allow {
		t.Errorf("ada: %+v", a)
	}
	if a := try(t, p, "eve", testPassword); a.Outcome == provider.Allow {
		t.Error("eve signs in through a machine that may not know her")
	}

	w := watch(t, p, from)
	w.until("the present", caughtUp)
	r.do(r.admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "eve", Disabled: true}))
	r.do(r.admin.RemoveMember(t.Context(), &v1.MemberRequest{Group: "inner", Member: "bob"}))
	e := w.until("the end of bob", func(e provider.Event) bool { return e.Kind == provider.Gone || e.Kind == provider.Changed })
	for e.Kind == provider.Gone && e.UUID == r.uuid("eve") {
		e = w.until("the end of bob", func(e provider.Event) bool { return e.Kind == provider.Gone || e.Kind == provider.Changed })
	}
	if e.Kind != provider.Gone || e.UUID != r.uuid("bob") {
		t.Errorf("%d of %s", e.Kind, e.UUID)
	}
	// A scope whose groups are gone admits nobody, not everybody.
	r.do(r.admin.RemoveGroup(t.Context(), &v1.NameRequest{Name: "crew"}))
	if none, _ := r.listed(p); len(none) != 0 {
		t.Errorf("without its groups: %v", none)
	}
	r.do(r.admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "box", Scope: &v1.Scope{Everybody: true}}))
	if all, _ := r.listed(p); len(all) != 3 {
		t.Errorf("without a scope again: %v", all)
	}
}

func (r *liveRealm) uuid(name string) uuid.UUID {
	r.t.Helper()
	v, err := r.admin.ShowAccount(r.t.Context(), &v1.NameRequest{Name: name})
	r.do(v, err)
	return uuid.MustParse(v.GetUuid())
}

func (r *liveRealm) box() *v1.MachineView {
	r.t.Helper()
	list, err := r.admin.ListMachines(r.t.Context(), &v1.ListRequest{})
	r.do(list, err)
	for _, m := range list.GetMachines() {
		if m.GetName() == "box" {
			return m
		}
	}
	r.t.Fatal("no machine of that name")
	return nil
}

// Promise machine-quarantine.
func TestAMachineInQuarantineIsShutOutUntilItIsReleased(t *testing.T) {
	r := newRealm(t)
	r.account("ada")
	p := r.machine()
	_, from := r.listed(p)
	w := watch(t, p, from)
	w.until("the present", caughtUp)
	r.do(r.admin.QuarantineMachine(t.Context(), &v1.NameRequest{Name: "box"}))
	if err := w.ends(); !errors.Is(err, provider.ErrRefusedMachine) || !strings.Contains(err.Error(), "quarantine") {
		t.Errorf("its stream ends with %v", err)
	}
	if _, err := p.Fetch(t.Context(), "ada"); !errors.Is(err, provider.ErrRefusedMachine) {
		t.Errorf("a lookup: %v", err)
	}
	if _, _, err := p.Begin(t.Context(), provider.Attempt{Name: "ada", Service: "test"}); !errors.Is(err, provider.ErrRefusedMachine) {
		t.Errorf("a sign-in: %v", err)
	}
	if m := r.box(); m.GetState() != "quarantined" || m.GetQuarantined() == nil {
		t.Errorf("%v", m)
	}
	r.do(r.admin.ReleaseMachine(t.Context(), &v1.NameRequest{Name: "box"}))
	if a := try(t, p, "ada", testPassword); a.Outcome != provider.Allow {
		t.Errorf("released: %+v", a)
	}
}

// Promise machine-copies.
func TestTwoMachinesOfOneIdentityRaiseAnAlarm(t *testing.T) {
	r := newRealm(t)
	o := r.options("box")
	o.Version = "1.2.3"
	first, second := open(t, o), open(t, o)
	_, from := r.listed(first)
	alarm := func(e provider.Event) bool { return e.Duplicated }

	a := watch(t, first, from)
	if e := a.until("the present", caughtUp); e.Duplicated {
		t.Error("an alarm for one machine")
	}
	// A daemon that starts anew takes the place of the one before.
	b := watch(t, second, from)
	if e := b.until("the present", caughtUp); e.Duplicated || r.box().GetDuplicated() != nil {
		t.Error("an alarm for a daemon that started anew")
	}
	if err := a.ends(); err == nil {
		t.Error("the first stream goes on")
	}
	// But that one lives, and comes again.
	a = watch(t, first, from)
	a.until("the alarm", alarm)
	b.until("the alarm for the other", alarm)
	m := r.box()
	if m.GetDuplicated() == nil || m.GetLastAddress() != "127.0.0.1" || m.GetVersion() != "1.2.3" || m.GetLastSeen() == nil {
		t.Errorf("%v", m)
	}
	log, err := r.admin.ListAudit(t.Context(), &v1.ListAuditRequest{})
	r.do(log, err)
	told := 0
	for _, row := range log.GetRows() {
		if row.GetAction() == "machine.duplicate" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the audit log tells of it %d times", told)
	}

	// Joining anew shuts every copy out, and ends the alarm.
	again, err := r.admin.RejoinMachine(t.Context(), &v1.NameRequest{Name: "box"})
	r.do(again, err)
	j, err := sallyport.Join(t.Context(), sallyport.Server{URL: r.url}, again.GetCode(), again.GetFingerprint())
	r.do(j, err)
	if j.MachineID != o.MachineID || j.MachineName != "box" {
		t.Errorf("it is machine %s, %s", j.MachineID, j.MachineName)
	}
	for _, copied := range []*watching{a, b} {
		if err := copied.ends(); !errors.Is(err, provider.ErrRefusedMachine) {
			t.Errorf("a copy's stream: %v", err)
		}
	}
	o.MachineKey = j.Key
	if e := watch(t, open(t, o), from).until("the present", caughtUp); e.Duplicated || r.box().GetDuplicated() != nil {
		t.Error("the alarm does not end")
	}
}

// Promise machine-copies.
func TestACodeToRejoinIsForAMachineThatHasJoined(t *testing.T) {
	r := newRealm(t)
	r.do(r.admin.AddMachine(t.Context(), &v1.NameRequest{Name: "invited"}))
	for _, n := range []string{"invited", "nobody"} {
		if _, err := r.admin.RejoinMachine(t.Context(), &v1.NameRequest{Name: n}); err == nil {
			t.Errorf("%s may rejoin", n)
		}
	}
}

// TestAnotherSealingKeyIsWrittenDownAndNotTakenForEver: two that share an identity tell
// the server their keys by turns.
// Promise otp-wrong-seal.
func TestAnotherSealingKeyIsWrittenDownAndNotTakenForEver(t *testing.T) {
	r := newRealm(t)
	p := r.machine()
	key := func() []byte {
		f, err := seal.CreateFile(filepath.Join(t.TempDir(), "seal.key"))
		r.do(f, err)
		public, err := f.Public(t.Context())
		r.do(nil, err)
		return public
	}
	own, copied := key(), key()
	var err error
	for range 100 {
		if err = p.SetSealingKey(t.Context(), own); err == nil {
			err = p.SetSealingKey(t.Context(), copied)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		t.Error("it is changed without end")
	}
	log, err := r.admin.ListAudit(t.Context(), &v1.ListAuditRequest{})
	r.do(log, err)
	var told []string
	for _, row := range log.GetRows() {
		if row.GetAction() == "machine.sealing-key" {
			told = append(told, row.GetDetail())
		}
	}
	if len(told) != 10 || strings.Contains(told[0], "before=") || !strings.Contains(told[1], "before=") {
		t.Errorf("%d rows: %q", len(told), told)
	}
}
