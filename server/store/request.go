package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// RequestState is a word of the table of states in package request. The zero value is a
// request that does not exist.
type RequestState string

// The states.
const (
	RequestAsked     RequestState = "asked"
	RequestWaiting   RequestState = "waiting"
	RequestGranted   RequestState = "granted"
	RequestDenied    RequestState = "denied"
	RequestWithdrawn RequestState = "withdrawn"
	RequestExpired   RequestState = "expired"
	RequestUsed      RequestState = "used"
	RequestEnded     RequestState = "ended"
)

// RequestStates are all of them.
func RequestStates() []RequestState {
	return []RequestState{
		RequestAsked, RequestWaiting, RequestGranted, RequestDenied, RequestWithdrawn, RequestExpired, RequestUsed, RequestEnded,
	}
}

// Request is what somebody asked for, and what came of it.
type Request struct {
	ID      uuid.UUID    `json:"-"`
	Kind    string       `json:"-"` // "ssh"
	Role    string       `json:"-"`
	State   RequestState `json:"-"`
	Account uuid.UUID    `json:"-"` // that asked
	Machine uuid.UUID    `json:"-"` // that it was asked at
	// Asked is when, Changed when the state began, and Until when it ends by itself.
	Asked, Changed, Until time.Time `json:"-"`
	// Early tells that a grant was ended before its time.
	Early bool `json:"-"`
	// Detail says exactly what it is about, as its kind has it.
	Detail []byte `json:"-"`

	// Ask is what was asked for in the words of the protocol, Subject in a line.
	Ask         []byte        `json:"ask"`
	Subject     string        `json:"subject"`
	AccountName identity.Name `json:"account_name"`
	MachineName identity.Name `json:"machine_name"`
	Origin      string        `json:"origin,omitempty"`
	Reason      string        `json:"reason,omitempty"`
	Why         string        `json:"why,omitempty"`
	// Rules are the names of those that it was judged by last, and the rest is what they
	// come to.
	Rules     []string        `json:"rules,omitempty"`
	MaxAge    time.Duration   `json:"max_age,omitempty"`
	Demand    identity.Demand `json:"demand"`
	Needs     []RequestNeed   `json:"needs,omitempty"`
	GrantLife time.Duration   `json:"grant_life,omitempty"`
	// WaitLife is for how long it waits from when it begins to; it is not stored.
	WaitLife time.Duration  `json:"-"`
	UseLife  time.Duration  `json:"use_life,omitempty"`
	Sessions identity.OnEnd `json:"sessions,omitempty"`
	Earn     bool           `json:"earn,omitempty"`
	// Parties are the accounts that it is about: the asker and those that are logged in as.
	Parties   []uuid.UUID       `json:"parties,omitempty"`
	Decisions []RequestDecision `json:"decisions,omitempty"`
	// Proved is what the session token that it was judged with had proved, Authenticated
	// when, and Shown when the token was shown.
	Proved        []identity.FactorKind `json:"proved,omitempty"`
	Authenticated int64                 `json:"authenticated,omitempty"`
	Shown         int64                 `json:"shown,omitempty"`
}

// RequestNeed is how many members of a group must approve.
type RequestNeed struct {
	Group uuid.UUID     `json:"group"`
	Name  identity.Name `json:"name"`
	Count uint16        `json:"count"`
}

// RequestDecision is what one account decided.
type RequestDecision struct {
	Account  uuid.UUID     `json:"account"`
	Name     identity.Name `json:"name"`
	Approved bool          `json:"approved"`
	Reason   string        `json:"reason,omitempty"`
	At       int64         `json:"at"`
}

const requestColumns = `uuid, kind, role, state, account_uuid, machine_uuid, asked, until, changed, early, detail, body`

func scanRequest(scan func(...any) error) (Request, error) {
	var r Request
	var asked, until, changed int64
	var body []byte
	if err := scan(&r.ID, &r.Kind, &r.Role, &r.State, &r.Account, &r.Machine, &asked, &until, &changed, &r.Early, &r.Detail, &body); err != nil {
		return Request{}, err
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return Request{}, fmt.Errorf("request %s: %w", r.ID, err)
	}
	r.Asked, r.Until, r.Changed = time.Unix(asked, 0), time.Unix(until, 0), time.Unix(changed, 0)
	return r, nil
}

// AddRequest stores a new one. It is ErrExists where its id is taken.
func (t *Tx) AddRequest(r Request) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	n, err := t.exec(`INSERT INTO requests (`+requestColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		r.ID, r.Kind, r.Role, string(r.State), r.Account, r.Machine, r.Asked.Unix(), r.Until.Unix(), r.Changed.Unix(), r.Early, r.Detail, body)
	if err == nil && n == 0 {
		err = fmt.Errorf("request %s %w", r.ID, ErrExists)
	}
	if err != nil {
		return err
	}
	return t.setRequestIndex(r)
}

