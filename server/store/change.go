package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Change is the newest change of one account.
type Change struct {
	Revision uint64
	Account  uuid.UUID
	Gone     bool
}

// nextRevision makes the realm one revision older. The first change of a process begins
// its history, if nothing has before; so does the first of a copy of the database.
func (t *Tx) nextRevision() (uint64, error) {
	t.ours.revised = true
	for {
		if !t.begun {
			if _, err := t.Begin(Started, "", 0, time.Now()); err != nil {
				return 0, err
			}
			t.begun = true
		}
		var rev uint64
		err := t.get([]any{&rev}, `UPDATE realm SET revision = revision + 1 WHERE copy = `+t.engine.copied()+` RETURNING revision`)
		if !errors.Is(err, identity.ErrNotFound) {
			return rev, err
		}
		t.begun = false
	}
}

// touch gives the account a revision of its own and puts it into the change log.
// Each account gets its own, also when one change concerns many, so that a
// watcher that was cut off in their middle knows where to go on.
func (t *Tx) touch(account uuid.UUID) (uint64, error) {
	rev, err := t.nextRevision()
	if err != nil {
		return 0, err
	}
	if err := t.one(`UPDATE accounts SET revision = ? WHERE uuid = ?`, rev, account); err != nil {
		return 0, err
	}
	return rev, t.log(account, rev, false)
}

func (t *Tx) log(account uuid.UUID, rev uint64, gone bool) error {
	_, err := t.exec(`INSERT INTO changes (account_uuid, revision, gone, made) VALUES (?, ?, ?, ?)
		ON CONFLICT (account_uuid) DO UPDATE SET revision = excluded.revision, gone = excluded.gone, made = excluded.made`,
		account, rev, gone, time.Now().Unix())
	return err
}

// touchAll touches each of the accounts.
func (t *Tx) touchAll(accounts []uuid.UUID) error {
	for _, a := range accounts {
		if _, err := t.touch(a); err != nil {
			return fmt.Errorf("touch %s: %w", a, err)
		}
	}
	return nil
}

// Position is the revision of the realm's newest change.
func (t *Tx) Position() (uint64, error) {
	var rev uint64
	err := t.get([]any{&rev}, `SELECT revision FROM realm`)
	return rev, err
}

// Changes lists at most limit changes after the position in that history, oldest first.
// ok is false when the log cannot go on from there: it is too old, or Knows does not.
func (t *Tx) Changes(history uuid.UUID, after uint64, limit int) (changes []Change, ok bool, err error) {
	var compacted uint64
	if err := t.get([]any{&compacted}, `SELECT compacted_to FROM realm`); err != nil {
		return nil, false, err
	}
	// Compared here, not in SQL: a position from outside may not fit an INTEGER.
	if known, err := t.Knows(history, after); err != nil || !known || after < compacted {
		return nil, false, err
	}
	err = t.each(func(row *sql.Rows) error {
		var c Change
		if err := row.Scan(&c.Revision, &c.Account, &c.Gone); err != nil {
			return err
		}
		changes = append(changes, c)
		return nil
	}, `SELECT revision, account_uuid, gone FROM changes WHERE revision > ? ORDER BY revision LIMIT ?`, int64(after), limit) //nolint:gosec // the same bits, as SQLite has no unsigned
	return changes, err == nil, err
}

// CompactChanges forgets accounts that went before the given time. A position
// from before the newest of them is answered with a reset from then on.
func (t *Tx) CompactChanges(before time.Time) error {
	_, err := t.exec(`UPDATE realm SET compacted_to = (SELECT MAX(at) FROM (
		SELECT compacted_to AS at FROM realm UNION ALL SELECT revision FROM changes WHERE gone = 1 AND made < ?) AS candidates)`, before.Unix())
	if err != nil {
		return err
	}
	if _, err = t.exec(`DELETE FROM changes WHERE gone = 1 AND made < ?`, before.Unix()); err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM partner_told WHERE account_uuid NOT IN (SELECT account_uuid FROM changes)`)
	return err
}
