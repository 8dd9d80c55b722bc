package store

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// holder is alice, who holds some of everything, on a machine with a scope or without.
func holder(t *testing.T, s *Store, scoped, within bool) (machine uuid.UUID) {
	t.Helper()
	write(t, s, func(tx *Tx) error {
		a, err := tx.AddAccount(person("alice"))
		must(t, err)
		for _, name := range []identity.Name{"outer", "inner", "other"} {
			_, err := tx.AddGroup(identity.Group{Name: name, Points: 3, Demands: []identity.FactorKind{identity.PIV, identity.TOTP}, Earned: name == "outer"})
			must(t, err)
		}
		group := func(n identity.Name) uuid.UUID { g, err := tx.GroupByName(n); must(t, err); return g.UUID }
		must(t, tx.AddGroupTo(group("outer"), group("inner")))
		must(t, tx.AddAccountTo(group("inner"), a.UUID))
		must(t, tx.SetPassword(a.UUID, "phc", time.Unix(77, 0)))
		must(t, tx.SetPasswordRules(PasswordRules{MaxAge: 30, MinLength: 9, History: 2}))
		must(t, tx.SetPoints(identity.Points{{Kind: identity.PIV, Points: 9}}))
		must(t, tx.SetTOTP(a.UUID, []byte{0, 1, 2}, "telephone"))
		for _, c := range []byte{3, 1, 2, 4} {
			_, err := tx.AddCard(a.UUID, Card{Fingerprint: []byte{c}, PublicKey: []byte{c, c}, Certificate: []byte{c, 0, c}, Label: "card", Serial: "7", Attested: c == 1})
			must(t, err)
		}
		must(t, tx.RevokeCard(a.UUID, []byte{1}))
		must(t, tx.RevokeCard(a.UUID, []byte{3}))
		_, err = tx.SetBackupCodes(a.UUID, [][]byte{{1}, {2}})
		must(t, err)
		must(t, tx.AddSSHKey(a.UUID, identity.SSHKey{Tag: "b", Line: "ssh-ed25519 B"}))
		must(t, tx.AddSSHKey(a.UUID, identity.SSHKey{Tag: "a", Line: "ssh-ed25519 A"}))
		must(t, tx.AddSigningKey(bytes.Repeat([]byte{5}, 32), time.Unix(1, 0)))
		must(t, tx.AddSigningKey(bytes.Repeat([]byte{6}, 32), time.Unix(2, 0)))
		must(t, tx.SealSigningKey(bytes.Repeat([]byte{6}, 32), []byte("sealed")))
		m, err := tx.Invite("box", []byte("code"), time.Unix(1<<40, 0))
		must(t, err)
		machine = m.UUID
		if scoped {
			g := []uuid.UUID{group("other")}
			if within {
				g = append(g, group("outer"))
			}
			must(t, tx.SetScope(machine, g))
		}
		_, err = tx.Clock(time.Unix(5000, 0))
		must(t, err)
		must(t, tx.SignedIn(a.UUID, machine, "seat", time.Unix(900, 0)))
		must(t, tx.SignedIn(a.UUID, machine, "host 192.0.2.1", time.Unix(800, 0)))
		for i, spot := range []Spot{
			{Kind: identity.Password},
			{Kind: identity.Password, Machine: machine},
			{Kind: identity.TOTP, Machine: machine, Origin: "host 192.0.2.1"},
			{Kind: identity.TOTP, Machine: machine, Origin: "seat"},
			{Kind: identity.TOTP, Machine: uuid.New()},
		} {
			must(t, tx.SetFailures("alice", Failures{spot, identity.Tally{Count: uint32(i) + 1, Since: time.Unix(10, 0), LockedUntil: time.Unix(20, 0)}}, time.Unix(10, 0)))
		}
		return nil
	})
	return machine
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got, want any, err error) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, one by one %+v, %v", what, got, want, err)
	}
}

