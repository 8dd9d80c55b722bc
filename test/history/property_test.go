package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// world is a server and a machine that things happen to.
type world struct {
	t       testing.TB
	s       *site
	b       *box
	r       *rand.Rand
	backups []string
	copies  []string
	running bool // the machine
	late    bool // something changed since server and machine are connected
	trace   []string
}

// The people and the groups that there may be.
var (
	people = []string{"ann", "ben", "cat", "dan"}
	teams  = []string{"builders", "writers"}
	words  = []string{first, second, third}
)

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) pick(list []string) string { return list[w.r.IntN(len(list))] }

// change is one change at the server. What does not fit is refused there, and no change.
func (w *world) change() {
	ctx, name, team := w.t.Context(), w.pick(people), w.pick(teams)
	var err error
	what := ""
	switch w.r.IntN(8) {
	case 0:
		what = "add " + name
		_, err = w.s.admin.AddAccount(ctx, &v1.AddAccountRequest{Name: name})
	case 1:
		what = "remove " + name
		_, err = w.s.admin.RemoveAccount(ctx, &v1.NameRequest{Name: name})
	case 2, 3:
		off := w.r.IntN(2) == 0
		what = fmt.Sprintf("disable=%t %s", off, name)
		_, err = w.s.admin.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: name, Disabled: off})
	case 4:
		what = "key " + name
		_, err = w.s.admin.AddSSHKey(ctx, &v1.AddSSHKeyRequest{Name: name, Line: newKey(w.t), Tag: fmt.Sprint(w.r.IntN(3))})
	case 5:
		what = "unkey " + name
		_, err = w.s.admin.RemoveSSHKey(ctx, &v1.RemoveSSHKeyRequest{Name: name, Tag: fmt.Sprint(w.r.IntN(3))})
	case 6:
		what = "join " + team + " " + name
		_, err = w.s.admin.AddMember(ctx, &v1.MemberRequest{Group: team, Member: name})
	case 7:
		what = "leave " + team + " " + name
		_, err = w.s.admin.RemoveMember(ctx, &v1.MemberRequest{Group: team, Member: name})
	}
	if err == nil {
		w.late = true
		w.note("%s", what)
	}
}

// step is one thing that happens.
func (w *world) step() {
	switch n := w.r.IntN(20); {
	case n < 10:
		w.change()
	case n == 10:
		w.note("backup")
		w.backups = append(w.backups, w.s.backup())
	case n == 11:
		w.note("copy")
		w.copies = append(w.copies, w.s.copy())
		w.late = false
	case n == 12 && len(w.backups) > 0:
		at := w.r.IntN(len(w.backups))
		w.note("restore %d", at)
		w.s.restore(w.backups[at])
		w.late = false
	case n == 13 && len(w.copies) > 0:
		at := w.r.IntN(len(w.copies))
		w.note("put back %d", at)
		w.s.putBack(w.copies[at])
		w.late = false
	case n == 14:
		w.note("server restarts")
		w.s.restart()
		w.late = false
	case n == 15 && w.running:
		w.note("machine goes away")
		w.b.stop()
		w.running = false
	case n == 16 && !w.running:
		w.note("machine is back")
		w.b.start()
		w.running, w.late = true, false
	case n == 17 && w.running:
		w.login()
	default:
		w.settle()
	}
}

// login signs somebody in; a password that is set before makes an epoch of its own.
func (w *world) login() {
	name, word := w.pick(people), w.pick(words)
	if _, err := w.s.admin.SetPassword(w.t.Context(), &v1.SetPasswordRequest{Name: name, Password: []byte(word)}); err != nil {
		return
	}
	w.late = true
	w.note("%s signs in", name)
	a, err := w.s.admin.ShowAccount(w.t.Context(), &v1.NameRequest{Name: name})
	must(w.t, err)
	if got := w.b.login(name, word); got && a.GetState() != "active" {
		w.fail("%s signed in and is %s", name, a.GetState())
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.trace {
		w.t.Log(line)
	}
	w.t.Fatalf(format, args...)
}

// settle waits until the machine says that it is online where the server is, and from
// then on it grants what the server says, or nothing.
func (w *world) settle() {
	if !w.running {
		w.b.start()
		w.running, w.late = true, false
	}
	w.note("settle")
	w.b.caughtUp()
	for _, name := range people {
		var want *v1.AccountView
		if a, err := w.s.admin.ShowAccount(w.t.Context(), &v1.NameRequest{Name: name}); err == nil {
			want = a
		}
		w.judge(name, want)
	}
}

// judge compares one person. A grant that the server does not say is wrong, always; what
// is missing may be refused by a rule of the machine, which names it.
func (w *world) judge(name string, want *v1.AccountView) {
	active := want != nil && want.GetState() == "active"
	var groups []string
	if want != nil {
		groups = slices.DeleteFunc(slices.Clone(want.GetGroups()), func(g string) bool { return g == name })
		slices.Sort(groups)
	}
	keys := 0
	if active {
		keys = len(want.GetSshKeys())
	}
	refused := refusal(w.b, name) != ""
	same := func() bool {
		got := w.b.groups(name)
		if refused {
			return !w.b.may(name) && w.b.keys(name) == 0
		}
		return w.b.may(name) == active && w.b.keys(name) == keys && w.b.resolves(name) == (want != nil) && (want == nil || slices.Equal(got, groups))
	}
	// A change that was made just before may still be on its way. What was made before the
	// server or the machine started is not: the machine says that it is online.
	end := time.Now()
	if w.late {
		end = end.Add(5 * time.Second)
	}
	for !same() {
		refused = refusal(w.b, name) != ""
		if !time.Now().Before(end) {
			w.fail("%s: the server says %v; the machine: may=%t keys=%d groups=%v resolves=%t refused=%q", name, want,
				w.b.may(name), w.b.keys(name), w.b.groups(name), w.b.resolves(name), refusal(w.b, name))
		}
		time.Sleep(time.Millisecond) // between looks, not for the condition
	}
}

// Promise history-machine-follows, history-key-list.
func TestTheMachineGrantsWhatTheServerSaysNowOrNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &world{t: t, s: newSite(t), r: rand.New(rand.NewPCG(seed, 1)), running: true}
	for _, g := range teams {
		w.s.group(g)
	}
	w.b = w.s.box()
	w.b.caughtUp()
	for end := time.Now().Add(12 * time.Second); time.Now().Before(end); {
		w.step()
	}
	w.settle()
	t.Logf("%d steps", len(w.trace))
}
