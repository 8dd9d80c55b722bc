package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// ReservedID is an id that is kept for an account or a group which this database does
// not know, because it was restored from before that was made.
type ReservedID struct {
	ID    uint32
	Owner uuid.UUID
	// Name is what its owner was called, and Machine who has seen it.
	Name    identity.Name
	Machine string
	Seen    time.Time
}

// Reserve keeps the id for its owner, unless it was given out here or is kept already;
// it tells whether it was free.
func (t *Tx) Reserve(r ReservedID) (bool, error) {
	n, err := t.exec(`INSERT INTO reserved_ids (id, owner, name, machine, seen)
		SELECT CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT)
		WHERE NOT EXISTS (SELECT 1 FROM posix_ids WHERE id = ?) ON CONFLICT DO NOTHING`,
		r.ID, r.Owner, string(r.Name), r.Machine, r.Seen.Unix(), r.ID)
	return n == 1, err
}

// Release lets the id be given out again; identity.ErrNotFound when it is not kept.
func (t *Tx) Release(id uint32) error { return t.one(`DELETE FROM reserved_ids WHERE id = ?`, id) }

// Reserved lists the ids that are kept.
func (t *Tx) Reserved() ([]ReservedID, error) {
	var list []ReservedID
	err := t.each(func(row *sql.Rows) error {
		var r ReservedID
		var seen int64
		var name string
		if err := row.Scan(&r.ID, &r.Owner, &name, &r.Machine, &seen); err != nil {
			return err
		}
		r.Name, r.Seen = identity.Name(name), time.Unix(seen, 0)
		list = append(list, r)
		return nil
	}, `SELECT id, owner, name, machine, seen FROM reserved_ids ORDER BY id`)
	return list, err
}

func (t *Tx) isReserved(id uint32) (is bool, err error) {
	err = t.get([]any{&is}, `SELECT EXISTS (SELECT 1 FROM reserved_ids WHERE id = ?)`, id)
	return is, err
}

// take gives the id to the owner, if nobody has or had it and it is kept for nobody.
func (t *Tx) take(id uint32, owner fmt.Stringer) (bool, error) {
	kept, err := t.isReserved(id)
	if err != nil || kept {
		return false, err
	}
	n, err := t.exec(`INSERT INTO posix_ids (id, owner) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, owner.String())
	return n == 1, err
}

// GivenIDs calls each with every id that was given out, and its owner.
func (t *Tx) GivenIDs(each func(id uint32, owner uuid.UUID)) error {
	return t.each(func(row *sql.Rows) error {
		var id uint32
		var owner uuid.UUID
		err := row.Scan(&id, &owner)
		if err == nil {
			each(id, owner)
		}
		return err
	}, `SELECT id, owner FROM posix_ids`)
}

// NoteLost remembers a history of this realm that this database does not know; it tells
// whether that is news.
func (t *Tx) NoteLost(history uuid.UUID, revision uint64, now time.Time) (bool, error) {
	n, err := t.exec(`INSERT INTO lost_histories (id, revision, seen) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
		history, int64(revision), now.Unix()) //nolint:gosec // the same bits
	return n == 1, err
}

// IsLost tells whether NoteLost has noted the history.
func (t *Tx) IsLost(history uuid.UUID) (is bool, err error) {
	err = t.get([]any{&is}, `SELECT EXISTS (SELECT 1 FROM lost_histories WHERE id = ?)`, history)
	return is, err
}
