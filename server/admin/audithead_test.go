package admin_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// forgeAudit changes a row of the log in the database file, and gives it and all that
// follow the hashes that they would have.
func forgeAudit(b *servertest.Bench, id int64) {
	b.T.Helper()
	db := postgres.Raw(b.T, b.Settings.Database, b.Dir.Database())
	drop := `DROP TRIGGER audit_no_update`
	if b.Settings.Database != "" {
		drop += ` ON audit`
	}
	b.Must(db.Exec(drop))
	b.Must(db.Exec(`UPDATE audit SET subject = 'forged' WHERE id = $1`, id))
	var hash []byte
	b.Must(nil, b.Store.Read(b.T.Context(), func(tx *store.Tx) error {
		return tx.Audit(0, time.Time{}, math.MaxInt64, func(e store.Entry) error {
			if e.ID < id {
				hash = e.Hash
				return nil
			}
			h := sha256.New()
			put := func(p []byte) {
				_ = binary.Write(h, binary.BigEndian, uint64(len(p)))
				h.Write(p)
			}
			put(hash)
			_ = binary.Write(h, binary.BigEndian, e.ID)
			_ = binary.Write(h, binary.BigEndian, e.Time.UnixMilli())
			for _, text := range []string{e.Actor, e.Action, e.Subject, e.Detail} {
				put([]byte(text))
			}
			hash = h.Sum(nil)
			_, err := db.Exec(`UPDATE audit SET hash = $1 WHERE id = $2`, hash, e.ID)
			return err
		})
	}))
}

// TestASignedHeadShowsALogThatWasMadeAnew: somebody who may write to the database rewrites
// a row and every hash after it, so that the chain verifies.
// Promise audit-head.
func TestASignedHeadShowsALogThatWasMadeAnew(t *testing.T) {
	b := servertest.New(t)
	signed, err := b.Admin.SignAudit(t.Context(), &v1.SignAuditRequest{})
	b.Must(nil, err)
	verify := func() (*v1.VerifyAuditResponse, error) {
		return b.Admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{Signed: signed.GetSigned()})
	}
	b.Password("alice", "another password")
	if v, err := verify(); err != nil || v.GetSignedRow() != signed.GetNewest() || v.GetNewest() <= v.GetSignedRow() {
		t.Fatalf("as it was: %v, %v", v, err)
	}
	forgeAudit(b, 2)
	if _, err := b.Admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{}); err != nil {
		t.Fatalf("the forged chain does not verify, so this proves nothing: %v", err)
	}
	if _, err := verify(); err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("made anew: %v", err)
	}
	if _, err := b.Admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{Signed: []byte("no head")}); err == nil {
		t.Error("anything is taken for a signed head")
	}
	// Another realm's key signs nothing here.
	other := servertest.New(t)
	theirs, err := other.Admin.SignAudit(t.Context(), &v1.SignAuditRequest{})
	b.Must(nil, err)
	if _, err := b.Admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{Signed: theirs.GetSigned()}); err == nil {
		t.Error("another realm's signed head is taken")
	}
}

// Promise audit-head.
func TestAPrunedRowThatWasSignedIsSaidSo(t *testing.T) {
	b := servertest.New(t)
	early, err := b.Admin.SignAudit(t.Context(), &v1.SignAuditRequest{})
	b.Must(nil, err)
	b.Unix.Add(1000)
	b.Password("alice", "another password")
	last, err := b.Admin.SignAudit(t.Context(), &v1.SignAuditRequest{})
	b.Must(nil, err)
	b.Unix.Add(1000)
	b.Password("alice", "a third password")
	b.Must(nil, b.Store.Write(t.Context(), func(tx *store.Tx) error {
		_, _, err := tx.PruneAudit(b.Now().Add(-500e9))
		return err
	}))
	if _, err := b.Admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{Signed: last.GetSigned()}); err != nil {
		t.Errorf("the last row that was pruned: %v", err)
	}
	if _, err := b.Admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{Signed: early.GetSigned()}); err == nil || !strings.Contains(err.Error(), "pruned") {
		t.Errorf("a row before it: %v", err)
	}
}