// What one statement says of somebody is what the tables say one by one.
// Promise database-trips.
func TestAPersonIsReadAsTheTablesHaveIt(t *testing.T) {
	for name, c := range map[string]struct{ scoped, within bool }{
		"a machine that may know everybody": {}, "within the scope": {true, true}, "beyond the scope": {true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			machine := holder(t, s, c.scoped, c.within)
			must(t, s.Read(t.Context(), func(tx *Tx) error {
				p, err := tx.Person(machine, "alice")
				must(t, err)
				if known := !c.scoped || c.within; p.Known != known || p.Beyond == known {
					t.Fatalf("known %t, beyond %t", p.Known, p.Beyond)
				}
				commonAsStored(t, tx, p.Common)
				if p.Known {
					personAsStored(t, tx, p)
				} else if !reflect.DeepEqual(p, Person{Common: p.Common, Beyond: true}) {
					t.Errorf("told of somebody beyond its scope: %+v", p)
				}
				return nil
			}))
			attemptAsStored(t, s, machine)
		})
	}
}

func commonAsStored(t *testing.T, tx *Tx, c Common) {
	t.Helper()
	points, err := tx.Points()
	same(t, "points", c.Points, points, err)
	rules, err := tx.PasswordRules()
	same(t, "rules", c.Rules, rules, err)
	clock, err := tx.Seen(time.Unix(0, 0))
	same(t, "clock", c.Clock, clock, err)
	pub, sealed, err := tx.SignsNow()
	history, term, err2 := tx.Term()
	same(t, "signs", c.Signs, Signs{pub, sealed, history, term}, errors.Join(err, err2))
	alone, err := tx.Common()
	same(t, "common", c, alone, err)
}

func personAsStored(t *testing.T, tx *Tx, p Person) {
	t.Helper()
	a, err := tx.AccountByName("alice")
	same(t, "account", p.Account, a, err)
	of, err := tx.PersonOf(a.UUID)
	same(t, "by uuid", p, of, err)
	password, err := tx.Password(a.UUID)
	same(t, "password", *p.Password, password, err)
	totp, err := tx.TOTP(a.UUID)
	same(t, "totp", *p.TOTP, totp, err)
	cards, err := tx.Cards(a.UUID)
	same(t, "cards", p.Cards, cards, err)
	revoked, err := tx.RevokedCards(a.UUID)
	same(t, "revoked cards", p.RevokedCards(), revoked, err)
	codes, err := tx.BackupCodes(a.UUID)
	same(t, "backup codes", *p.BackupCodes, codes, err)
	groups, err := tx.GroupsOf(a)
	same(t, "groups", p.Groups, groups, err)
	keys, err := tx.SSHKeys(a.UUID)
	same(t, "keys", p.SSHKeys, keys, err)
	if f := p.Factors(); len(f) != 5 || f[0].ChangeBy != 77+30*24*3600 {
		t.Errorf("factors: %+v", f)
	}
}

func attemptAsStored(t *testing.T, s *Store, machine uuid.UUID) {
	t.Helper()
	for _, origin := range []string{"seat", "host 192.0.2.1", "host 192.0.2.9"} {
		var got Attempt
		must(t, s.Once(t.Context(), func(tx *Tx) (err error) { got, err = tx.Attempt(machine, "alice", origin); return err }))
		must(t, s.Read(t.Context(), func(tx *Tx) error {
			failures, err := tx.FailuresAt("alice", machine, origin)
			same(t, "failures", got.Failures, failures, err)
			for _, since := range []int64{1, 800, 801, 900, 901} {
				a, err := tx.AccountByName("alice")
				must(t, err)
				on, from, err := tx.HasSignedIn(a.UUID, machine, origin, time.Unix(since, 0))
				on, from = on && got.Known, from && got.Known
				same(t, "places", []bool{got.OnMachine.Unix() >= since, got.FromOrigin.Unix() >= since}, []bool{on, from}, err)
			}
			return nil
		}))
	}
}

// Promise database-trips.
func TestNobodyIsNobodyToOneStatement(t *testing.T) {
	s, _ := newStore(t)
	machine := holder(t, s, false, false)
	must(t, s.Read(t.Context(), func(tx *Tx) error {
		for who, read := range map[string]func() (Person, error){
			"an unknown name":    func() (Person, error) { return tx.Person(machine, "nobody") },
			"an unknown machine": func() (Person, error) { return tx.Person(uuid.New(), "alice") },
			"an unknown account": func() (Person, error) { return tx.PersonOf(uuid.New()) },
		} {
			p, err := read()
			same(t, who, p, Person{Common: p.Common, Beyond: who == "an unknown machine"}, err)
		}
		return nil
	}))
}

