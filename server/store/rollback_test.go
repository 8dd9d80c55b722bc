package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/mattn/go-sqlite3"

	"github.com/sallyport-auth/sallyport/identity"
)

// everything is a script of all changes; each is a transaction that must happen
// whole or not at all.
func everything() map[string]func(*Tx) error {
	find := func(tx *Tx) Account { a, _ := tx.AccountByName("alice"); return a }
	group := func(tx *Tx, n identity.Name) identity.Group { g, _ := tx.GroupByName(n); return g }
	return map[string]func(*Tx) error{
		"add account":    func(tx *Tx) error { _, err := tx.AddAccount(person("new")); return err },
		"remove account": func(tx *Tx) error { return tx.RemoveAccount(find(tx).UUID) },
		"rename":         func(tx *Tx) error { return tx.RenameAccount(find(tx).UUID, "new") },
		"rename group":   func(tx *Tx) error { return tx.RenameGroup(group(tx, "inner"), "new") },
		"set rules":      func(tx *Tx) error { return tx.SetPasswordRules(PasswordRules{MaxAge: 9, MinLength: 9, History: 9}) },
		"disable":        func(tx *Tx) error { return tx.SetState(find(tx).UUID, identity.Disabled) },
		"set password":   func(tx *Tx) error { return tx.SetPassword(find(tx).UUID, "new", time.Now()) },
		"set totp":       func(tx *Tx) error { return tx.SetTOTP(find(tx).UUID, []byte("new"), "") },
		"add card": func(tx *Tx) error {
			_, err := tx.AddCard(find(tx).UUID, Card{Fingerprint: []byte("new"), PublicKey: []byte("k"), Certificate: []byte("c")})
			return err
		},
		"revoke card":  func(tx *Tx) error { return tx.RevokeCard(find(tx).UUID, []byte("card")) },
		"remove card":  func(tx *Tx) error { return tx.RemoveCard(find(tx).UUID, []byte("card")) },
		"backup codes": func(tx *Tx) error { _, err := tx.SetBackupCodes(find(tx).UUID, [][]byte{{1}, {2}}); return err },
		"use a code": func(tx *Tx) error {
			b, _ := tx.BackupCodes(find(tx).UUID)
			return tx.UseBackupCode(find(tx).UUID, b.Epoch, []byte{9})
		},
		"remove codes": func(tx *Tx) error { return tx.RemoveBackupCodes(find(tx).UUID) },
		"remove totp":  func(tx *Tx) error { return tx.RemoveTOTP(find(tx).UUID) },
		"set points":   func(tx *Tx) error { return tx.SetPoints(identity.Points{{Kind: identity.PIV, Points: 7}}) },
		"set demand":   func(tx *Tx) error { g := group(tx, "inner"); g.Points = 20; return tx.SetGroupDemand(g) },
		"attestation":  func(tx *Tx) error { return tx.SetAttestation(Attestation{Authorities: [][]byte{{1}}, Required: true}) },
		"add key":      func(tx *Tx) error { return tx.AddSSHKey(find(tx).UUID, identity.SSHKey{Tag: "new", Line: "a b"}) },
		"add group":    func(tx *Tx) error { _, err := tx.AddGroup(identity.Group{Name: "new"}); return err },
		"nest":         func(tx *Tx) error { return tx.AddGroupTo(group(tx, "outer").UUID, group(tx, "inner").UUID) },
		"remove group": func(tx *Tx) error { return tx.RemoveGroup(group(tx, "inner")) },
		"add member":   func(tx *Tx) error { return tx.AddAccountTo(group(tx, "outer").UUID, find(tx).UUID) },
		"invite":       func(tx *Tx) error { _, err := tx.Invite("box", []byte("hash"), time.Unix(1<<40, 0)); return err },
		"fail": func(tx *Tx) error {
			return tx.SetFailures("alice", Failures{Spot: Spot{Kind: identity.Password}, Tally: identity.Tally{Count: 1}}, time.Unix(1, 0))
		},
		"add rule": func(tx *Tx) error { return tx.AddRequestRule(RequestRule{Name: "new", Effect: RuleGrants}, "") },
		"add request": func(tx *Tx) error {
			id := uuid.UUID{1}
			return tx.AddRequest(Request{ID: id, State: RequestWaiting, Detail: []byte("{}"), Parties: []uuid.UUID{id}, Needs: []RequestNeed{{Group: id, Count: 1}}})
		},
		"end requests": func(tx *Tx) error {
			if err := tx.AddRequest(Request{ID: uuid.UUID{1}, State: RequestGranted, Detail: []byte("{}")}); err != nil {
				return err
			}
			return tx.EndOpenRequests(time.Unix(1, 0), "why")
		},
		"hosts": func(tx *Tx) error {
			m, err := tx.Invite("box", []byte("hash"), time.Unix(1<<40, 0))
			if err != nil {
				return err
			}
			return tx.SetHosts(m.UUID, Hosts{Names: []string{"box.example.org"}})
		},
		"record":  func(tx *Tx) error { return tx.Record(Entry{Action: "new"}) },
		"compact": func(tx *Tx) error { return tx.CompactChanges(time.Unix(1<<40, 0)) },
	}
}

