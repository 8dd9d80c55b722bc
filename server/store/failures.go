package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Spot is where failures of one factor are counted: at one origin of a machine, over
// all origins of a machine (Origin is ""), or over the realm (Machine is uuid.Nil, too).
type Spot struct {
	Kind    identity.FactorKind
	Machine uuid.UUID
	Origin  string
}

// Failures are those of one factor of a name, which may be nobody's, at one spot.
type Failures struct {
	Spot
	identity.Tally
}

// maxStrangers bounds the failure rows of names that are nobody's: anyone at a prompt
// can make them up.
const maxStrangers = 20_000

// Failures returns all failures of a name, the newest first.
func (t *Tx) Failures(name identity.Name) ([]Failures, error) {
	return t.failures(`name = ? ORDER BY last DESC, kind, machine, origin`, name)
}

// failuresAt are those that concern an attempt on a machine from an origin of it.
const failuresAt = `((machine = '' AND origin = '') OR (machine = ? AND origin IN ('', ?)))`

// FailuresAt returns the failures of a name that concern an attempt from that origin
// of that machine, over the machine and over the realm included.
func (t *Tx) FailuresAt(name identity.Name, machine uuid.UUID, origin string) (map[Spot]identity.Tally, error) {
	list, err := t.failures(`name = ? AND `+failuresAt, name, machine.String(), origin)
	all := make(map[Spot]identity.Tally, len(list))
	for _, f := range list {
		all[f.Spot] = f.Tally
	}
	return all, err
}

func (t *Tx) failures(where string, args ...any) ([]Failures, error) {
	var all []Failures
	err := t.each(func(row *sql.Rows) error {
		var f Failures
		var machine string
		var since, until int64
		if err := row.Scan(&f.Kind, &machine, &f.Origin, &f.Count, &since, &until); err != nil {
			return err
		}
		if machine != "" {
			var err error
			if f.Machine, err = uuid.Parse(machine); err != nil {
				return err
			}
		}
		f.Since, f.LockedUntil = time.Unix(since, 0), time.Unix(until, 0)
		all = append(all, f)
		return nil
	}, `SELECT kind, machine, origin, count, since, locked_until FROM failures WHERE `+where, args...)
	return all, err
}

func (s Spot) machine() string {
	if s.Machine == uuid.Nil {
		return ""
	}
	return s.Machine.String()
}

// SetFailures stores the failures of a name at one spot. Rows of names that are
// nobody's are forgotten, oldest first, when there are too many of them.
func (t *Tx) SetFailures(name identity.Name, f Failures, now time.Time) error {
	var known bool
	if err := t.get([]any{&known}, `SELECT EXISTS (SELECT 1 FROM accounts WHERE name = ?)`, name); err != nil {
		return err
	}
	return t.SetFailuresOf(name, known, f, now)
}

// SetFailuresOf is SetFailures where it is known whether the name is an account's.
func (t *Tx) SetFailuresOf(name identity.Name, known bool, f Failures, now time.Time) error {
	err := t.later(`INSERT INTO failures (name, kind, machine, origin, count, since, locked_until, last, stranger)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (name, kind, machine, origin) DO UPDATE SET count = excluded.count, since = excluded.since,
		locked_until = excluded.locked_until, last = excluded.last, stranger = excluded.stranger`,
		name, f.Kind, f.machine(), f.Origin, f.Count, unix(f.Since), unix(f.LockedUntil), now.Unix(), !known)
	if err != nil {
		return err
	}
	return t.later(`DELETE FROM failures WHERE (SELECT COUNT(*) FROM failures WHERE stranger = 1) > ? AND (name, kind, machine, origin) = (
		SELECT name, kind, machine, origin FROM failures WHERE stranger = 1 ORDER BY last LIMIT 1)`, maxStrangers)
}

// unix is 0 for no time at all.
func unix(t time.Time) int64 { return max(t.Unix(), 0) }

// ClearFailures forgets all failures of a name.
func (t *Tx) ClearFailures(name identity.Name) error {
	_, err := t.exec(`DELETE FROM failures WHERE name = ?`, name)
	return err
}

// Unlock forgets all failures of an account's name, and notes that for servers that only
// read.
func (t *Tx) Unlock(name identity.Name, now time.Time) error {
	_, err := t.exec(`UPDATE names SET unlocked = CASE WHEN unlocked < ? THEN ? ELSE unlocked + 1 END WHERE name = ?`, now.UnixMilli(), now.UnixMilli(), name)
	return errors.Join(err, t.ClearFailures(name))
}

