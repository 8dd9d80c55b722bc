package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// listeners are the connections that wait for a word of other servers.
func listeners(t testing.TB, db *sql.DB, schema string) (pids []int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT pid FROM pg_stat_activity WHERE query ILIKE $1`, `LISTEN sallyport_`+schema)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return pids
}

// Promise fleet-changes.
func TestAChangeThroughOneServerWakesTheOthers(t *testing.T) {
	a, b := two(t)
	ctx, end := context.WithCancel(t.Context())
	followed := make(chan struct{})
	go func() { b.Follow(ctx); close(followed) }()
	t.Cleanup(func() { end(); <-followed })
	bounded, stop := context.WithTimeout(t.Context(), within)
	defer stop()
	wakes := func(what string, change func()) {
		t.Helper()
		next := b.Changed.Next()
		change()
		select {
		case <-next:
		case <-bounded.Done():
			t.Errorf("%s wakes nobody", what)
		}
	}
	account := 0
	change := func() {
		account++
		a.Must(a.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: fmt.Sprintf("new%d", account)}))
	}
	wakes("a change", change)
	wakes("a machine that is removed", func() { a.Must(a.Admin.RemoveMachine(t.Context(), servertest.Named("box"))) })
	// Where nobody listens any more, looking is enough: as behind a pooler, or on a standby.
	db := postgres.Raw(t, a.Settings.Database, "")
	var schema string
	a.Must(nil, db.QueryRowContext(t.Context(), `SELECT current_schema()`).Scan(&schema))
	pids := listeners(t, db, schema)
	if len(pids) == 0 {
		t.Error("nobody listens")
	}
	for _, pid := range pids {
		a.Must(db.ExecContext(t.Context(), `SELECT pg_terminate_backend($1)`, pid))
		wakes("a change after the listener was cut off", change)
	}
}

// TestAReaderMissesNoChange: many servers write at once, and one reads behind them all the
// time. A transaction that began earlier and commits later is not skipped.
// Promise fleet-order.
func TestAReaderMissesNoChange(t *testing.T) {
	a, b := two(t)
	const each = 40
	var writers sync.WaitGroup
	for w, s := range []*servertest.Bench{a, b, a, b} {
		writers.Go(func() {
			for n := range each {
				if _, err := s.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: fmt.Sprintf("w%dn%d", w, n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { writers.Wait(); close(written) }()
	heard := map[uuid.UUID]bool{}
	var position uint64
	read := func() {
		a.Must(nil, a.Store.Read(t.Context(), func(tx *store.Tx) error {
			changes, ok, err := tx.Changes(uuid.Nil, position, 7)
			if err != nil || !ok {
				return fmt.Errorf("position %d: %t, %w", position, ok, err)
			}
			for _, c := range changes {
				heard[c.Account], position = true, c.Revision
			}
			return nil
		}))
	}
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		read()
	}
	for range 4*each/7 + 1 {
		read()
	}
	a.Must(nil, a.Store.Read(t.Context(), func(tx *store.Tx) error {
		accounts, err := tx.Accounts()
		for _, acc := range accounts {
			if !heard[acc.UUID] {
				t.Errorf("the change of %s was missed", acc.Name)
			}
		}
		return err
	}))
}

// Promise fleet-audit.
func TestTheAuditLogOfSeveralServersIsOneChain(t *testing.T) {
	a, b := two(t)
	var writers sync.WaitGroup
	for w, s := range []*servertest.Bench{a, b, a, b} {
		writers.Go(func() {
			// Rows that come with no change of an account, and rows that do.
			for n := range 25 {
				if s.LogsIn("carol", "wrong") {
					t.Error("somebody without a password got in")
				}
				if _, err := s.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: fmt.Sprintf("w%dn%d", w, n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	for _, s := range []*servertest.Bench{a, b} {
		v, err := s.Admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{})
		if err != nil || v.GetRows() < 200 {
			t.Errorf("%d rows, %v", v.GetRows(), err)
		}
	}
}
