package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-auth/sallyport/test/postgres"
)

// onPostgres skips nothing: where the tests are run on SQLite there is nothing to test.
func onPostgres(t *testing.T) bool {
	t.Helper()
	if server == nil {
		t.Log("it is about PostgreSQL")
	}
	return server != nil
}

// TestTheRoleThatServesOwnsNothing: it does all that a server does, and cannot change what
// tables there are nor what they keep.
// Promise database-role.
func TestTheRoleThatServesOwnsNothing(t *testing.T) {
	if !onPostgres(t) {
		return
	}
	owner := server.Realm(t)
	raw := postgres.Raw(t, owner, "")
	exec := func(q string) {
		t.Helper()
		if _, err := raw.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	exec(`DROP ROLE IF EXISTS serves`)
	exec(`CREATE ROLE serves LOGIN`)
	serving := strings.Replace(owner, "user=postgres", "user=serves", 1)
	if err := Create(t.Context(), serving, Realm{Name: "r", IDs: smallRange}); err == nil {
		t.Fatal("a role without rights makes tables")
	}
	if err := Migrate(t.Context(), owner, serving); err != nil {
		t.Fatal(err)
	}
	if err := Create(t.Context(), serving, Realm{Name: "r", IDs: smallRange, OfflineFor: 60}); err != nil {
		t.Fatal(err)
	}
	s := reopened(t, serving)
	begin(t, s, Started)
	alice := add(t, s, "alice")
	inner := addGroup(t, s, "inner")
	addGroup(t, s, "outer")
	write(t, s, func(tx *Tx) error { return tx.AddAccountTo(inner.UUID, alice.UUID) })
	write(t, s, func(tx *Tx) error { return strong(tx, alice.UUID) })
	for what, change := range everything() {
		undone := errors.New("undone")
		err := s.Write(t.Context(), func(tx *Tx) error { return errors.Join(change(tx), tx.Announce(), undone) })
		if !errors.Is(err, undone) || strings.Contains(err.Error(), "denied") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if standing(t, s).Moved {
		t.Error("the copy is not known by that role")
	}
	write(t, s, func(tx *Tx) error { return tx.Record(Entry{Action: "a"}) })
	c, err := pgx.Connect(t.Context(), serving)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, q := range []string{
		`CREATE TABLE mine (x INT)`, `ALTER TABLE accounts ADD COLUMN x INT`, `DROP TABLE accounts`, `TRUNCATE audit`, `TRUNCATE posix_ids`,
		`ALTER TABLE audit DISABLE TRIGGER ALL`, `DROP TRIGGER audit_no_delete ON audit`, `DELETE FROM audit`, `UPDATE audit SET actor = 'x'`,
		`DELETE FROM migrations`, `INSERT INTO migrations (version, applied) VALUES (99, 0)`, `SET session_replication_role = replica`,
		`CREATE OR REPLACE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
	} {
		if _, err := c.Exec(t.Context(), q); err == nil {
			t.Errorf("it may: %s", q)
		}
	}
	if err := Migrate(t.Context(), serving, serving); err != nil {
		t.Errorf("tables that are up to date: %v", err)
	}
}

// TestMigrationsAtOnceAreOne: two that make or change the tables at once both end well.
// Promise database-migrations.
func TestMigrationsAtOnceAreOne(t *testing.T) {
	if !onPostgres(t) {
		return
	}
	where := server.Realm(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := Migrate(t.Context(), where, where); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := Create(t.Context(), where, Realm{Name: "r", IDs: smallRange}); err != nil {
		t.Error(err)
	}
}

// Promise database-migrations.
func TestADatabaseIsServedOnlyByProgramsThatKnowIt(t *testing.T) {
	s, where := newStore(t)
	raw := postgres.Raw(t, where, where)
	if server == nil {
		raw = postgres.Raw(t, "", "file:"+strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(where))
	}
	list, err := s.scriptList()
	if err != nil {
		t.Fatal(err)
	}
	opens := func() error {
		o, err := Open(t.Context(), where)
		if err == nil {
			_ = o.Close()
		}
		return err
	}
	exec := func(q string) {
		t.Helper()
		if _, err := raw.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	exec(fmt.Sprintf(`INSERT INTO migrations (version, applied) VALUES (%d, 0)`, len(list)+1))
	if err := opens(); err != nil {
		t.Errorf("a change that breaks nothing for this program: %v", err)
	}
	exec(fmt.Sprintf(`INSERT INTO migrations (version, applied, breaking) VALUES (%d, 0, 1)`, len(list)+2))
	if err := opens(); err == nil || !strings.Contains(err.Error(), "use a newer program") {
		t.Errorf("a change that this program does not know: %v", err)
	}
	if server == nil {
		return
	}
	exec(fmt.Sprintf(`DELETE FROM migrations WHERE version >= %d`, len(list)))
	if err := opens(); !errors.Is(err, ErrOld) || !strings.Contains(err.Error(), "sallyport-server migrate") {
		t.Errorf("an older database: %v", err)
	}
}

// TestAMigrationOfPostgreSQLThatIsCutOffIsUndoneWhole: every statement in turn is the one
// that fails.
// Promise database-migrations.
func TestAMigrationOfPostgreSQLThatIsCutOffIsUndoneWhole(t *testing.T) {
	if !onPostgres(t) {
		return
	}
	s, _ := newStore(t)
	list, err := s.scriptList()
	if err != nil {
		t.Fatal(err)
	}
	where := server.Realm(t)
	e, err := openPostgres(where)
	if err != nil {
		t.Fatal(err)
	}
	empty := over(e)
	t.Cleanup(func() { _ = empty.Close() })
	cuts := 0
	for _, m := range list[:1] {
		for at := range m.text {
			if !strings.HasSuffix(m.text[:at], ");\n") {
				continue
			}
			cuts++
			err := empty.Write(t.Context(), func(tx *Tx) error {
				_, err := tx.exec(m.text[:at] + "SELECT no_such_column;")
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "no_such_column") {
				t.Fatal(err)
			}
			var things int
			if err := e.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace`).Scan(&things); err != nil || things != 0 {
				t.Fatalf("cut at byte %d left %d things: %v", at, things, err)
			}
		}
	}
	if cuts < 30 {
		t.Errorf("only %d statements found", cuts)
	}
}