// strong gives the account one of each.
func strong(tx *Tx, account uuid.UUID) error {
	if err := tx.SetTOTP(account, []byte("old"), ""); err != nil {
		return err
	}
	if _, err := tx.SetBackupCodes(account, [][]byte{{8}, {9}}); err != nil {
		return err
	}
	_, err := tx.AddCard(account, Card{Fingerprint: []byte("card"), PublicKey: []byte("key"), Certificate: []byte("c")})
	return err
}

// Promise 10.
func TestAFaultInAnyStatementOrInTheCommitLeavesNoHalfState(t *testing.T) {
	for sentence, change := range everything() {
		t.Run(sentence, func(t *testing.T) {
			s, path := newFile(t)
			alice := add(t, s, "alice")
			gone := add(t, s, "gone")
			inner := addGroup(t, s, "inner")
			addGroup(t, s, "outer")
			write(t, s, func(tx *Tx) error { return tx.AddAccountTo(inner.UUID, alice.UUID) })
			write(t, s, func(tx *Tx) error { return tx.RemoveAccount(gone.UUID) })
			write(t, s, func(tx *Tx) error { return strong(tx, alice.UUID) })
			d := &faulty{Driver: &sqlite3.SQLiteDriver{}}
			broken, err := opened(t.Context(), openSQLite(d, path))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = broken.Close() }()
			before := dump(t, s)
			for n := int64(1); ; n++ {
				d.arm(n)
				err := broken.Write(t.Context(), change)
				hit := d.disarm()
				if !hit {
					if err != nil || n < 3 {
						t.Fatalf("after %d faults: %v", n-1, err)
					}
					break
				}
				if err == nil {
					t.Fatalf("fault %d was not told", n)
				}
				if after := dump(t, s); after != before {
					t.Fatalf("fault %d left\n%s\ninstead of\n%s", n, after, before)
				}
			}
			if dump(t, s) == before {
				t.Fatal("without a fault nothing changed either")
			}
		})
	}
}

// Promise 10.
func TestAFaultInAnyStatementOfAMigrationLeavesItUndone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	d := &faulty{Driver: &sqlite3.SQLiteDriver{}}
	for n := int64(1); ; n++ {
		d.arm(n)
		s, err := opened(context.Background(), openSQLite(d, path))
		hit := d.disarm()
		if !hit {
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			return
		}
		if err == nil {
			t.Fatalf("fault %d was not told", n)
		}
		db, err := sql.Open("sqlite3", path)
		if err != nil {
			t.Fatal(err)
		}
		var tables, applied int
		if err := db.QueryRow(`SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('realm', 'audit')`).Scan(&tables); err != nil {
			t.Fatal(err)
		}
		_ = db.QueryRow(`SELECT COUNT(*) FROM migrations WHERE version = 1`).Scan(&applied)
		_ = db.Close()
		if tables != 2*applied {
			t.Fatalf("fault %d: %d tables of migration 1, which is applied %d times", n, tables, applied)
		}
	}
}

func TestAMigrationThatFailsInItsMiddleIsUndoneWhole(t *testing.T) {
	script, err := migrations.ReadFile("migrations/sqlite/0001_realm.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector{&sqlite3.SQLiteDriver{}, dsn(filepath.Join(t.TempDir(), "m.db"), "")})
	s := over(&sqlite{writer: db, reader: db})
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(`CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL) STRICT`); err != nil {
		t.Fatal(err)
	}
	// Every statement in turn is the one that fails: the script is cut before it.
	ends := regexp.MustCompile(`(STRICT|ROWID|END|\));\n`).FindAllIndex(script, -1)
	if len(ends) < 20 {
		t.Fatal("only", len(ends), "statements found")
	}
	for _, end := range ends {
		err := s.Write(t.Context(), func(tx *Tx) error {
			return tx.apply(1, string(script[:end[1]])+"SELECT no_such_column;")
		})
		if err == nil || !strings.Contains(err.Error(), "no_such_column") {
			t.Fatal(err)
		}
		if got := dump(t, s); got != "" {
			t.Fatalf("cut at byte %d left %s", end[1], got)
		}
		var things int
		if err := db.QueryRow(`SELECT COUNT(*) FROM sqlite_master`).Scan(&things); err != nil || things != 1 {
			t.Fatalf("cut at byte %d left %d tables: %v", end[1], things, err)
		}
	}
}
