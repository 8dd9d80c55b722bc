package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// SetApplicationInvitation stores the code with which an account may bind a key, in place of
// the one before.
func (t *Tx) SetApplicationInvitation(account uuid.UUID, code []byte, expires time.Time) error {
	_, err := t.exec(`INSERT INTO application_invitations (account_uuid, code_hash, expires) VALUES (?, ?, ?)
		ON CONFLICT (account_uuid) DO UPDATE SET code_hash = excluded.code_hash, expires = excluded.expires`, account, code, expires.Unix())
	return err
}

// UseApplicationInvitation takes a code away and tells whose it was; identity.ErrNotFound
// where there is none, or it is over.
func (t *Tx) UseApplicationInvitation(code []byte, now time.Time) (account uuid.UUID, err error) {
	if err = t.get([]any{&account}, `SELECT account_uuid FROM application_invitations WHERE code_hash = ? AND expires > ?`, code, now.Unix()); err != nil {
		return account, err
	}
	return account, t.one(`DELETE FROM application_invitations WHERE account_uuid = ?`, account)
}

// PersonKey is a person's key at an instance.
type PersonKey struct {
	Fingerprint, Instance string
	Account               uuid.UUID
	PublicKey             []byte
	Created, Revoked      time.Time // zero: not revoked
	// Name and Application are shown where keys are listed.
	Name, Application string
}

// AddPersonKey binds one.
func (t *Tx) AddPersonKey(k PersonKey) error {
	n, err := t.exec(`INSERT INTO application_person_keys (fingerprint, instance, account_uuid, public_key, created, revoked) VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`,
		k.Fingerprint, k.Instance, k.Account, k.PublicKey, k.Created.Unix())
	if err == nil && n == 0 {
		err = fmt.Errorf("the key %w", ErrExists)
	}
	return err
}

const personKeyColumns = `k.fingerprint, k.instance, k.account_uuid, k.public_key, k.created, k.revoked`

func (k *PersonKey) scan(scan func(...any) error, more ...any) error {
	var created, revoked int64
	err := scan(append([]any{&k.Fingerprint, &k.Instance, &k.Account, &k.PublicKey, &created, &revoked}, more...)...)
	k.Created, k.Revoked = time.Unix(created, 0), ended(revoked)
	return err
}

// PersonKey finds the one of an instance; a revoked one too.
func (t *Tx) PersonKey(fingerprint, instance string) (k PersonKey, err error) {
	err = k.scan(func(into ...any) error {
		return t.get(into, `SELECT `+personKeyColumns+` FROM application_person_keys k WHERE k.fingerprint = ? AND k.instance = ?`, fingerprint, instance)
	})
	return k, err
}

// PersonKeys lists those of an account, or of all where the name is empty.
func (t *Tx) PersonKeys(account string) (list []PersonKey, err error) {
	err = t.each(func(row *sql.Rows) error {
		var k PersonKey
		err := k.scan(row.Scan, &k.Name, &k.Application)
		list = append(list, k)
		return err
	}, `SELECT `+personKeyColumns+`, u.name, a.name FROM application_person_keys k
		JOIN accounts u ON u.uuid = k.account_uuid
		JOIN application_instances i ON i.fingerprint = k.instance JOIN applications a ON a.uuid = i.application
		WHERE u.name = ? OR ? = '' ORDER BY u.name, k.created, k.fingerprint`, account, account)
	return list, err
}

// RevokePersonKey refuses a key for good, at all instances.
func (t *Tx) RevokePersonKey(fingerprint string, now time.Time) (n int64, err error) {
	return t.exec(`UPDATE application_person_keys SET revoked = ? WHERE fingerprint = ? AND revoked = 0`, now.Unix(), fingerprint)
}

// The states of a job.
const (
	JobAccepted = "accepted" // it is not resolved yet
	JobResolved = "resolved" // its result waits
	JobFetched  = "fetched"  // its result was given
	JobExpired  = "expired"  // nobody came for it
)

// ApplicationJob is a job.
type ApplicationJob struct {
	UUID                         uuid.UUID
	Application, Instance        string // a name, a fingerprint
	Account                      string
	PersonKey                    string
	Operation, Resource          string
	State                        string
	Digest                       []byte
	PersonSignature, InstanceSig []byte
	// Question is what the person signed, Result what it came to; each until it is over.
	Question, Result []byte
	Made, Expires    time.Time
}

const jobColumns = `uuid, application, instance, account, person_key, operation, resource, state, digest, person_signature, instance_signature, question, result, made, expires`

func scanJob(scan func(...any) error) (j ApplicationJob, err error) {
	var made, expires int64
	err = scan(&j.UUID, &j.Application, &j.Instance, &j.Account, &j.PersonKey, &j.Operation, &j.Resource, &j.State, &j.Digest,
		&j.PersonSignature, &j.InstanceSig, &j.Question, &j.Result, &made, &expires)
	j.Made, j.Expires = time.Unix(made, 0), time.Unix(expires, 0)
	return j, err
}

// AddJob stores a job that was accepted; its uuid is made here.
func (t *Tx) AddJob(j ApplicationJob) (ApplicationJob, error) {
	j.UUID, j.State, j.Result = uuid.New(), JobAccepted, []byte{}
	_, err := t.exec(`INSERT INTO application_jobs (`+jobColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		j.UUID, j.Application, j.Instance, j.Account, j.PersonKey, j.Operation, j.Resource, j.State, j.Digest,
		j.PersonSignature, j.InstanceSig, j.Question, j.Result, j.Made.Unix(), j.Expires.Unix())
	return j, err
}