// Unlocked is when the locks of a name were last lifted, and 1970 where they never were. No
// two of a name are the same.
func (t *Tx) Unlocked(name identity.Name) (time.Time, error) {
	var at int64
	err := t.get([]any{&at}, `SELECT COALESCE(MAX(unlocked), 0) FROM names WHERE name = ?`, name)
	return time.UnixMilli(at), err
}

// UnlockHere forgets the failures of a name that a server that only reads has counted by
// itself, once for each time that the realm's database names.
func (t *Tx) UnlockHere(name identity.Name, at time.Time) error {
	if at.UnixMilli() == 0 {
		return nil
	}
	n, err := t.exec(`INSERT INTO names (name, unlocked) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET unlocked = excluded.unlocked WHERE excluded.unlocked > names.unlocked`, name, at.UnixMilli())
	if err != nil || n == 0 {
		return err
	}
	return t.ClearFailures(name)
}

// ClearFailuresAt forgets the failures of a name at one spot.
func (t *Tx) ClearFailuresAt(name identity.Name, s Spot) error {
	return t.later(`DELETE FROM failures WHERE name = ? AND kind = ? AND machine = ? AND origin = ?`, name, s.Kind, s.machine(), s.Origin)
}

// Place is where somebody has signed in.
type Place struct {
	Machine identity.Name
	Origin  string
	Last    time.Time
}

// maxPlaces bounds the origins that are remembered of one account on one machine.
const maxPlaces = 64

// SignedIn remembers that the account has signed in from that origin of that machine.
// It tells nothing of a machine that was removed meanwhile.
func (t *Tx) SignedIn(account, machine uuid.UUID, origin string, now time.Time) error {
	table, is, args := placesAt(machine), `SELECT ?, uuid, ?, ? FROM machines WHERE uuid = ?`, []any{account, origin, now.Unix(), machine}
	if machine == ConsoleClient {
		is, args = `VALUES (?, ?, ?, ?)`, []any{account, machine, origin, now.Unix()}
	}
	err := t.later(`INSERT INTO `+table+` (account_uuid, machine_uuid, origin, last) `+is+`
		ON CONFLICT (account_uuid, machine_uuid, origin) DO UPDATE SET last = CASE WHEN excluded.last > `+table+`.last THEN excluded.last ELSE `+table+`.last END`,
		args...)
	if err != nil {
		return err
	}
	return t.later(`DELETE FROM `+table+` WHERE account_uuid = ? AND machine_uuid = ? AND origin NOT IN (
		SELECT origin FROM `+table+` WHERE account_uuid = ? AND machine_uuid = ? ORDER BY last DESC, origin LIMIT ?)`,
		account, machine, account, machine, maxPlaces)
}

// HasSignedIn tells whether the account has signed in, at that time or later, on that
// machine, and from that origin of it.
func (t *Tx) HasSignedIn(account, machine uuid.UUID, origin string, since time.Time) (onMachine, fromOrigin bool, err error) {
	err = t.get([]any{&onMachine, &fromOrigin}, `SELECT COUNT(*) > 0, COALESCE(MAX(CASE WHEN origin = ? THEN 1 ELSE 0 END), 0) FROM places
		WHERE account_uuid = ? AND machine_uuid = ? AND last >= ?`, origin, account, machine, since.Unix())
	return onMachine, fromOrigin, err
}

// Places lists where the account has signed in, the newest first.
func (t *Tx) Places(account uuid.UUID) ([]Place, error) {
	var all []Place
	err := t.each(func(row *sql.Rows) error {
		var p Place
		var last int64
		err := row.Scan(&p.Machine, &p.Origin, &last)
		p.Last = time.Unix(last, 0)
		all = append(all, p)
		return err
	}, `SELECT name, origin, last FROM (
			SELECT m.name AS name, p.origin AS origin, p.last AS last FROM places p JOIN machines m ON m.uuid = p.machine_uuid WHERE p.account_uuid = ?
			UNION ALL SELECT 'the console', origin, last FROM console_places WHERE account_uuid = ?) AS everywhere
		ORDER BY last DESC, name, origin`, account, account)
	return all, err
}

// Prune forgets failures and places that have not been added to since those times.
func (t *Tx) Prune(failures, places time.Time) error {
	_, err1 := t.exec(`DELETE FROM failures WHERE last < ?`, failures.Unix())
	_, err2 := t.exec(`DELETE FROM places WHERE last < ?`, places.Unix())
	_, err3 := t.exec(`DELETE FROM console_places WHERE last < ?`, places.Unix())
	return errors.Join(err1, err2, err3)
}
