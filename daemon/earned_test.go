package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// vault is a group that a session must earn with a code.
func vault() identity.Group {
	return identity.Group{
		UUID: uuid.MustParse("55555555-5555-4555-8555-555555555555"), Name: "vault", GID: 1900000055,
		Demands: []identity.FactorKind{identity.TOTP}, Earned: true,
	}
}

// at is a process of a host program.
func at(pid, parent uint32) identity.Process {
	return identity.Process{PID: pid, Started: uint64(pid) * 10, Parent: parent, ParentStarted: uint64(parent) * 10}
}

// phases runs one operation by one process.
func (h *testMachine) by(op identity.Operation, p identity.Process, change func(*identity.Login), answers ...string) identity.Verdict {
	h.t.Helper()
	l := identity.Login{Operation: op, Service: "sshd", User: "alice", Process: p, TTY: "tty1", Caller: nobodysLogin()}
	if change != nil {
		change(&l)
	}
	return h.d.Decide(bg, l, typing(answers...))
}

func machineWithVault(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100, stuff, vault()), coded)
	h.srv.set(t, token("bob", 1900000101, vault()), coded)
	h.online()
	return h
}

func (h *testMachine) signsIn(p identity.Process) {
	h.t.Helper()
	if v := h.by(identity.OpAuthenticate, p, nil, "secret", h.code(0)); v.Code != identity.Granted {
		h.t.Fatal(v.Code)
	}
}

// Promise gated-strength.
func TestAGatedGroupIsOfTheProcessThatAuthenticated(t *testing.T) {
	other := at(70, 50)
	other.Started++
	for sentence, c := range map[string]struct {
		by   identity.Process
		then func(h *testMachine)
		as   func(*identity.Login)
		want bool
	}{
		"the process itself":                {by: at(70, 50), want: true},
		"its parent":                        {by: at(50, 1), want: true},
		"its child":                         {by: at(71, 70), want: true},
		"a brother":                         {by: at(71, 50)},
		"a grandchild":                      {by: at(72, 71)},
		"a stranger":                        {by: at(99, 98)},
		"its number, begun later":           {by: other},
		"a process that says nothing":       {},
		"itself, for another service":       {by: at(70, 50), as: func(l *identity.Login) { l.Service = "su" }},
		"itself, for another account":       {by: at(70, 50), as: func(l *identity.Login) { l.User = "bob" }},
		"itself, by its own word":           {by: at(70, 50), as: func(l *identity.Login) { l.Peer.UID = 1900000100 }},
		"itself, when it opens a session":   {by: at(70, 50), as: func(l *identity.Login) { l.Operation = identity.OpOpenSession }},
		"itself, after two minutes":         {by: at(70, 50), then: func(h *testMachine) { h.clk.pass(2*time.Minute + time.Second) }},
		"itself, within two minutes":        {by: at(70, 50), then: func(h *testMachine) { h.clk.pass(2 * time.Minute) }, want: true},
		"itself, a second time":             {by: at(70, 50), then: func(h *testMachine) { h.by(identity.OpSetCredentials, at(70, 50), nil) }},
		"a child, after the process":        {by: at(71, 70), then: func(h *testMachine) { h.by(identity.OpSetCredentials, at(70, 50), nil) }, want: true},
		"a brother, after the parent":       {by: at(71, 50), then: func(h *testMachine) { h.by(identity.OpSetCredentials, at(50, 1), nil) }, want: true},
		"a brother's second, after that":    {by: at(71, 50), then: twice},
		"the process, after its child":      {by: at(70, 50), then: func(h *testMachine) { h.by(identity.OpSetCredentials, at(71, 70), nil) }},
		"itself, after a restart":           {by: at(70, 50), then: func(h *testMachine) { h.restart(); h.online() }},
		"itself, when all was forgotten":    {by: at(70, 50), then: func(h *testMachine) { must(h.t, h.d.ForgetEverything(bg)); h.wait("alice", h.knowsAlice) }},
		"itself, with another generator":    {by: at(70, 50), then: func(h *testMachine) { h.changed(func(t *identity.IDToken) { t.Factors[1].Epoch = 9 }) }},
		"itself, no longer a member":        {by: at(70, 50), then: func(h *testMachine) { h.changed(func(t *identity.IDToken) { t.Groups = t.Groups[:2] }) }},
		"itself, when more is demanded":     {by: at(70, 50), then: func(h *testMachine) { h.changed(func(t *identity.IDToken) { t.Groups[2].Points = 99 }) }},
		"itself, when it is earned no more": {by: at(70, 50), then: func(h *testMachine) { h.changed(func(t *identity.IDToken) { t.Groups[2].Earned = false }) }},
		"itself, when the gid is another":   {by: at(70, 50), then: func(h *testMachine) { h.changed(func(t *identity.IDToken) { t.Groups[2].GID++ }) }},
		"itself, while a local group has the gid": {by: at(70, 50), then: func(h *testMachine) {
			h.local("group", "root:x:0:\nsudo:x:27:\nmine:x:1900000055:\n")
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := machineWithVault(t)
			h.signsIn(at(70, 50))
			if c.then != nil {
				c.then(h)
			}
			v := h.by(identity.OpSetCredentials, c.by, c.as)
			want := []uint32(nil)
			if c.want {
				want = []uint32{1900000055}
			}
			if !slices.Equal(v.Groups, want) {
				t.Errorf("%s with %v, want %v", v.Code, v.Groups, want)
			}
		})
	}
}

