package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Entry is one row of the audit log.
type Entry struct {
	ID     int64
	Time   time.Time
	Actor  string // "uid 0", "machine NAME" or "server"
	Action string
	// Subject is the name of the account, group or machine concerned.
	Subject string
	Detail  string
	// Hash covers this row and, through the hash before it, every row before.
	Hash []byte
}

// chain computes the hash of e after a row with the hash before.
func (e Entry) chain(before []byte) []byte {
	h := sha256.New()
	put := func(h hash.Hash, b []byte) {
		// The length first, so that no two rows hash the same bytes.
		_ = binary.Write(h, binary.BigEndian, uint64(len(b)))
		h.Write(b)
	}
	put(h, before)
	_ = binary.Write(h, binary.BigEndian, e.ID)
	_ = binary.Write(h, binary.BigEndian, e.Time.UnixMilli())
	for _, s := range []string{e.Actor, e.Action, e.Subject, e.Detail} {
		put(h, []byte(s))
	}
	return h.Sum(nil)
}

// Record appends a row to the audit log.
func (t *Tx) Record(e Entry) error {
	var before []byte
	err := t.get([]any{&e.ID, &before}, `SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1`)
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return fmt.Errorf("audit: %w", err)
	}
	e.ID++
	_, err = t.exec(`INSERT INTO audit (id, made, actor, action, subject, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.Time.UnixMilli(), e.Actor, e.Action, e.Subject, e.Detail, e.chain(before))
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// Audit calls each for at most limit rows after that id and not before since.
func (t *Tx) Audit(after int64, since time.Time, limit int, each func(Entry) error) error {
	var from int64
	if !since.IsZero() {
		from = since.UnixMilli()
	}
	return t.each(func(row *sql.Rows) error {
		var e Entry
		var ms int64
		if err := row.Scan(&e.ID, &ms, &e.Actor, &e.Action, &e.Subject, &e.Detail, &e.Hash); err != nil {
			return err
		}
		e.Time = time.UnixMilli(ms)
		return each(e)
	}, `SELECT id, made, actor, action, subject, detail, hash FROM audit WHERE id > ? AND made >= ? ORDER BY id LIMIT ?`, after, from, limit)
}

// VerifyAudit walks the whole chain. It is ErrAudit at the first row that was
// changed, put in or taken out; rows cut off at the end show only by comparing
// the head with one that was kept elsewhere.
func (t *Tx) VerifyAudit() (rows int64, head []byte, err error) {
	err = t.Audit(0, time.Time{}, -1, func(e Entry) error {
		rows++
		if e.ID != rows {
			return fmt.Errorf("%w: row %d is missing", ErrAudit, rows)
		}
		if string(e.chain(head)) != string(e.Hash) {
			return fmt.Errorf("%w: row %d", ErrAudit, e.ID)
		}
		head = e.Hash
		return nil
	})
	return rows, head, err
}
