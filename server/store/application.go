package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ApplicationService is how applications are set.
type ApplicationService struct {
	Enabled bool
	// PublicKey is the realm's OpenPGP key, Sealed its private half, encrypted.
	PublicKey, Sealed []byte
	// Previous is the whole key before, encrypted, and PreviousUntil how long it is good; empty:
	// there is none.
	Previous      []byte
	PreviousUntil time.Time
	// SkewSeconds is how far clocks may be apart, ResultSeconds for how long a result waits.
	SkewSeconds, ResultSeconds uint32
	// SelfGroup is the group of who registers by themselves; uuid.Nil: nobody does.
	SelfGroup uuid.UUID
}

const applicationServiceColumns = `enabled, public_key, sealed, previous, previous_until, skew_seconds, result_seconds, self_group`

// ApplicationService reads it; identity.ErrNotFound where applications were never switched on.
func (t *Tx) ApplicationService() (s ApplicationService, err error) {
	var group uuid.NullUUID
	var until int64
	err = t.get([]any{&s.Enabled, &s.PublicKey, &s.Sealed, &s.Previous, &until, &s.SkewSeconds, &s.ResultSeconds, &group}, `SELECT `+applicationServiceColumns+` FROM application_service`)
	s.SelfGroup, s.PreviousUntil = group.UUID, ended(until)
	return s, err
}

// SetApplicationService stores it in place of the one before.
func (t *Tx) SetApplicationService(s ApplicationService) error {
	var until int64
	if len(s.Previous) > 0 {
		until = s.PreviousUntil.Unix()
	}
	if _, err := t.exec(`DELETE FROM application_service`); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO application_service (one, `+applicationServiceColumns+`) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.Enabled, s.PublicKey, s.Sealed, notNil(s.Previous), until, s.SkewSeconds, s.ResultSeconds, orNull(s.SelfGroup))
	return err
}

// orNull is nothing in place of the zero value.
func orNull(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }

// Application is one that may announce instances.
type Application struct {
	UUID        uuid.UUID
	Name        string
	Fingerprint string
	PublicKey   []byte
	Disabled    bool
	Created     time.Time
	Instances   uint32 // that are not revoked; where it is listed
}

const applicationColumns = `uuid, name, fingerprint, public_key, disabled, created`

func (a *Application) scan(scan func(...any) error, more ...any) error {
	var created int64
	err := scan(append([]any{&a.UUID, &a.Name, &a.Fingerprint, &a.PublicKey, &a.Disabled, &created}, more...)...)
	a.Created = time.Unix(created, 0)
	return err
}