func twice(h *testMachine) {
	h.by(identity.OpSetCredentials, at(50, 1), nil)
	h.by(identity.OpSetCredentials, at(71, 50), nil)
}

func (h *testMachine) knowsAlice() bool { return h.d.Directory().WithUUID(h.alice()) != nil }

// changed pushes alice as she is now, with a change.
func (h *testMachine) changed(change func(*identity.IDToken)) {
	h.t.Helper()
	h.srv.mu.Lock()
	tok := h.srv.people[h.alice()].token
	h.srv.mu.Unlock()
	tok.Groups, tok.Factors = slices.Clone(tok.Groups), slices.Clone(tok.Factors)
	h.push(tok, change)
}

// Promise attack-person-weak-proof, gated-strength.
func TestAWeakerProofEarnsNothing(t *testing.T) {
	card := validCard(t)
	for sentence, c := range map[string]struct {
		group   func(*identity.Group)
		answers func(h *testMachine) []string
		want    bool
	}{
		"a code, where a code is demanded":   {nil, func(h *testMachine) []string { return []string{"", "secret", h.code(0)} }, true},
		"a card, where a code is demanded":   {nil, func(*testMachine) []string { return []string{"123456"} }, false},
		"a card, where a card is demanded":   {func(g *identity.Group) { g.Demands = kinds{piv} }, func(*testMachine) []string { return []string{"123456"} }, true},
		"a code, where 30 points are":        {func(g *identity.Group) { g.Demands, g.Points = nil, 30 }, func(h *testMachine) []string { return []string{"", "secret", h.code(0)} }, true},
		"a code, where 31 points are":        {func(g *identity.Group) { g.Demands, g.Points = nil, 31 }, func(h *testMachine) []string { return []string{"", "secret", h.code(0)} }, false},
		"anything, where nothing is":         {func(g *identity.Group) { g.Demands = nil }, func(*testMachine) []string { return []string{"123456"} }, true},
		"nothing, where nothing is":          {func(g *identity.Group) { g.Demands = nil }, func(*testMachine) []string { return nil }, false},
		"a wrong code":                       {nil, func(*testMachine) []string { return []string{"", "secret", "000000x"} }, false},
		"nothing, as with an ssh key":        {nil, func(*testMachine) []string { return nil }, false},
		"a person who goes away at the code": {nil, func(*testMachine) []string { return []string{"", "secret"} }, false},
	} {
		for _, where := range []string{"online", "offline"} {
			t.Run(sentence+", "+where, func(t *testing.T) {
				h := newTestMachine(t, func(h *testMachine) { h.cards = &reader{card: card} })
				g := vault()
				if c.group != nil {
					c.group(&g)
				}
				tok := token("alice", 1900000100, g)
				tok.Points = identity.DefaultPoints()
				h.srv.set(t, tok, func(p *person) { coded(p); carded(card)(p) })
				h.online()
				h.by(identity.OpAuthenticate, at(70, 50), nil, "", "secret", h.code(0))
				h.by(identity.OpSetCredentials, at(70, 50), nil)
				h.later()
				if where == "offline" {
					h.lost()
				}
				h.by(identity.OpAuthenticate, at(80, 50), nil, c.answers(h)...)
				v := h.by(identity.OpSetCredentials, at(80, 50), nil)
				if v.Code != identity.Granted || (len(v.Groups) == 1) != c.want {
					t.Errorf("%s with %v, want any %t", v.Code, v.Groups, c.want)
				}
			})
		}
	}
}