// Promise database-trips.
func TestOnceAsksOnceAndWritesNothing(t *testing.T) {
	s, _ := newStore(t)
	must(t, s.Once(t.Context(), func(tx *Tx) error {
		_, err := tx.Realm()
		must(t, err)
		if _, err := tx.Realm(); err == nil {
			t.Error("a second query is of another moment")
		}
		return nil
	}))
	for what, f := range map[string]func(*Tx) error{
		"at once": func(tx *Tx) error { return tx.SetPasswordRules(PasswordRules{}) },
		"later":   func(tx *Tx) error { return tx.ClearFailuresAt("alice", Spot{}) },
	} {
		if err := s.Once(t.Context(), f); err == nil {
			t.Error("written:", what)
		}
		if err := s.Read(t.Context(), f); err == nil {
			t.Error("written by a reader:", what)
		}
	}
}

// What waits is done before whatever is asked next, and fails with everything.
// Promise database-trips.
func TestWhatWaitsIsSeenByWhatComesAfterIt(t *testing.T) {
	s, _ := newStore(t)
	spot := Spot{Kind: identity.Password}
	write(t, s, func(tx *Tx) error {
		for n := range uint32(3) {
			must(t, tx.SetFailuresOf("alice", true, Failures{spot, identity.Tally{Count: n + 1}}, time.Unix(1, 0)))
		}
		list, err := tx.Failures("alice")
		if len(list) != 1 || list[0].Count != 3 {
			t.Errorf("%+v, %v", list, err)
		}
		must(t, tx.ClearFailuresAt("alice", spot))
		return tx.Record(Entry{Time: time.Unix(1, 0), Action: "kept"})
	})
	err := s.Write(t.Context(), func(tx *Tx) error {
		must(t, tx.Record(Entry{Time: time.Unix(1, 0), Action: "undone"}))
		return tx.later(`INSERT INTO audit (id, made, actor, action, subject, detail, hash) SELECT id, made, actor, action, subject, detail, hash FROM audit`)
	})
	if !errors.Is(err, ErrExists) {
		t.Fatalf("a statement that failed with the commit: %v", err)
	}
	must(t, s.Read(t.Context(), func(tx *Tx) error {
		list, err := tx.Failures("alice")
		rows, _, err2 := tx.VerifyAudit()
		if len(list) != 0 || rows != 1 || errors.Join(err, err2) != nil {
			t.Errorf("%d failures, %d rows, %v", len(list), rows, errors.Join(err, err2))
		}
		return nil
	}))
}

// Promise database-trips.
func TestAnAccountIsAskedForByAKeyThatMayKnowEverybody(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Tx) error
		found  bool
	}{
		"as it is":         {func(*Tx) error { return nil }, true},
		"shut out":         {func(tx *Tx) error { return tx.Quarantine("box", time.Unix(5, 0)) }, false},
		"with a scope":     {func(tx *Tx) error { m, _ := tx.MachineByName("box"); return tx.SetScope(m.UUID, []uuid.UUID{}) }, false},
		"removed":          {func(tx *Tx) error { return tx.RemoveMachine("box") }, false},
		"no such account":  {func(tx *Tx) error { a, _ := tx.AccountByName("alice"); return tx.RemoveAccount(a.UUID) }, false},
		"another revision": {func(tx *Tx) error { a, _ := tx.AccountByName("alice"); return tx.SetState(a.UUID, identity.Disabled) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			holder(t, s, false, false)
			key := bytes.Repeat([]byte{9}, 32)
			write(t, s, func(tx *Tx) error { _, err := tx.Join([]byte("code"), key, time.Unix(3, 0)); return err })
			write(t, s, c.change)
			a, signs, err := s.AccountForKey(t.Context(), key, ByName("alice"))
			if found := err == nil; found != c.found || !found && !errors.Is(err, identity.ErrNotFound) {
				t.Fatalf("%v", err)
			}
			if !c.found {
				return
			}
			must(t, s.Read(t.Context(), func(tx *Tx) error {
				want, err := tx.AccountByName("alice")
				same(t, "account", a, want, err)
				p, err := tx.Common()
				p.Sealed = nil
				same(t, "signs", signs, p.Signs, err)
				return nil
			}))
		})
	}
}
