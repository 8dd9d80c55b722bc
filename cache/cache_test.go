package cache

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

var bg = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openAt(t testing.TB, path string) *Cache {
	t.Helper()
	c, err := Open(bg, path, Options{Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func tokenFor(name string, n uint32) Put {
	return Put{Token: Token{
		UUID: uuid.NewSHA1(uuid.NameSpaceDNS, []byte(name)), Name: identity.Name(name), UID: n, GID: n,
		Revision: 1<<63 + uint64(n), Signed: []byte("signed " + name), Fetched: time.Unix(1e9, 0),
	}, Keep: []Epoch{{identity.Password, 7}}}
}

func verifierFor(id uuid.UUID, epoch uint64, mark string) Verifier {
	return Verifier{
		UUID: id, Kind: identity.Password, Epoch: epoch, Salt: []byte("salt-" + mark), Memory: 64, Time: 1, Threads: 1,
		MAC: []byte("mac-" + mark), Made: time.Unix(5, 0),
	}
}

func TestWhatWasStoredComesBackAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "cache.db")
	c := openAt(t, path)
	p := tokenFor("alice", 5)
	contact := Contact{Position: 1<<63 + 1, Complete: true, At: time.Unix(77, 0)}
	must(t, c.Apply(bg, Batch{Realm: "p", Put: []Put{p}, IDs: []ID{{UID, 5, p.UUID}, {GID, 5, p.UUID}}, Contact: &contact}))
	v := verifierFor(p.UUID, 7, "x")
	must(t, c.PutVerifier(bg, v))
	must(t, c.SetFailures(bg, p.UUID, Failures{"k", "o", identity.Tally{Count: 3, Since: time.Unix(1, 0), LockedUntil: time.Unix(2, 0)}}))
	must(t, c.SetClock(bg, Clock{time.Unix(9, 1), time.Hour}))
	must(t, c.Remember(bg, "note", []byte("kept")))
	must(t, c.Close())
	c = openAt(t, path)
	if got, err := c.Token(bg, p.UUID); err != nil || fmt.Sprint(got) != fmt.Sprint(p.Token) {
		t.Errorf("token %v, %v", got, err)
	}
	if got, err := c.Contact(bg, "p"); err != nil || got != contact {
		t.Errorf("contact %v, %v", got, err)
	}
	if got, err := c.Verifier(bg, p.UUID, identity.Password); err != nil || fmt.Sprint(got) != fmt.Sprint(v) {
		t.Errorf("verifier %v, %v", got, err)
	}
	if got, err := c.Failures(bg, p.UUID, "k", "o"); err != nil || got.Count != 3 || got.LockedUntil.Unix() != 2 {
		t.Errorf("failures %v, %v", got, err)
	}
	if got, err := c.Clock(bg); err != nil || !got.HighWater.Equal(time.Unix(9, 1)) || got.Boot != time.Hour {
		t.Errorf("clock %v, %v", got, err)
	}
	if got, err := c.Recall(bg, "note"); err != nil || string(got) != "kept" {
		t.Errorf("note %q, %v", got, err)
	}
	ids := 0
	must(t, c.IDs(bg, "p", func(i ID) {
		if i.UUID == p.UUID && i.ID == 5 {
			ids++
		}
	}))
	if ids != 2 || c.Rebuilt() != "" {
		t.Errorf("%d ids, rebuilt %q", ids, c.Rebuilt())
	}
}

func TestWhatIsAbsentIsNotFound(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "c.db"))
	for what, get := range map[string]func() error{
		"token":    func() error { _, err := c.Token(bg, uuid.New()); return err },
		"verifier": func() error { _, err := c.Verifier(bg, uuid.New(), identity.Password); return err },
		"contact":  func() error { _, err := c.Contact(bg, "p"); return err },
		"clock":    func() error { _, err := c.Clock(bg); return err },
		"note":     func() error { _, err := c.Recall(bg, "n"); return err },
	} {
		if err := get(); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestEveryPageOfTokensIsRead(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "c.db"))
	var b Batch
	for i := range uint32(2*pageSize + 1) {
		b.Put = append(b.Put, tokenFor(fmt.Sprintf("a%d", i), i))
	}
	must(t, c.Apply(bg, b))
	n := 0
	must(t, c.Tokens(bg, "", func(tok Token) error {
		n++
		_, err := c.Token(bg, tok.UUID) // the callback may use the cache
		return err
	}))
	if n != len(b.Put) {
		t.Fatalf("%d of %d", n, len(b.Put))
	}
}

func TestTheFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	c := openAt(t, filepath.Join(dir, "cache.db"))
	must(t, c.Remember(bg, "a", nil))
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("folder %o", info.Mode().Perm())
	}
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		info, err := f.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s %o", f.Name(), info.Mode().Perm())
		}
	}
	if len(files) != 3 {
		t.Errorf("%d files, want the database, its log and its index", len(files))
	}
}

func TestADamagedDatabaseIsMovedAsideAndBegunAnew(t *testing.T) {
	for sentence, damage := range map[string]func(t *testing.T, path string){
		"it is not a database": func(t *testing.T, path string) {
			must(t, os.WriteFile(path, bytes.Repeat([]byte("garbage "), 4096), 0o600))
		},
		"its pages are overwritten": func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			must(t, err)
			for i := 4096; i < len(b); i++ {
				b[i] ^= 0x5a
			}
			must(t, os.WriteFile(path, b, 0o600))
		},
		"it is cut short":          func(t *testing.T, path string) { must(t, os.Truncate(path, 5000)) },
		"it is of a later version": func(t *testing.T, path string) { alter(t, path, `PRAGMA user_version = 99`) },
		"a table is missing":       func(t *testing.T, path string) { alter(t, path, `DROP TABLE failures`) },
		"a trigger was planted": func(t *testing.T, path string) {
			alter(t, path, `CREATE TRIGGER x AFTER INSERT ON failures BEGIN DELETE FROM failures; END`)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cache.db")
			c := openAt(t, path)
			var b Batch
			for i := range uint32(100) {
				b.Put = append(b.Put, tokenFor(fmt.Sprintf("a%d", i), i))
			}
			must(t, c.Apply(bg, b))
			must(t, c.Close())
			damage(t, path)
			var log bytes.Buffer
			c, err := Open(bg, path, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return time.Unix(1e9, 0) }})
			must(t, err)
			defer c.Close()
			if want := path + ".damaged-20010909T014640.000Z"; c.Rebuilt() != want {
				t.Fatalf("rebuilt %q, want %q", c.Rebuilt(), want)
			}
			if _, err := os.Stat(c.Rebuilt()); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "moved aside") {
				t.Errorf("log: %s", &log)
			}
			must(t, c.Apply(bg, b))
		})
	}
}

func alter(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(bg, statement)
	must(t, err)
}

// failing fails the n-th statement that it is given.
type failing struct {
	execer
	left int
}

var errInjected = errors.New("injected")

func (f *failing) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if f.left--; f.left == 0 {
		return nil, errInjected
	}
	return f.execer.ExecContext(ctx, query, args...)
}

func TestAMigrationThatFailsAtAnyStatementLeavesTheOneBefore(t *testing.T) {
	fresh, err := sql.Open("sqlite3", ":memory:")
	must(t, err)
	defer fresh.Close()
	fresh.SetMaxOpenConns(1)
	one, err := fresh.Conn(bg)
	must(t, err)
	total, ends, shapes := 0, []int{0}, [][]string{nil}
	for i, statements := range migrations {
		total += 3 + len(statements) // BEGIN, the version, COMMIT
		must(t, step(bg, one, i))
		after, err := shape(bg, one)
		must(t, err)
		ends, shapes = append(ends, total), append(shapes, after)
	}
	must(t, one.Close())
	for n := 1; n <= total; n++ {
		done := 0
		for done+1 < len(ends) && n > ends[done+1] {
			done++
		}
		db, err := sql.Open("sqlite3", filepath.Join(t.TempDir(), "m.db"))
		must(t, err)
		conn, err := db.Conn(bg)
		must(t, err)
		if err := migrate(bg, &failing{conn, n}); !errors.Is(err, errInjected) {
			t.Fatalf("statement %d: %v", n, err)
		}
		var version int
		must(t, conn.QueryRowContext(bg, `PRAGMA user_version`).Scan(&version))
		tables, err := shape(bg, conn)
		must(t, err)
		if version != done || !slices.Equal(tables, shapes[done]) {
			t.Fatalf("statement %d: version %d with %q", n, version, tables)
		}
		must(t, migrate(bg, conn)) // and it can be done afterwards
		must(t, conn.Close())
		must(t, db.Close())
	}
	db, err := sql.Open("sqlite3", ":memory:")
	must(t, err)
	defer db.Close()
	conn, err := db.Conn(bg)
	must(t, err)
	must(t, migrate(bg, &failing{conn, total + 1})) // that were all statements
}

