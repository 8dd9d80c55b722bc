package store

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ApplicationRegistration is a person's at an instance that is under way.
type ApplicationRegistration struct {
	Instance, Request string
	Account           uuid.UUID // uuid.Nil: it is to be made
	Method            string    // "": an administrator's code
	Target, Secret    []byte
	Tries             int
	Accepted          bool // the code was right
	Expires           time.Time
}

// AddApplicationRegistration stores one. An instance has so many at most that nobody has
// proved, and a target one: else it is ErrExists.
func (t *Tx) AddApplicationRegistration(r ApplicationRegistration, now time.Time, most int) error {
	var open, same int
	err := t.get([]any{&open, &same}, `SELECT COALESCE(SUM(CASE WHEN instance = ? THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN target = ? THEN 1 ELSE 0 END), 0)
		FROM application_registrations WHERE accepted = 0 AND expires > ?`, r.Instance, r.Target, now.Unix())
	if err != nil {
		return err
	}
	if !r.Accepted && (open >= most || same > 0) {
		return fmt.Errorf("the registration %w", ErrExists)
	}
	_, err = t.exec(`INSERT INTO application_registrations (instance, request, account_uuid, method, target, secret, tries, accepted, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.Instance, r.Request, orNull(r.Account), r.Method, notNil(r.Target), notNil(r.Secret), r.Tries, r.Accepted, r.Expires.Unix())
	return err
}

func notNil(b []byte) []byte { return append([]byte{}, b...) }

// ApplicationRegistration finds one of an instance; identity.ErrNotFound where there is none, or
// it is over.
func (t *Tx) ApplicationRegistration(instance, request string, now time.Time) (ApplicationRegistration, error) {
	r := ApplicationRegistration{Instance: instance, Request: request}
	var account uuid.NullUUID
	var expires int64
	err := t.get([]any{&account, &r.Method, &r.Target, &r.Secret, &r.Tries, &r.Accepted, &expires},
		`SELECT account_uuid, method, target, secret, tries, accepted, expires FROM application_registrations WHERE instance = ? AND request = ? AND expires > ?`,
		instance, request, now.Unix())
	r.Account, r.Expires = account.UUID, time.Unix(expires, 0)
	return r, err
}

// SetApplicationRegistration stores how often the code was tried, and whether it was right.
func (t *Tx) SetApplicationRegistration(r ApplicationRegistration) error {
	return t.one(`UPDATE application_registrations SET tries = ?, accepted = ?, secret = ?, expires = ? WHERE instance = ? AND request = ?`,
		r.Tries, r.Accepted, notNil(r.Secret), r.Expires.Unix(), r.Instance, r.Request)
}

// RemoveApplicationRegistration ends one.
func (t *Tx) RemoveApplicationRegistration(instance, request string) error {
	return t.one(`DELETE FROM application_registrations WHERE instance = ? AND request = ?`, instance, request)
}

// MembersOf counts the accounts that are members of a group themselves.
func (t *Tx) MembersOf(group uuid.UUID) (n int, err error) {
	err = t.get([]any{&n}, `SELECT count(*) FROM group_accounts WHERE group_uuid = ?`, group)
	return n, err
}