// SetRequest stores how a request stands now: its state, its times and what is decided. Who
// asked for what stays.
func (t *Tx) SetRequest(r Request) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if err := t.one(`UPDATE requests SET state = ?, until = ?, changed = ?, early = ?, body = ? WHERE uuid = ?`,
		string(r.State), r.Until.Unix(), r.Changed.Unix(), r.Early, body, r.ID); err != nil {
		return err
	}
	if r.Early {
		if err := t.grantEnded(); err != nil {
			return err
		}
	}
	return t.setRequestIndex(r)
}

// setRequestIndex keeps who may decide a request, while it waits.
func (t *Tx) setRequestIndex(r Request) error {
	for _, table := range []string{"request_parties", "request_needs"} {
		if _, err := t.exec(`DELETE FROM `+table+` WHERE request_uuid = ?`, r.ID); err != nil {
			return err
		}
	}
	if r.State != RequestWaiting {
		return nil
	}
	for _, a := range r.Parties {
		if _, err := t.exec(`INSERT INTO request_parties (request_uuid, account_uuid) VALUES (?, ?) ON CONFLICT DO NOTHING`, r.ID, a); err != nil {
			return err
		}
	}
	for _, n := range r.Needs {
		if _, err := t.exec(`INSERT INTO request_needs (request_uuid, group_uuid) VALUES (?, ?) ON CONFLICT DO NOTHING`, r.ID, n.Group); err != nil {
			return err
		}
	}
	return nil
}

// Request finds one.
func (t *Tx) Request(id uuid.UUID) (Request, error) {
	return scanRequest(func(into ...any) error {
		return t.get(into, `SELECT `+requestColumns+` FROM requests WHERE uuid = ?`, id)
	})
}

func (t *Tx) requests(which string, args ...any) (list []Request, err error) {
	err = t.each(func(row *sql.Rows) error {
		r, err := scanRequest(row.Scan)
		list = append(list, r)
		return err
	}, `SELECT `+requestColumns+` FROM requests `+which, args...)
	return list, err
}

// Grants lists an account's grants from that machine that are open, the newest first.
func (t *Tx) Grants(account, machine uuid.UUID, kind, role string, detail []byte, now time.Time) ([]Request, error) {
	return t.requests(`WHERE account_uuid = ? AND state IN ('granted', 'used') AND until > ? AND machine_uuid = ? AND kind = ? AND role = ? AND detail = ?
		ORDER BY asked DESC, uuid LIMIT 16`, account, now.Unix(), machine, kind, role, detail)
}

// RequestsOf lists an account's own, the newest first.
func (t *Tx) RequestsOf(account uuid.UUID, limit int) ([]Request, error) {
	return t.requests(`WHERE account_uuid = ? ORDER BY asked DESC, uuid LIMIT ?`, account, limit)
}

// RequestsFor lists those that wait for a member of groups that the account is in, and that
// are not about it, the newest first.
func (t *Tx) RequestsFor(account uuid.UUID, now time.Time, limit int) ([]Request, error) {
	return t.requests(`WHERE state = 'waiting' AND until > ? AND uuid IN (
		WITH RECURSIVE up(id) AS (
			SELECT group_uuid FROM group_accounts WHERE account_uuid = ?
			UNION SELECT parent FROM group_groups JOIN up ON child = up.id)
		SELECT request_uuid FROM request_needs JOIN up ON group_uuid = up.id)
		AND NOT EXISTS (SELECT 1 FROM request_parties WHERE request_uuid = requests.uuid AND account_uuid = ?)
		ORDER BY asked DESC, uuid LIMIT ?`, now.Unix(), account, account, limit)
}

// Requests lists those in that state as it is stored, "" for any, the newest first.
func (t *Tx) Requests(state RequestState, limit int) ([]Request, error) {
	if state == "" {
		return t.requests(`ORDER BY asked DESC, uuid LIMIT ?`, limit)
	}
	return t.requests(`WHERE state = ? ORDER BY asked DESC, uuid LIMIT ?`, string(state), limit)
}

// OpenRequests counts what is open of an account, of a machine and in all: what is asked and
// waits, and grants.
type OpenRequests struct{ Account, Machine, All, Grants int }