// Promise attack-person-gated-members, gated-told-nobody.
func TestAMembershipThatMustBeEarnedIsToldToNobody(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) {
		h.local("group", "root:x:0:\nsudo:x:27:\n")
		h.policy.LocalGroups = map[string]uuid.UUID{"sudo": vault().UUID}
	})
	h.srv.set(t, token("alice", 1900000100, stuff, vault()), coded)
	h.online()
	h.wait("alice", h.knowsAlice)
	ids, err := h.d.GroupsOf(bg, "alice")
	if err != nil || !slices.Equal(ids.GIDs, []uint32{1900000100, 1900000001}) || len(ids.Local) > 0 {
		t.Errorf("%v, %v", ids, err)
	}
	byName, err1 := h.d.GroupByName(bg, "vault")
	byGID, err2 := h.d.GroupByGID(bg, 1900000055)
	if err1 != nil || err2 != nil || len(byName.Members) > 0 || len(byGID.Members) > 0 || byName.Name != "vault" || byGID.GID != 1900000055 {
		t.Errorf("%v %v, %v %v", byName, err1, byGID, err2)
	}
	listed := 0
	must(t, h.d.Groups(bg, func(g identity.GroupEntry) error {
		if g.Name == "vault" {
			listed++
			if len(g.Members) > 0 {
				t.Errorf("listed with %v", g.Members)
			}
		}
		return nil
	}))
	v, err := h.d.View(bg)
	must(t, err)
	for a := range v.Accounts() {
		if slices.Contains(a.GIDs, 1900000055) || len(a.Local) > 0 {
			t.Errorf("the view lists %v, %v of %s", a.GIDs, a.Local, a.Name)
		}
	}
	for g := range v.Groups() {
		if g.Name == "vault" {
			listed++
		}
	}
	if listed != 2 {
		t.Errorf("its name is told %d times, want 2", listed)
	}
	h.local("passwd", "root:x:0:0::/root:/bin/sh\nmine:x:1900000100:1::/:/bin/sh\n") // alice's uid
	if g, err := h.d.GroupByName(bg, "vault"); err == nil {
		t.Errorf("%v is named, and has no member that is answered here", g)
	}
}

// Promise gated-told-nobody.
func TestAGroupThatBecomesOneToEarnIsALossSeenAtOnce(t *testing.T) {
	h := newTestMachine(t)
	open := vault()
	open.Earned = false
	h.srv.set(t, token("alice", 1900000100, stuff, open), nil)
	h.online()
	h.wait("alice", h.knowsAlice)
	before := h.d.Revisions()
	h.changed(func(t *identity.IDToken) { t.Groups[2].Earned = true })
	h.wait("the loss", func() bool { return h.d.Revisions().Urgent > before.Urgent })
	if ids, err := h.d.GroupsOf(bg, "alice"); err != nil || slices.Contains(ids.GIDs, vault().GID) {
		t.Errorf("%v, %v", ids, err)
	}
}

