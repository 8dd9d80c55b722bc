package realm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// content is every row of a database, in one order for both kinds.
func content(t *testing.T, address, file string) (all []string) {
	t.Helper()
	db := postgres.Raw(t, address, file)
	for _, table := range store.Tables() {
		rows, err := db.QueryContext(t.Context(), `SELECT * FROM `+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			var row []string
			for i, c := range columns {
				row = append(row, fmt.Sprintf("%s=%v", c, values[i]))
			}
			slices.Sort(row)
			all = append(all, table+": "+strings.Join(row, " "))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(all)
	return all
}

// lived gives the board's realm a row in every table that tests easily fill.
func (b *board) lived() {
	b.t.Helper()
	b.rotate()
	b.must(nil, b.Write(b.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(store.Account{Account: identity.Account{Name: "ada", FullName: "Ada Ä", Home: "/home/ada", Shell: "/bin/sh"}, State: identity.Active, ValidUntil: identity.Never})
		b.must(nil, err)
		gone, err := tx.AddAccount(store.Account{Account: identity.Account{Name: "gone", Home: "/home/gone", Shell: "/bin/sh"}, State: identity.Active, ValidUntil: identity.Never})
		b.must(nil, err)
		b.must(nil, tx.RemoveAccount(gone.UUID))
		b.must(tx.SetBackupCodes(a.UUID, [][]byte{{1, 0, 255}, {2}}))
		m, err := tx.Invite("box", []byte("h"), b.Now())
		b.must(nil, err)
		b.must(nil, tx.SetScope(m.UUID, []uuid.UUID{}))
		b.must(nil, tx.SetHosts(m.UUID, store.Hosts{Names: []string{"box.example.org"}}))
		g, err := tx.AddGroup(identity.Group{Name: "leads"})
		b.must(nil, err)
		b.must(nil, tx.AddRequestRule(store.RequestRule{Name: "one", Kind: "ssh", Everybody: true, Effect: store.RuleAsks, Approvers: g.UUID, Count: 1}, ""))
		b.must(nil, tx.AddRequest(store.Request{
			ID: uuid.New(), Kind: "ssh", State: store.RequestWaiting, Account: a.UUID, Machine: m.UUID, Asked: b.Now(), Changed: b.Now(), Until: b.Now(),
			Detail: []byte("{}"), Reason: "ü", Parties: []uuid.UUID{a.UUID}, Needs: []store.RequestNeed{{Group: g.UUID, Name: "leads", Count: 1}},
		}))
		b.must(nil, tx.SetFailures("ada", store.Failures{Spot: store.Spot{Kind: identity.Password}, Tally: identity.Tally{Count: 3, Since: b.Now()}}, b.Now()))
		return tx.Record(store.Entry{Time: b.Now(), Actor: "somebody", Action: "anything", Detail: "ü"})
	}))
}

// Promise fleet-move.
func TestARealmIsMovedWhole(t *testing.T) {
	server, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	b := newBoard(t)
	b.lived()
	was, signs, file := b.keys(), b.key().ID, b.Dir.Database()
	if _, err := Move(t.Context(), string(b.Dir), server.Realm(t), "", nil); !errors.Is(err, ErrBusy) {
		t.Errorf("while it is served: %v", err)
	}
	b.must(nil, b.Close())
	quiet := func(string, int64) {}
	settings, err := os.ReadFile(b.Dir.settings())
	b.must(nil, err)

	occupied := server.Realm(t)
	b.must(postgres.Raw(t, occupied, "").ExecContext(t.Context(), `CREATE TABLE somebodys (x INT)`))
	others := newBoard(t)
	b.must(nil, others.Close())
	taken := server.Realm(t)
	b.must(Move(t.Context(), string(others.Dir), taken, "", quiet))
	for what, to := range map[string]string{
		"somebody's tables": occupied, "another realm": taken, "no database": "postgres:///nowhere?host=/nowhere", "a password": "postgres://u:p@h/n",
	} {
		if _, err := Move(t.Context(), string(b.Dir), to, "", quiet); err == nil {
			t.Errorf("%s: it is moved", what)
		}
		if now, err := os.ReadFile(b.Dir.settings()); err != nil || !bytes.Equal(now, settings) {
			t.Errorf("%s: the settings are others (%v)", what, err)
		}
	}

	to := server.Realm(t)
	before := content(t, "", file)
	cut := errors.New("cut off")
	func() {
		defer func() {
			if r := recover(); r != cut { //nolint:errorlint // the very one
				t.Errorf("recovered %v", r)
			}
		}()
		_, _ = Move(t.Context(), string(b.Dir), to, "", func(table string, _ int64) {
			if table == "audit" {
				panic(cut) // as kill -9 does
			}
		})
	}()
	if now := content(t, "", file); !slices.Equal(now, before) {
		t.Error("after a cut the file is another")
	}
	// Cut off after the copy, and before the settings.
	b.must(nil, b.Dir.copyTo(t.Context(), Settings{}, to, to, quiet))
	if now := content(t, to, ""); !slices.Equal(now, before) {
		t.Errorf("the copy differs:\n%s\n\n%s", strings.Join(before, "\n"), strings.Join(now, "\n"))
	}
	kept, err := Move(t.Context(), string(b.Dir), to, "", func(table string, _ int64) { t.Errorf("%s is copied again", table) })
	b.must(nil, err)
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is still in its place")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	b.must(Move(t.Context(), string(b.Dir), to, "", quiet)) // once more is no fault
	b.open(string(b.Dir))
	if now := b.keys(); now.GetFingerprint() != was.GetFingerprint() || b.key().ID != signs {
		t.Error("the realm has other keys")
	}
	b.rotate() // numbers that count by themselves go on
	b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
		_, _, err := tx.VerifyAudit()
		return err
	}))
	b.must(nil, b.BeginHistory(t.Context()))
}

// TestAnEarlierCopyIsNoMove: what was changed since is not lost.
// Promise fleet-move.
func TestAnEarlierCopyIsNoMove(t *testing.T) {
	server, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	b := newBoard(t)
	b.lived()
	b.must(nil, b.Close())
	to := server.Realm(t)
	b.must(nil, b.Dir.copyTo(t.Context(), Settings{}, to, to, func(string, int64) {}))
	b.open(string(b.Dir))
	b.must(nil, b.Write(t.Context(), func(tx *store.Tx) error {
		return tx.Record(store.Entry{Time: time.Now(), Actor: "somebody", Action: "anything"})
	}))
	b.must(nil, b.Close())
	if _, err := Move(t.Context(), string(b.Dir), to, "", func(string, int64) {}); !errors.Is(err, store.ErrOccupied) {
		t.Errorf("over an earlier copy: %v", err)
	}
}