// OpenRequests counts them.
func (t *Tx) OpenRequests(account, machine uuid.UUID, now time.Time) (OpenRequests, error) {
	var o OpenRequests
	const open = `state IN ('asked', 'waiting') AND until > ?`
	err := t.get([]any{&o.Account, &o.Machine, &o.All, &o.Grants}, `SELECT
		(SELECT COUNT(*) FROM requests WHERE account_uuid = ? AND `+open+`),
		(SELECT COUNT(*) FROM requests WHERE machine_uuid = ? AND `+open+`),
		(SELECT COUNT(*) FROM requests WHERE `+open+`),
		(SELECT COUNT(*) FROM requests WHERE account_uuid = ? AND state IN ('granted', 'used') AND until > ?)`,
		account, now.Unix(), machine, now.Unix(), now.Unix(), account, now.Unix())
	return o, err
}

// OverdueRequests lists those whose state is over by time, and is still stored as it was.
func (t *Tx) OverdueRequests(now time.Time, limit int) ([]Request, error) {
	return t.requests(`WHERE state IN ('asked', 'waiting', 'granted', 'used') AND until <= ? ORDER BY until, uuid LIMIT ?`, now.Unix(), limit)
}

// EndOpenRequests takes back all that is open, and ends all grants.
func (t *Tx) EndOpenRequests(now time.Time, why string) error {
	list, err := t.requests(`WHERE state IN ('asked', 'waiting', 'granted', 'used')`)
	if err != nil {
		return err
	}
	for _, r := range list {
		r.Early = r.State == RequestGranted || r.State == RequestUsed
		r.State, r.Changed, r.Until, r.Why = map[bool]RequestState{true: RequestEnded, false: RequestWithdrawn}[r.Early], now, now, why
		if err := t.SetRequest(r); err != nil {
			return err
		}
	}
	return nil
}

const oldRequests = `requests WHERE state IN ('denied', 'withdrawn', 'expired', 'ended') AND changed < ?`

// HasOldRequests tells whether there are some that ended before that time.
func (t *Tx) HasOldRequests(before time.Time) (has bool, err error) {
	err = t.get([]any{&has}, `SELECT EXISTS (SELECT 1 FROM `+oldRequests+`)`, before.Unix())
	return has, err
}

// ForgetRequests deletes them.
func (t *Tx) ForgetRequests(before time.Time) error {
	_, err := t.exec(`DELETE FROM `+oldRequests, before.Unix())
	return err
}

// EndedGrants are grants that were ended before their time.
type EndedGrants struct {
	// Version grows whenever one more is ended, also over restores of the database.
	Version uint64
	IDs     []uuid.UUID
}

func (t *Tx) grantEnded() error {
	rev, err := t.nextRevision()
	if err != nil {
		return err
	}
	return t.one(`UPDATE realm SET grants_ended = ?`, rev)
}

// endedFor is for how long every grant that was ended is told of: longer than any use counts.
// Sessions go on for longer: the newest of a day are told of as well, to machines that were
// away.
const (
	endedFor      = 20 * time.Minute
	endedAlsoFor  = 24 * time.Hour
	endedAlsoMost = 1000
)

// EndedGrants lists those that were ended early within the last 20 minutes, and the newest
// 1000 of the last day.
func (t *Tx) EndedGrants(now time.Time) (e EndedGrants, err error) {
	if err := t.get([]any{&e.Version}, `SELECT grants_ended FROM realm`); err != nil {
		return EndedGrants{}, err
	}
	err = t.each(func(row *sql.Rows) error {
		var id uuid.UUID
		err := row.Scan(&id)
		e.IDs = append(e.IDs, id)
		return err
	}, `SELECT uuid FROM requests WHERE early = 1 AND (changed >= ? OR uuid IN (
			SELECT uuid FROM requests WHERE early = 1 AND changed >= ? ORDER BY changed DESC, uuid LIMIT ?))
		ORDER BY changed, uuid`, now.Add(-endedFor).Unix(), now.Add(-endedAlsoFor).Unix(), endedAlsoMost)
	return e, err
}

// IsMember tells whether the account is in the group, directly or through other groups.
func (t *Tx) IsMember(group, account uuid.UUID) (yes bool, err error) {
	err = t.get([]any{&yes}, `WITH RECURSIVE up(id) AS (
			SELECT group_uuid FROM group_accounts WHERE account_uuid = ?
			UNION SELECT parent FROM group_groups JOIN up ON child = up.id)
		SELECT EXISTS (SELECT 1 FROM up WHERE id = ?)`, account, group)
	return yes, err
}

// GroupName is the name of a group; where it is gone that is identity.ErrNotFound.
func (t *Tx) GroupName(group uuid.UUID) (name identity.Name, err error) {
	err = t.get([]any{&name}, `SELECT name FROM groups WHERE uuid = ?`, group)
	return name, err
}

// ErrInUse says that something cannot go while something else names it.
var ErrInUse = errors.New("in use")