// Promise gated-told-nobody.
func TestAnAccountWhoseOwnGroupMustBeEarnedIsRefused(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	tok.Groups[0].Earned = true
	h.srv.set(t, tok, nil)
	h.srv.set(t, token("bob", 1900000101), nil)
	h.online()
	h.wait("bob", func() bool { return h.d.Directory().Named("bob") != nil })
	if h.knowsAlice() {
		t.Error("it is taken")
	}
}

func TestWhoamiTellsWhatThisSessionEarned(t *testing.T) {
	h := machineWithVault(t)
	h.wait("alice", h.knowsAlice)
	for args, here := range map[string]bool{`"groups":[1900000055,27],`: true, `"groups":[27],`: false, ``: false} {
		var w report.Whoami
		err := h.d.Handle(bg, identity.Peer{UID: 1900000100}, report.VerbWhoami,
			[]byte(`{`+args+`"session":{"audit":7,"terminal":0,"leader":9,"started":9}}`), func(v any) error { w = v.(report.Whoami); return nil })
		if err != nil || len(w.Earned) != 1 || w.Earned[0].Here != here || w.Earned[0].Takes != "a one-time code" {
			t.Errorf("%s: %+v, %v", args, w.Earned, err)
		}
		if fmt.Sprint(w.Account.Groups) != "[alice stuff]" {
			t.Errorf("groups %v", w.Account.Groups)
		}
	}
}

func TestWhoCannotBeToldEarnsNothing(t *testing.T) {
	for sentence, c := range map[string]struct {
		proves, begins identity.Process
		as             func(*identity.Login)
	}{
		"a program that is not root's":          {at(70, 50), at(70, 50), func(l *identity.Login) { l.Peer.UID = 1900000100 }},
		"a process that says nothing":           {identity.Process{}, at(70, 0), nil},
		"a session's process that says nothing": {at(70, 0), identity.Process{}, nil},
		"a process without a start":             {identity.Process{PID: 70}, identity.Process{PID: 70}, nil},
		"a process without a number":            {identity.Process{Started: 700}, identity.Process{Started: 700}, nil},
		"a parent of which only the number is":  {identity.Process{PID: 70, Started: 700, Parent: 50}, identity.Process{PID: 50}, nil},
		"a parent of which only the start is":   {identity.Process{PID: 70, Started: 700, ParentStarted: 500}, identity.Process{Started: 500}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := machineWithVault(t)
			if v := h.by(identity.OpAuthenticate, c.proves, c.as, "secret", h.code(0)); v.Code != identity.Granted {
				t.Fatal(v.Code)
			}
			if v := h.by(identity.OpSetCredentials, c.begins, nil); v.Code != identity.Granted || len(v.Groups) > 0 {
				t.Errorf("%s with %v", v.Code, v.Groups)
			}
		})
	}
}

func TestAStrongerProofBeforeTheLastOneEarnsNothing(t *testing.T) {
	card := validCard(t)
	h := newTestMachine(t, func(h *testMachine) { h.cards = &reader{card: card} })
	h.srv.set(t, token("alice", 1900000100, vault()), func(p *person) { coded(p); carded(card)(p) })
	h.online()
	for _, answers := range [][]string{{"", "secret", h.code(0)}, {"123456"}} {
		if v := h.by(identity.OpAuthenticate, at(70, 50), nil, answers...); v.Code != identity.Granted {
			t.Fatal(v.Code)
		}
	}
	for range 2 { // the last proof's, and what is left after it
		if v := h.by(identity.OpSetCredentials, at(70, 50), nil); v.Code != identity.Granted || len(v.Groups) > 0 {
			t.Errorf("%s with %v", v.Code, v.Groups)
		}
	}
}
