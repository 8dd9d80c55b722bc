package store

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

func look(t *testing.T, s *Store, f func(*Tx) error) {
	t.Helper()
	if err := s.Read(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func standing(t *testing.T, s *Store) (now Standing) {
	t.Helper()
	look(t, s, func(tx *Tx) (err error) { now, err = tx.Standing(); return err })
	return now
}

func TestWhatChangesAMachinesStandingIsCounted(t *testing.T) {
	s, _ := newStore(t)
	var m Machine
	key := make([]byte, 32)
	steps := []struct {
		what  string
		count bool
		do    func(tx *Tx) error
	}{
		{"an invitation", false, func(tx *Tx) error { _, err := tx.Invite("box", []byte("h"), time.Now().Add(time.Hour)); return err }},
		{"joining", true, func(tx *Tx) (err error) { m, err = tx.Join([]byte("h"), key, time.Now()); return err }},
		{"being seen", false, func(tx *Tx) error { return tx.Saw(m.UUID, "host", "1", time.Now()) }},
		{"a copy", true, func(tx *Tx) error { _, err := tx.Duplicated(m.UUID, time.Now()); return err }},
		{"a copy that is known", false, func(tx *Tx) error { _, err := tx.Duplicated(m.UUID, time.Now()); return err }},
		{"a scope", true, func(tx *Tx) error { return tx.SetScope(m.UUID, []uuid.UUID{}) }},
		{"codes offline", true, func(tx *Tx) error { return tx.SetMachineOfflineCodes("box", true) }},
		{"a sealing key", true, func(tx *Tx) error { _, err := tx.SetSealingKey(m.UUID, key); return err }},
		{"the same again", false, func(tx *Tx) error { _, err := tx.SetSealingKey(m.UUID, key); return err }},
		{"a quarantine", true, func(tx *Tx) error { return tx.Quarantine("box", time.Now()) }},
		{"a code to rejoin", false, func(tx *Tx) error { _, err := tx.Rejoin("box", []byte("h2"), time.Now().Add(time.Hour)); return err }},
		{"rejoining", true, func(tx *Tx) error { _, err := tx.Join([]byte("h2"), append(key, 1)[1:], time.Now()); return err }},
		{"an account", false, func(tx *Tx) error { _, err := tx.AddAccount(person("alice")); return err }},
		{"being removed", true, func(tx *Tx) error { return tx.RemoveMachine("box") }},
	}
	for _, c := range steps {
		before := standing(t, s)
		write(t, s, c.do)
		if after := standing(t, s); (after.Machines > before.Machines) != c.count || after.News != before.News {
			t.Errorf("%s: %+v after %+v", c.what, after, before)
		}
	}
	before := standing(t, s)
	write(t, s, (*Tx).Announce)
	if after := standing(t, s); after.News != before.News+1 {
		t.Errorf("an announcement: %+v after %+v", after, before)
	}
}

func TestAServerIsNewsOnlyWhereMachinesGoByIt(t *testing.T) {
	s, _ := newStore(t)
	one := Server{ID: uuid.New(), URL: "https://id1.example:8443", Version: "1", Began: time.Unix(100, 0), Seen: time.Unix(100, 0)}
	for _, c := range []struct {
		what   string
		change func(*Server)
		news   bool
	}{
		{"the first time", func(*Server) {}, true},
		{"half a minute later", func(s *Server) { s.Seen = time.Unix(130, 0) }, false},
		{"another release", func(s *Server) { s.Version, s.Began = "2", time.Unix(140, 0) }, false},
		{"another URL", func(s *Server) { s.URL = "https://id.example:8443" }, true},
		{"another certificate", func(s *Server) { s.TLS = []byte("t") }, true},
		{"another server", func(s *Server) { s.ID = uuid.New() }, true},
	} {
		c.change(&one)
		write(t, s, func(tx *Tx) error {
			if news, err := tx.Serve(one); err != nil || news != c.news {
				t.Errorf("%s: news %t, %v", c.what, news, err)
			}
			return nil
		})
	}
	look(t, s, func(tx *Tx) error {
		list, err := tx.Servers()
		if len(list) != 2 || list[0].Version != "2" || !list[0].Seen.Equal(time.Unix(130, 0)) {
			t.Errorf("%+v", list)
		}
		return err
	})
	write(t, s, func(tx *Tx) error { return tx.RemoveServer(one.ID, time.Unix(1, 0)) })
}

// TestAnotherCopyOfTheDatabaseBeginsAHistory: a copy by PostgreSQL's own means says nothing
// of itself; what it writes first begins another history, so that a machine which heard more
// from the one before is told.
// Promise fleet-copies.
func TestAnotherCopyOfTheDatabaseBeginsAHistory(t *testing.T) {
	if server == nil {
		t.Log("a file is told by its marks and by machines, see package realm")
		return
	}
	s, where := newStore(t)
	was := begin(t, s, Started)
	add(t, s, "alice")
	copied, err := server.Dump(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, "bob") // what the copy has not
	lost := position(t, s)
	if standing(t, s).Moved {
		t.Error("the database itself counts as a copy")
	}
	o := reopened(t, copied)
	if !standing(t, o).Moved {
		t.Error("the copy does not tell that it is one")
	}
	for range 3 {
		// More than was lost, so that the numbers alone would not tell.
		add(t, o, identity.Name("carol"+uuid.NewString()[:4]))
	}
	now := standing(t, o)
	if now.Moved || now.History == was.ID {
		t.Errorf("after its first change: %+v", now)
	}
	look(t, o, func(tx *Tx) error {
		if known, err := tx.Knows(was.ID, lost); known || err != nil {
			t.Errorf("what was lost is known: %v", err)
		}
		return nil
	})
}

// TestAPromotedStandbyBeginsAHistory is the same for a failover that lost the last change.
// Promise fleet-copies.
func TestAPromotedStandbyBeginsAHistory(t *testing.T) {
	if server == nil {
		t.Log("only PostgreSQL has standbys")
		return
	}
	primary, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = primary.Stop()
		}
	})
	where := primary.Realm(t)
	if err := Create(t.Context(), where, Realm{Name: "r", IDs: smallRange, OfflineFor: 60}); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop() })
	s := reopened(t, primary.Or(standby, where)) // a server that knows both
	was := begin(t, s, Started)
	add(t, s, "alice")
	if err := standby.Caught(t.Context(), primary); err != nil {
		t.Fatal(err)
	}
	if err := standby.Freeze(t.Context()); err != nil { // asynchronous, and behind
		t.Fatal(err)
	}
	add(t, s, "bob")
	lost := position(t, s)
	if err := primary.Stop(); err != nil {
		t.Fatal(err)
	}
	stopped = true
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := s
	if !standing(t, o).Moved {
		t.Error("the promoted standby does not tell that it is one")
	}
	for range 3 {
		add(t, o, identity.Name("carol"+uuid.NewString()[:4]))
	}
	if now := standing(t, o); now.Moved || now.History == was.ID {
		t.Errorf("after its first change: %+v", now)
	}
	look(t, o, func(tx *Tx) error {
		if known, err := tx.Knows(was.ID, lost); known || err != nil {
			t.Errorf("what was lost is known: %v", err)
		}
		if _, err := tx.AccountByName("alice"); err != nil {
			t.Errorf("what was replicated: %v", err)
		}
		return nil
	})
}

// TestEveryTableIsMoved: one that is added later is not forgotten.
// Promise fleet-move.
func TestEveryTableIsMoved(t *testing.T) {
	s, _ := newFile(t)
	known := map[string]bool{}
	for _, n := range Tables() {
		known[n] = true
	}
	found := 0
	look(t, s, func(tx *Tx) error {
		return tx.each(func(row *sql.Rows) error {
			var n string
			err := row.Scan(&n)
			if found++; !known[n] {
				t.Errorf("table %s is not moved", n)
			}
			return err
		}, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'migrations'`)
	})
	if found != len(known) {
		t.Errorf("%d tables, and %d are moved", found, len(known))
	}
}
