package store

import (
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Realm is what holds for everyone in it.
type Realm struct {
	Name string
	// IDs is the range that new ids are allotted from.
	IDs identity.IDRange
	// OfflineFor is how many seconds machines may go on without contact.
	OfflineFor uint32
}

func (t *Tx) createRealm(r Realm) error {
	_, err := t.exec(`INSERT INTO realm (id, name, id_min, id_max, id_next, offline_for, revision, compacted_to, clock)
		VALUES (1, ?, ?, ?, ?, ?, 0, 0, 0)`, r.Name, r.IDs.Min, r.IDs.Max, r.IDs.Min, r.OfflineFor)
	if err == nil {
		_, err = t.Begin(Founded, "", 0, time.Now())
	}
	return err
}

// Realm returns the realm.
func (t *Tx) Realm() (Realm, error) {
	var r Realm
	err := t.get([]any{&r.Name, &r.IDs.Min, &r.IDs.Max, &r.OfflineFor}, `SELECT name, id_min, id_max, offline_for FROM realm`)
	if err != nil {
		return Realm{}, fmt.Errorf("realm: %w", err)
	}
	return r, nil
}

// Clock returns the latest time that this database has seen, now included, and
// remembers it: a clock that is set back does not turn time back here.
func (t *Tx) Clock(now time.Time) (time.Time, error) {
	now = time.Unix(now.Unix(), 0)
	if was := t.ours.clock; was != nil {
		if !now.After(*was) {
			return *was, nil
		}
		t.ours.clock = &now
		return now, t.later(`UPDATE realm SET clock = ?`, now.Unix())
	}
	var unix int64
	err := t.get([]any{&unix}, `UPDATE realm SET clock = CASE WHEN clock < ? THEN ? ELSE clock END RETURNING clock`, now.Unix(), now.Unix())
	seen := time.Unix(unix, 0)
	if err == nil {
		t.ours.clock = &seen
	}
	return seen, err
}

// AddSigningKey makes the public key the current one.
func (t *Tx) AddSigningKey(pub ed25519.PublicKey, now time.Time) error {
	_, err := t.exec(`INSERT INTO signing_keys (public_key, made) VALUES (?, ?)`, []byte(pub), now.Unix())
	return err
}

// RemoveOtherSigningKeys forgets every public key but that one.
func (t *Tx) RemoveOtherSigningKeys(pub ed25519.PublicKey) error {
	_, err := t.exec(`DELETE FROM signing_keys WHERE public_key <> ?`, []byte(pub))
	return err
}

// SigningKeys lists the realm's public keys, the current one first.
func (t *Tx) SigningKeys() ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	err := t.each(func(row *sql.Rows) error {
		var k []byte
		if err := row.Scan(&k); err != nil {
			return err
		}
		keys = append(keys, k)
		return nil
	}, `SELECT public_key FROM signing_keys ORDER BY seq DESC`)
	return keys, err
}

// allot gives out an id: the wanted one, or the next of the realm's range when
// wanted is zero. Ids come from one space for users and groups.
func (t *Tx) allot(wanted uint32, owner fmt.Stringer) (uint32, error) {
	if wanted != 0 {
		if err := identity.CheckID(wanted); err != nil {
			return 0, err
		}
		if kept, err := t.isReserved(wanted); err != nil || kept {
			return 0, errors.Join(err, fmt.Errorf("%w: %d", ErrKeptID, wanted))
		}
		free, err := t.take(wanted, owner)
		if err == nil && !free {
			return 0, fmt.Errorf("%w: %d", ErrUsedID, wanted)
		}
		return wanted, err
	}
	var next, last uint32
	if err := t.get([]any{&next, &last}, `SELECT id_next, id_max FROM realm`); err != nil {
		return 0, err
	}
	for id := next; id <= last; id++ {
		free, err := t.take(id, owner)
		if err != nil {
			return 0, err
		}
		if free {
			return id, t.one(`UPDATE realm SET id_next = ?`, int64(id)+1)
		}
	}
	return 0, ErrFull
}

// Seen is [Tx.Clock] without remembering: the later of now and the latest time
// that was remembered.
func (t *Tx) Seen(now time.Time) (time.Time, error) {
	var seen int64
	err := t.get([]any{&seen}, `SELECT clock FROM realm`)
	return time.Unix(max(seen, now.Unix()), 0), err
}
