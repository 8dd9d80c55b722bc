package store

import (
	"crypto/ed25519"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Reader is a server of the realm that only reads.
type Reader struct {
	ID  uuid.UUID
	URL string
	// TLS is what it is known by, in the form that package realm gives it.
	TLS []byte
	// Key signs what lets people in, and proves reports.
	Key ed25519.PublicKey
	// CodesKey is what secrets of one-time codes are sealed to, where Codes allows that.
	CodesKey []byte
	Codes    bool
	Admitted time.Time
	// Reported is the newest [Unreported.Seq] that it has reported, at ReportedAt.
	Reported   int64
	ReportedAt time.Time
}

// AddReader admits one.
func (t *Tx) AddReader(r Reader) error {
	_, err := t.exec(`INSERT INTO readers (id, url, tls, public_key, codes_key, codes, admitted, reported, reported_at) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)`,
		r.ID, r.URL, r.TLS, []byte(r.Key), r.CodesKey, r.Codes, r.Admitted.Unix())
	return errors.Join(err, t.serversChanged(r.Admitted))
}

// RemoveReader forgets one, and what was sealed to it.
func (t *Tx) RemoveReader(id uuid.UUID, now time.Time) error {
	if err := t.one(`DELETE FROM readers WHERE id = ?`, id); err != nil {
		return err
	}
	return t.serversChanged(now)
}

// Readers lists them, by their URLs.
func (t *Tx) Readers() (list []Reader, err error) {
	err = t.each(func(row *sql.Rows) error {
		var r Reader
		var key []byte
		var admitted, reported int64
		err := row.Scan(&r.ID, &r.URL, &r.TLS, &key, &r.CodesKey, &r.Codes, &admitted, &r.Reported, &reported)
		r.Key, r.Admitted, r.ReportedAt = key, time.Unix(admitted, 0), time.Unix(reported, 0)
		list = append(list, r)
		return err
	}, `SELECT id, url, tls, public_key, codes_key, codes, admitted, reported, reported_at FROM readers ORDER BY url, id`)
	return list, err
}

// ReportedBy notes up to where a reader has reported.
func (t *Tx) ReportedBy(id uuid.UUID, upTo int64, now time.Time) error {
	return t.one(`UPDATE readers SET reported = ?, reported_at = ? WHERE id = ? AND reported <= ?`, upTo, now.Unix(), id, upTo)
}

// SealedCode is the secret of an account's one-time codes, sealed to one reader.
type SealedCode struct {
	Account uuid.UUID
	Epoch   uint64
	Sealed  []byte
}

// CodesToSeal are the secrets that a reader has no copy of as they are now. Sealed is as
// the realm has it.
func (t *Tx) CodesToSeal(reader uuid.UUID, most int) (list []SealedCode, err error) {
	err = t.each(func(row *sql.Rows) error {
		var c SealedCode
		err := row.Scan(&c.Account, &c.Epoch, &c.Sealed)
		list = append(list, c)
		return err
	}, `SELECT account_uuid, epoch, sealed FROM totps WHERE NOT EXISTS (SELECT 1 FROM reader_codes c
		WHERE c.reader = ? AND c.account_uuid = totps.account_uuid AND c.epoch = totps.epoch) ORDER BY account_uuid LIMIT ?`, reader, most)
	return list, err
}

// SealCode stores a copy for a reader in place of an earlier one.
func (t *Tx) SealCode(reader uuid.UUID, c SealedCode) error {
	_, err := t.exec(`INSERT INTO reader_codes (reader, account_uuid, epoch, sealed) VALUES (?, ?, ?, ?)
		ON CONFLICT (reader, account_uuid) DO UPDATE SET epoch = excluded.epoch, sealed = excluded.sealed`, reader, c.Account, c.Epoch, c.Sealed)
	return err
}

// CodeFor is the reader's copy of an account's secret of that epoch; identity.ErrNotFound
// where it has none.
func (t *Tx) CodeFor(reader, account uuid.UUID, epoch uint64) (sealed []byte, err error) {
	err = t.get([]any{&sealed}, `SELECT sealed FROM reader_codes WHERE reader = ? AND account_uuid = ? AND epoch = ?`, reader, account, epoch)
	return sealed, err
}

// Replication is how a database follows another one.
type Replication struct {
	// Standby: it does, and nothing can be written.
	Standby bool
	// Heard is when what it has heard last was written, by the other's clock.
	Heard time.Time
}

// Replication is of this moment.
func (t *Tx) Replication() (r Replication, err error) {
	var millis int64
	err = t.get([]any{&r.Standby, &millis}, `SELECT `+t.engine.replication())
	if millis != 0 {
		r.Heard = time.UnixMilli(millis)
	}
	return r, err
}

// Unreported is a wrong answer, or where Step is not 0 a one-time code that was used, of
// which a full server does not know yet.
type Unreported struct {
	Seq     int64
	Made    time.Time
	Name    identity.Name
	Kind    identity.FactorKind
	Machine uuid.UUID
	Origin  string
	Account uuid.UUID
	Epoch   uint64
	Step    int64
}

// maxUnreported bounds what is kept for a report; the oldest are forgotten first.
const maxUnreported = 10_000

// Unreport keeps one for the next report. Its number is at least the time, in nanoseconds.
func (t *Tx) Unreport(u Unreported) error {
	at := u.Made.UnixNano()
	_, err := t.exec(`INSERT INTO unreported (seq, made, name, kind, machine, origin, account_uuid, epoch, step)
		SELECT CASE WHEN COALESCE(MAX(seq), 0) < ? THEN ? ELSE MAX(seq) + 1 END, ?, ?, ?, ?, ?, ?, ?, ? FROM unreported`,
		at, at, u.Made.Unix(), u.Name, u.Kind, u.Machine, u.Origin, u.Account, u.Epoch, u.Step)
	if err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM unreported WHERE seq <= (SELECT seq FROM unreported ORDER BY seq DESC LIMIT 1 OFFSET ?)`, maxUnreported)
	return err
}

// Unreported lists the oldest.
func (t *Tx) Unreported(most int) (list []Unreported, err error) {
	err = t.each(func(row *sql.Rows) error {
		var u Unreported
		var made int64
		err := row.Scan(&u.Seq, &made, &u.Name, &u.Kind, &u.Machine, &u.Origin, &u.Account, &u.Epoch, &u.Step)
		u.Made = time.Unix(made, 0)
		list = append(list, u)
		return err
	}, `SELECT seq, made, name, kind, machine, origin, account_uuid, epoch, step FROM unreported ORDER BY seq LIMIT ?`, most)
	return list, err
}

// Reported forgets what a full server knows by now.
func (t *Tx) Reported(upTo int64) error {
	_, err := t.exec(`DELETE FROM unreported WHERE seq <= ?`, upTo)
	return err
}

// UsedStep is the newest time step of a secret that was used at this server; 0: none.
func (t *Tx) UsedStep(account uuid.UUID, epoch uint64) (step int64, err error) {
	err = t.get([]any{&step}, `SELECT COALESCE(MAX(step), 0) FROM used_steps WHERE account_uuid = ? AND epoch = ?`, account, epoch)
	return step, err
}

// UseStepHere marks a time step as used at this server. It is ErrChanged when that step or
// a later one was.
func (t *Tx) UseStepHere(account uuid.UUID, epoch uint64, step int64) error {
	n, err := t.exec(`INSERT INTO used_steps (account_uuid, epoch, step) VALUES (?, ?, ?)
		ON CONFLICT (account_uuid, epoch) DO UPDATE SET step = excluded.step WHERE excluded.step > used_steps.step`, account, epoch, step)
	if err == nil && n == 0 {
		return ErrChanged
	}
	return err
}