// Job reads one.
func (t *Tx) Job(id uuid.UUID) (ApplicationJob, error) {
	return scanJob(func(into ...any) error {
		return t.get(into, `SELECT `+jobColumns+` FROM application_jobs WHERE uuid = ?`, id)
	})
}

// Jobs lists them, the newest first.
func (t *Tx) Jobs(limit int) ([]ApplicationJob, error) {
	return t.jobs(`ORDER BY made DESC, uuid LIMIT ?`, limit)
}

// OpenJobs lists those that were accepted before then and not resolved, the oldest first.
func (t *Tx) OpenJobs(before time.Time, limit int) ([]ApplicationJob, error) {
	return t.jobs(`WHERE state = ? AND made <= ? ORDER BY made, uuid LIMIT ?`, JobAccepted, before.Unix(), limit)
}

func (t *Tx) jobs(which string, args ...any) (list []ApplicationJob, err error) {
	err = t.each(func(row *sql.Rows) error {
		j, err := scanJob(row.Scan)
		list = append(list, j)
		return err
	}, `SELECT `+jobColumns+` FROM application_jobs `+which, args...)
	return list, err
}

// ResolveJob stores what a job came to; identity.ErrNotFound where it was resolved before.
func (t *Tx) ResolveJob(id uuid.UUID, result []byte, expires time.Time) error {
	return t.one(`UPDATE application_jobs SET state = ?, question = ?, result = ?, expires = ? WHERE uuid = ? AND state = ?`,
		JobResolved, []byte{}, result, expires.Unix(), id, JobAccepted)
}

// FetchJob notes that a job's result was given, and forgets it; identity.ErrNotFound where it
// was given before, or is over.
func (t *Tx) FetchJob(id uuid.UUID, now time.Time) error {
	return t.one(`UPDATE application_jobs SET state = ?, result = ? WHERE uuid = ? AND state = ? AND expires > ?`, JobFetched, []byte{}, id, JobResolved, now.Unix())
}

// ResourceGrant is what the members of a group may do in a space: letters of c, r, u and d.
type ResourceGrant struct {
	Space      string
	Group      uuid.UUID
	GroupName  string
	Operations string
}

// SetResourceGrant stores it in place of the one before.
func (t *Tx) SetResourceGrant(g ResourceGrant) error {
	_, err := t.exec(`INSERT INTO application_grants (space, group_uuid, operations) VALUES (?, ?, ?)
		ON CONFLICT (space, group_uuid) DO UPDATE SET operations = excluded.operations`, g.Space, g.Group, g.Operations)
	return err
}

// RemoveResourceGrant takes it away; identity.ErrNotFound where there is none.
func (t *Tx) RemoveResourceGrant(space string, group uuid.UUID) error {
	return t.one(`DELETE FROM application_grants WHERE space = ? AND group_uuid = ?`, space, group)
}

// ResourceGrants lists those of a space, or all where it is empty.
func (t *Tx) ResourceGrants(space string) (list []ResourceGrant, err error) {
	err = t.each(func(row *sql.Rows) error {
		var g ResourceGrant
		err := row.Scan(&g.Space, &g.Group, &g.GroupName, &g.Operations)
		list = append(list, g)
		return err
	}, `SELECT x.space, x.group_uuid, g.name, x.operations FROM application_grants x JOIN groups g ON g.uuid = x.group_uuid
		WHERE x.space = ? OR ? = '' ORDER BY x.space, g.name`, space, space)
	return list, err
}

// Value is one of a space.
type Value struct {
	Space, Name, Type string
	Value             []byte
	Revision          uint64
}

// Value reads one.
func (t *Tx) Value(space, name string) (v Value, err error) {
	v.Space, v.Name = space, name
	err = t.get([]any{&v.Type, &v.Value, &v.Revision}, `SELECT type, value, revision FROM application_values WHERE space = ? AND name = ?`, space, name)
	return v, err
}

// AddValue stores a new one as revision 1; ErrExists where there is one. It is ErrSpace where
// the space has so many already.
func (t *Tx) AddValue(v Value, most int) error {
	var n int
	if err := t.get([]any{&n}, `SELECT count(*) FROM application_values WHERE space = ?`, v.Space); err != nil {
		return err
	}
	if n >= most {
		return ErrSpace
	}
	added, err := t.exec(`INSERT INTO application_values (space, name, type, value, revision) VALUES (?, ?, ?, ?, 1) ON CONFLICT DO NOTHING`, v.Space, v.Name, v.Type, v.Value)
	if err == nil && added == 0 {
		err = fmt.Errorf("the value %w", ErrExists)
	}
	return err
}

// SetValue replaces one of that revision, whose number grows; identity.ErrNotFound where it is
// not there or has another revision.
func (t *Tx) SetValue(v Value) error {
	return t.one(`UPDATE application_values SET type = ?, value = ?, revision = revision + 1 WHERE space = ? AND name = ? AND revision = ?`,
		v.Type, v.Value, v.Space, v.Name, v.Revision)
}

// RemoveValue removes one of that revision; identity.ErrNotFound as with SetValue.
func (t *Tx) RemoveValue(space, name string, revision uint64) error {
	return t.one(`DELETE FROM application_values WHERE space = ? AND name = ? AND revision = ?`, space, name, revision)
}