// Promise 7.
func TestADeletedVerifierLeavesNoByteInAnyFile(t *testing.T) {
	id := tokenFor("bob", 1).UUID
	for sentence, end := range map[string]func(c *Cache, all []uuid.UUID) error{
		"deleted": func(c *Cache, all []uuid.UUID) error {
			var errs []error
			for _, u := range all {
				errs = append(errs, c.DeleteVerifiers(bg, u))
			}
			return errors.Join(errs...)
		},
		"ended by a new epoch": func(c *Cache, all []uuid.UUID) error {
			var b Batch
			for _, u := range all {
				p := tokenFor("x", 1)
				p.UUID, p.Keep = u, []Epoch{{identity.Password, 8}}
				b.Put = append(b.Put, p)
			}
			return c.Apply(bg, b)
		},
		"account gone": func(c *Cache, all []uuid.UUID) error { return c.Apply(bg, Batch{Remove: all}) },
		"forgotten": func(c *Cache, all []uuid.UUID) error {
			var errs []error
			for _, u := range all {
				errs = append(errs, c.Forget(bg, u, uuid.Nil))
			}
			return errors.Join(errs...)
		},
		"cleared": func(c *Cache, _ []uuid.UUID) error { return c.Clear(bg) },
		"replaced": func(c *Cache, all []uuid.UUID) error {
			var errs []error
			for _, u := range all {
				errs = append(errs, c.PutVerifier(bg, verifierFor(u, 8, "fresh")))
			}
			return errors.Join(errs...)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			dir := t.TempDir()
			c := openAt(t, filepath.Join(dir, "c.db"))
			all := []uuid.UUID{id}
			for range 150 { // enough to split pages
				all = append(all, uuid.New())
			}
			for _, u := range all {
				must(t, c.PutVerifier(bg, verifierFor(u, 7, "FINDME"+strings.Repeat("y", 40))))
			}
			if !inFiles(t, dir, "FINDME") {
				t.Fatal("the search finds nothing even before")
			}
			must(t, end(c, all))
			if inFiles(t, dir, "FINDME") {
				t.Fatal("bytes are left")
			}
		})
	}
}

func inFiles(t *testing.T, dir, mark string) bool {
	t.Helper()
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		must(t, err)
		if bytes.Contains(b, []byte(mark)) {
			return true
		}
	}
	return false
}

func TestAVerifierOfTheSameEpochOutlivesANewToken(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "c.db"))
	p := tokenFor("alice", 1)
	must(t, c.PutVerifier(bg, verifierFor(p.UUID, 7, "x")))
	must(t, c.Apply(bg, Batch{Put: []Put{p}}))
	if _, err := c.Verifier(bg, p.UUID, identity.Password); err != nil {
		t.Fatal(err)
	}
}

func TestADeletionThatAReaderDelaysIsFinishedAtTheNextOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.db")
	c := openAt(t, path)
	id := uuid.New()
	must(t, c.PutVerifier(bg, verifierFor(id, 1, "FINDME")))
	_, err := c.db.ExecContext(bg, `PRAGMA busy_timeout = 1`)
	must(t, err)
	reader, err := sql.Open("sqlite3", path)
	must(t, err)
	tx, err := reader.BeginTx(bg, nil)
	must(t, err)
	var n int
	must(t, tx.QueryRowContext(bg, `SELECT count(*) FROM verifiers`).Scan(&n))
	if err := c.DeleteVerifiers(bg, id); err == nil {
		t.Fatal("acknowledged while the bytes are there")
	}
	must(t, tx.Rollback())
	must(t, reader.Close())
	must(t, c.Remember(bg, "any", nil)) // the next write tries again
	if inFiles(t, dir, "FINDME") {
		t.Fatal("bytes are left")
	}
}

func TestOnAFullDiskReadsGoOnAndWritesSaySo(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "c.db"))
	p := tokenFor("alice", 1)
	must(t, c.Apply(bg, Batch{Put: []Put{p}}))
	var pages int
	must(t, c.db.QueryRowContext(bg, `PRAGMA page_count`).Scan(&pages))
	must(t, c.db.QueryRowContext(bg, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)).Scan(&pages))
	big := tokenFor("bob", 2)
	big.Signed = make([]byte, 1<<20)
	if err := c.Apply(bg, Batch{Put: []Put{p, big}}); !errors.Is(err, ErrFull) {
		t.Fatalf("%v, want ErrFull", err)
	}
	if _, err := c.Token(bg, p.UUID); err != nil {
		t.Fatal(err)
	}
	must(t, c.db.QueryRowContext(bg, `PRAGMA max_page_count = 100000`).Scan(&pages))
	must(t, c.Apply(bg, Batch{Put: []Put{big}}))
}
