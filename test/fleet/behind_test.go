package fleet

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// behind is a workstation that has heard more than the standby of the only server that is
// left: that "removed" went, that "disabled" was disabled and that "new" came, in a history
// that the standby does not know. ada is as ever, and has never signed in there.
func behind(t *testing.T) (*branch, *workstation) {
	t.Helper()
	b := newBranch(t, false, 0)
	for _, name := range []string{"ada", "removed", "disabled"} {
		b.person(name, "")
	}
	j := b.join("box")
	b.caughtUp()
	w := b.workstation(sallyport.Options{
		URL: b.full.URL, Others: []string{b.reads.URL}, RootPEM: j.RootPEM, MachineKey: j.Key, MachineID: j.MachineID, Realm: j.Realm, Memory: &providertest.Memory{},
	})
	b.must(nil, b.standby.Freeze(t.Context()))
	b.must(nil, b.full.Stop())
	b.must(nil, b.full.Start(t.Context())) // which begins a history
	b.must(b.admin.RemoveAccount(t.Context(), &v1.NameRequest{Name: "removed"}))
	b.must(b.admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "disabled", Disabled: true}))
	b.person("new", "")
	w.until("the changes are heard", func() bool { return w.asItIs("") == "" })
	b.cutOff()
	return b, w
}

// asItIs says what is not as the full server said last; "" where all is. One name is not
// looked at.
func (w *workstation) asItIs(but string) string {
	var odd []string
	for name, want := range map[string][2]bool{"ada": {true, true}, "removed": {false, false}, "disabled": {true, false}, "new": {true, true}} {
		if known, active := w.knows(name); name != but && [2]bool{known, active} != want {
			odd = append(odd, name)
		}
	}
	return strings.Join(odd, ", ")
}

// refusesItsList waits until the branch was asked for its list, and said that it is behind.
func (w *workstation) refusesItsList() {
	w.t.Helper()
	w.until("the branch says that it is behind", func() bool {
		return strings.Contains(w.d.Link().View().LastErr, "list accounts") && strings.Contains(w.d.Link().View().LastErr, "has not heard yet what the machine knows")
	})
}

// TestNothingOfAStandbyThatIsBehindWinsOverWhatAMachineKnows: its list is no list, and what
// it says of one account puts back nobody, also after a restart of the machine. Whoever it
// knows as the machine does gets in there.
// Promise reading-list.
func TestNothingOfAStandbyThatIsBehindWinsOverWhatAMachineKnows(t *testing.T) {
	b, w := behind(t)
	for _, when := range []string{"at once", "after a restart"} {
		for _, name := range []string{"removed", "disabled"} {
			if in, shown := w.lets(name); in {
				t.Errorf("%s, %s gets in: %q", when, name, shown)
			}
			_ = w.d.FetchName(t.Context(), identity.Name(name)) // a question of the branch, whatever comes of it
		}
		if in, shown := w.lets("ada"); !in {
			t.Errorf("%s, ada, whom the branch knows, does not get in: %q, %+v", when, shown, w.d.Link().View())
		}
		if odd := w.asItIs(""); odd != "" {
			t.Errorf("%s, by a word of the branch these are others: %s", when, odd)
		}
		w.restart()
	}
	b.must(nil, w.d.ForgetAccount(t.Context(), w.d.Directory().Named("ada"))) // so a list is due
	w.refusesItsList()
	if odd := w.asItIs("ada"); odd != "" {
		t.Errorf("by the list of the branch these are others: %s", odd)
	}
	w.restart()
	w.refusesItsList()
	if odd := w.asItIs("ada"); odd != "" {
		t.Errorf("after a restart, by the list of the branch these are others: %s", odd)
	}
	b.must(nil, b.database.Run(t.Context()))
	b.must(nil, b.full.Start(t.Context()))
	w.until("the list of a full server", func() bool { return w.online() && w.asItIs("") == "" })
}

// TestAMachineThatForgotEverythingTakesTheListThatThereIs: that is how an administrator says
// that what the branch knows is to count.
// Promise reading-list.
func TestAMachineThatForgotEverythingTakesTheListThatThereIs(t *testing.T) {
	b, w := behind(t)
	b.must(nil, w.d.ForgetEverything(t.Context()))
	w.until("the branch's list", func() bool {
		known, _ := w.knows("removed")
		return known
	})
}
