package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Entry is one row of the audit log.
type Entry struct {
	ID     int64
	Time   time.Time
	Actor  string // "uid 0", "machine NAME", "console" or "server"
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
	if t.ours.head == nil {
		var head AuditHead
		err := t.get([]any{&head.ID, &head.Hash}, `SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1`)
		if err != nil && !errors.Is(err, identity.ErrNotFound) {
			return fmt.Errorf("audit: %w", err)
		}
		t.ours.head = &head
	}
	e.ID = t.ours.head.ID + 1
	e.Hash = e.chain(t.ours.head.Hash)
	err := t.later(`INSERT INTO audit (id, made, actor, action, subject, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.Time.UnixMilli(), e.Actor, e.Action, e.Subject, e.Detail, e.Hash)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	t.ours.head = &AuditHead{e.ID, e.Hash}
	t.rows = append(t.rows, e.Action)
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

// AuditHead is one end of the audit log: the number and hash of a row.
type AuditHead struct {
	ID   int64
	Hash []byte
}

// AuditBase is the last row that was pruned, the zero value before the first time. The
// chain goes on from its hash.
func (t *Tx) AuditBase() (AuditHead, error) {
	var h AuditHead
	err := t.get([]any{&h.ID, &h.Hash}, `SELECT pruned_to, hash FROM audit_base`)
	return h, err
}

// AuditHash is the hash of one row, or of the last that was pruned. Of a row that is not
// there it is identity.ErrNotFound.
func (t *Tx) AuditHash(id int64) (hash []byte, err error) {
	err = t.get([]any{&hash}, `SELECT hash FROM audit WHERE id = ? UNION ALL SELECT hash FROM audit_base WHERE pruned_to = ?`, id, id)
	return hash, err
}

// VerifyAudit walks the whole chain, from the last row that was pruned, and returns how
// many rows there are and the newest one. It is ErrAudit at the first row that was
// changed, put in or taken out. Somebody who may write to the database can make a chain
// of his own: that, and rows cut off at the end, show only by comparing with a head that
// was kept elsewhere.
func (t *Tx) VerifyAudit() (rows int64, head AuditHead, err error) {
	if head, err = t.AuditBase(); err != nil {
		return 0, head, err
	}
	err = t.Audit(head.ID, time.Time{}, math.MaxInt64, func(e Entry) error {
		rows++
		if e.ID != head.ID+1 {
			return fmt.Errorf("%w: row %d is missing", ErrAudit, head.ID+1)
		}
		if string(e.chain(head.Hash)) != string(e.Hash) {
			return fmt.Errorf("%w: row %d", ErrAudit, e.ID)
		}
		head = AuditHead{e.ID, e.Hash}
		return nil
	})
	return rows, head, err
}

// PruneAudit deletes the rows from before that time, but never the newest row. It
// returns how many those were and the last of them: its hash is kept, so that the chain
// of the others still verifies.
func (t *Tx) PruneAudit(before time.Time) (rows int64, last AuditHead, err error) {
	// In the order of their numbers: one row of a later time ends what is deleted.
	err = t.get([]any{&last.ID, &last.Hash}, `SELECT id, hash FROM audit WHERE id < COALESCE(
		(SELECT MIN(id) FROM audit WHERE made >= ?), (SELECT MAX(id) FROM audit)) ORDER BY id DESC LIMIT 1`, before.UnixMilli())
	if errors.Is(err, identity.ErrNotFound) {
		return 0, AuditHead{}, nil
	}
	if err != nil {
		return 0, AuditHead{}, err
	}
	// The base first: the trigger lets go only of what lies before it.
	if err := t.one(`UPDATE audit_base SET pruned_to = ?, hash = ?`, last.ID, last.Hash); err != nil {
		return 0, AuditHead{}, err
	}
	rows, err = t.exec(`DELETE FROM audit WHERE id <= ?`, last.ID)
	return rows, last, err
}