// AddApplication stores a new one; its uuid is made here.
func (t *Tx) AddApplication(a Application) (Application, error) {
	a.UUID = uuid.New()
	n, err := t.exec(`INSERT INTO applications (`+applicationColumns+`) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		a.UUID, a.Name, a.Fingerprint, a.PublicKey, a.Disabled, a.Created.Unix())
	if err == nil && n == 0 {
		err = fmt.Errorf("the application %q %w", a.Name, ErrExists)
	}
	return a, err
}

// Applications lists them by name.
func (t *Tx) Applications() (list []Application, err error) {
	err = t.each(func(row *sql.Rows) error {
		var a Application
		err := a.scan(row.Scan, &a.Instances)
		list = append(list, a)
		return err
	}, `SELECT `+applicationColumns+`, (SELECT count(*) FROM application_instances i WHERE i.application = a.uuid AND i.revoked = 0) FROM applications a ORDER BY name`)
	return list, err
}

// ApplicationByKey finds one by the fingerprint of its key.
func (t *Tx) ApplicationByKey(fingerprint string) (a Application, err error) {
	err = a.scan(func(into ...any) error {
		return t.get(into, `SELECT `+applicationColumns+` FROM applications WHERE fingerprint = ?`, fingerprint)
	})
	return a, err
}

// SetApplicationState disables an application, or enables it.
func (t *Tx) SetApplicationState(name string, disabled bool) error {
	return t.one(`UPDATE applications SET disabled = ? WHERE name = ?`, disabled, name)
}

// RemoveApplication removes one, with its instances and their keys of people.
func (t *Tx) RemoveApplication(name string) error {
	return t.one(`DELETE FROM applications WHERE name = ?`, name)
}

// AddHello stores the code of an instance that is to be. An application has so many at most:
// the oldest make room.
func (t *Tx) AddHello(application uuid.UUID, code []byte, now, expires time.Time, most int) error {
	_, err := t.exec(`DELETE FROM application_hellos WHERE application = ? AND code_hash NOT IN (
		SELECT code_hash FROM application_hellos WHERE application = ? AND expires > ? ORDER BY seq DESC LIMIT ?)`,
		application, application, now.Unix(), most-1)
	if err != nil {
		return err
	}
	n, err := t.exec(`INSERT INTO application_hellos (code_hash, application, seq, expires)
		SELECT ?, ?, COALESCE(MAX(seq), 0) + 1, ? FROM application_hellos WHERE application = ? ON CONFLICT DO NOTHING`,
		code, application, expires.Unix(), application)
	if err == nil && n == 0 {
		err = fmt.Errorf("the code %w", ErrExists)
	}
	return err
}

// UseHello takes a code away; identity.ErrNotFound where it was taken, or is over, or is not
// the application's.
func (t *Tx) UseHello(application uuid.UUID, code []byte, now time.Time) error {
	return t.one(`DELETE FROM application_hellos WHERE application = ? AND code_hash = ? AND expires > ?`, application, code, now.Unix())
}

// Instance is one of an application.
type Instance struct {
	Fingerprint      string
	Application      Application
	PublicKey        []byte
	Created, Revoked time.Time // zero: not revoked
	People           uint32    // with keys that are not revoked
}

// AddInstance stores a new one. An application has so many at most to which no person is
// bound: the oldest make room.
func (t *Tx) AddInstance(i Instance, mostIdle int) error {
	app := i.Application.UUID
	_, err := t.exec(`DELETE FROM application_instances WHERE application = ? AND revoked = 0
		AND NOT EXISTS (SELECT 1 FROM application_person_keys k WHERE k.instance = application_instances.fingerprint)
		AND fingerprint NOT IN (SELECT fingerprint FROM application_instances i WHERE i.application = ? AND i.revoked = 0
			AND NOT EXISTS (SELECT 1 FROM application_person_keys k WHERE k.instance = i.fingerprint)
			ORDER BY i.created DESC, i.fingerprint LIMIT ?)`, app, app, mostIdle-1)
	if err != nil {
		return err
	}
	n, err := t.exec(`INSERT INTO application_instances (fingerprint, application, public_key, created, revoked) VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`,
		i.Fingerprint, app, i.PublicKey, i.Created.Unix())
	if err == nil && n == 0 {
		err = fmt.Errorf("the instance %w", ErrExists)
	}
	return err
}

const instanceQuery = `SELECT a.uuid, a.name, a.fingerprint, a.public_key, a.disabled, a.created, i.fingerprint, i.public_key, i.created, i.revoked,
	(SELECT count(*) FROM application_person_keys k WHERE k.instance = i.fingerprint AND k.revoked = 0)
	FROM application_instances i JOIN applications a ON a.uuid = i.application `

func scanInstance(scan func(...any) error) (i Instance, err error) {
	var created, revoked int64
	err = i.Application.scan(scan, &i.Fingerprint, &i.PublicKey, &created, &revoked, &i.People)
	i.Created, i.Revoked = time.Unix(created, 0), ended(revoked)
	return i, err
}

// ended is a time of which 0 says that it never came.
func ended(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(at, 0)
}

// Instance finds one by the fingerprint of its key; a revoked one too.
func (t *Tx) Instance(fingerprint string) (Instance, error) {
	return scanInstance(func(into ...any) error { return t.get(into, instanceQuery+`WHERE i.fingerprint = ?`, fingerprint) })
}

// Instances lists those of an application, or of all where the name is empty, the oldest first.
func (t *Tx) Instances(application string) (list []Instance, err error) {
	err = t.each(func(row *sql.Rows) error {
		i, err := scanInstance(row.Scan)
		list = append(list, i)
		return err
	}, instanceQuery+`WHERE a.name = ? OR ? = '' ORDER BY a.name, i.created, i.fingerprint`, application, application)
	return list, err
}

// RevokeInstance refuses one for good; identity.ErrNotFound where it is not there or was revoked.
func (t *Tx) RevokeInstance(fingerprint string, now time.Time) error {
	return t.one(`UPDATE application_instances SET revoked = ? WHERE fingerprint = ? AND revoked = 0`, now.Unix(), fingerprint)
}

// UseApplicationRequest notes that a request's id was used until its time is over; ErrExists
// where it was used before.
func (t *Tx) UseApplicationRequest(sender, request string, expires time.Time) error {
	n, err := t.exec(`INSERT INTO application_requests (sender, request, expires) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, sender, request, expires.Unix())
	if err == nil && n == 0 {
		err = fmt.Errorf("the request %w", ErrExists)
	}
	return err
}

// PurgeApplications forgets what is over: ids of requests, codes, registrations, the texts
// and results of jobs; and jobs themselves of before then.
func (t *Tx) PurgeApplications(now, jobsBefore time.Time) error {
	for _, table := range []string{`application_requests`, `application_hellos`, `application_invitations`, `application_registrations`} {
		if _, err := t.exec(`DELETE FROM `+table+` WHERE expires <= ?`, now.Unix()); err != nil {
			return err
		}
	}
	if _, err := t.exec(`UPDATE application_jobs SET question = ?, result = ?, state = ? WHERE state = ? AND expires <= ?`, []byte{}, []byte{}, JobExpired, JobResolved, now.Unix()); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM application_jobs WHERE made < ? AND state <> ?`, jobsBefore.Unix(), JobAccepted)
	return err
}

// Hellos counts the codes that are kept.
func (t *Tx) Hellos() (n int, err error) {
	err = t.get([]any{&n}, `SELECT count(*) FROM application_hellos`)
	return n, err
}