// TestAConnectionIsWaitedForWhereAllAreTaken: somebody's ends in time.
// Promise database-crowded.
func TestAConnectionIsWaitedForWhereAllAreTaken(t *testing.T) {
	if !onPostgres(t) {
		return
	}
	_, where := newStore(t)
	// All connections of the cluster but those for its superuser are taken.
	raw := postgres.Raw(t, where, "")
	if _, err := raw.ExecContext(t.Context(), `DROP ROLE IF EXISTS crowd`); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.ExecContext(t.Context(), `CREATE ROLE crowd LOGIN CONNECTION LIMIT 3`); err != nil {
		t.Fatal(err)
	}
	crowd := strings.Replace(where, "user=postgres", "user=crowd", 1)
	if err := Migrate(t.Context(), where, crowd); err != nil {
		t.Fatal(err)
	}
	var taken []*pgx.Conn
	for range 3 {
		c, err := pgx.Connect(t.Context(), crowd)
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, c)
	}
	e, err := openPostgres(crowd)
	if err != nil {
		t.Fatal(err)
	}
	o := over(e)
	t.Cleanup(func() { _ = o.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := o.Read(ctx, func(*Tx) error { return nil }); !errors.Is(err, ErrBusyDatabase) {
		t.Errorf("nobody leaves: %v", err)
	}
	asked := make(chan error)
	go func() { asked <- o.Read(t.Context(), func(*Tx) error { return nil }) }()
	if err := taken[0].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err != nil {
		t.Errorf("somebody has left: %v", err)
	}
	for _, c := range taken[1:] {
		_ = c.Close(t.Context())
	}
}

// TestATransactionInWhichSomethingFailedIsNotCommitted: PostgreSQL answers such a COMMIT by
// undoing, and calls that no error.
// Promise database-trips.
func TestATransactionInWhichSomethingFailedIsNotCommitted(t *testing.T) {
	if !onPostgres(t) {
		return
	}
	s, _ := newStore(t)
	for _, waits := range []bool{false, true} {
		err := s.Write(t.Context(), func(tx *Tx) error {
			if _, err := tx.exec(`INSERT INTO names (name) VALUES ('x'), ('x')`); err == nil {
				t.Error("twice the same name")
			}
			if waits {
				return tx.Record(Entry{Action: "lost"})
			}
			return nil
		})
		if err == nil {
			t.Errorf("said to be committed; waits %t", waits)
		}
	}
}
