package directory

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// TestAnOlderCopyOfTheDatabaseIsServedToNobody: the server has seen a newer one before it was
// started anew. A file is one server's own, so one that was put back is the newest again.
// Promise fleet-split.
func TestAnOlderCopyOfTheDatabaseIsServedToNobody(t *testing.T) {
	b := servertest.New(t)
	b.Unix.Store(time.Now().Unix()) // the database's clock is the machine's
	marks := t.TempDir()
	starts := func() {
		t.Helper()
		b.Must(nil, b.KeepMarkIn(marks))
		b.Must(nil, b.BeginHistory(t.Context()))
	}
	token := func() error {
		return b.Store.Read(t.Context(), func(tx *store.Tx) error {
			a, err := tx.AccountByName(identity.Name("alice"))
			if err == nil {
				_, err = b.IDToken(b.Call(), tx, a)
			}
			return err
		})
	}
	starts()
	b.Must(nil, b.Fit())
	folder := string(b.Dir)
	raw := postgres.Raw(t, b.Settings.Database, filepath.Join(folder, "sallyport.db"))
	b.Must(raw.ExecContext(t.Context(), `UPDATE realm SET term = term - 5`))
	b.Must(raw.ExecContext(t.Context(), `DELETE FROM histories WHERE seq = (SELECT MAX(seq) FROM histories)`))
	if servertest.Postgres() != nil {
		if err := token(); err == nil {
			t.Errorf("a token of an older copy, under the server's hands: %v", err)
		}
	}
	b.Must(nil, b.Close())
	b.Open(folder)
	starts()
	lost := b.Histories(store.Lost)
	if servertest.Postgres() == nil {
		if err := b.Fit(); err != nil || lost != 1 {
			t.Errorf("the file was put back: %v, %d losses", err, lost)
		}
		return
	}
	if b.Fit() == nil || b.Ready(t.Context()) == nil || token() == nil || lost > 0 {
		t.Errorf("%v, %d losses", b.Fit(), lost)
	}
	b.Must(b.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{NewestCopy: true}))
	b.Must(nil, b.Fit())
	b.Must(nil, token())
}
