package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// RuleEffect is what a rule comes to. The zero value refuses.
type RuleEffect string

// The effects.
const (
	RuleGrants  RuleEffect = "grant"
	RuleAsks    RuleEffect = "approve"
	RuleRefuses RuleEffect = "refuse"
)

// RequestRule is one rule that requests are judged by. What package request makes of it is
// said there. The zero value matches nothing.
type RequestRule struct {
	Name identity.Name `json:"-"`
	// Kind is of requests, "ssh".
	Kind string `json:"kind"`
	// Who is a group, where not everybody.
	Everybody bool      `json:"everybody,omitempty"`
	Who       uuid.UUID `json:"-"`
	// Machines and Tags say where: either is enough. Neither, and Everywhere: everywhere.
	Everywhere bool            `json:"everywhere,omitempty"`
	Machines   []uuid.UUID     `json:"machines,omitempty"`
	Tags       []identity.Name `json:"tags,omitempty"`
	// Role is a word; "" is any.
	Role string `json:"role,omitempty"`
	// Self is the asker's own account, Accounts are others, and AnyAccount every one.
	Self       bool        `json:"self,omitempty"`
	Accounts   []uuid.UUID `json:"accounts,omitempty"`
	AnyAccount bool        `json:"any_account,omitempty"`
	// Through and ThroughTags say which machine must be just before in the chain: either is
	// enough. Neither: any, or none.
	Through     []uuid.UUID     `json:"through,omitempty"`
	ThroughTags []identity.Name `json:"through_tags,omitempty"`
	// Forward are words for what may be forwarded.
	Forward []string   `json:"forward,omitempty"`
	Effect  RuleEffect `json:"effect"`
	// Count members of the group Approvers must approve.
	Approvers uuid.UUID `json:"-"`
	Count     uint16    `json:"count,omitempty"`
	// MaxAge is how old the authentication may be, and Demand what it must have proved.
	MaxAge time.Duration   `json:"max_age"`
	Demand identity.Demand `json:"demand"`
	// GrantLife is for how long a grant is open, UseLife for how long one use of it counts.
	GrantLife time.Duration `json:"grant_life"`
	UseLife   time.Duration `json:"use_life"`
	// Sessions is what becomes of sessions when their grant is ended early; "" is "tell".
	Sessions identity.OnEnd `json:"sessions,omitempty"`
	// Earn lets sessions earn strength-gated groups.
	Earn bool `json:"earn,omitempty"`
}

// RequestRules lists them in their order.
func (t *Tx) RequestRules() (list []RequestRule, err error) {
	err = t.each(func(row *sql.Rows) error {
		var r RequestRule
		var who, approvers *uuid.UUID
		var name identity.Name
		var body []byte
		if err := row.Scan(&name, &who, &approvers, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &r); err != nil {
			return fmt.Errorf("rule %q: %w", name, err)
		}
		r.Name = name
		if who != nil {
			r.Who = *who
		}
		if approvers != nil {
			r.Approvers = *approvers
		}
		list = append(list, r)
		return nil
	}, `SELECT name, who, approvers, body FROM request_rules ORDER BY place`)
	return list, err
}

// AddRequestRule stores one, before that of the name, or last where that is "".
func (t *Tx) AddRequestRule(r RequestRule, before identity.Name) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("rule: %w", err)
	}
	n, err := t.exec(`INSERT INTO request_rules (name, place, who, approvers, body) VALUES (?, (SELECT COALESCE(MAX(place), 0) + 1 FROM request_rules), ?, ?, ?)
		ON CONFLICT DO NOTHING`, r.Name, maybeID(r.Who), maybeID(r.Approvers), body)
	if err == nil && n == 0 {
		err = fmt.Errorf("rule %q %w", r.Name, ErrExists)
	}
	if err != nil || before == "" {
		return err
	}
	return t.MoveRequestRule(r.Name, before)
}

func maybeID(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id
}

// MoveRequestRule puts a rule before another one, or last where that is "".
func (t *Tx) MoveRequestRule(name, before identity.Name) error {
	names, err := t.names(`SELECT name FROM request_rules ORDER BY place`)
	if err != nil {
		return err
	}
	from := slices.Index(names, name)
	if from < 0 || name == before {
		return identity.ErrNotFound
	}
	names = slices.Delete(names, from, from+1)
	to := len(names)
	if before != "" {
		if to = slices.Index(names, before); to < 0 {
			return identity.ErrNotFound
		}
	}
	for i, n := range slices.Insert(names, to, name) {
		if err := t.one(`UPDATE request_rules SET place = ? WHERE name = ?`, i+1, n); err != nil {
			return err
		}
	}
	return nil
}

// RequestWait is for how long a request waits for approvals.
func (t *Tx) RequestWait() (time.Duration, error) {
	var seconds int64
	err := t.get([]any{&seconds}, `SELECT request_wait FROM realm`)
	return time.Duration(seconds) * time.Second, err
}

// SetRequestWait says it, for requests that begin to wait from then on.
func (t *Tx) SetRequestWait(d time.Duration) error {
	return t.one(`UPDATE realm SET request_wait = ?`, int64(d/time.Second))
}

// RemoveRequestRule removes one.
func (t *Tx) RemoveRequestRule(name identity.Name) error {
	return t.one(`DELETE FROM request_rules WHERE name = ?`, name)
}

// ruleOf is the name of a rule that names the group, "" where none does.
func (t *Tx) ruleOf(group uuid.UUID) (identity.Name, error) {
	names, err := t.names(`SELECT name FROM request_rules WHERE who = ? OR approvers = ? ORDER BY place LIMIT 1`, group, group)
	if err != nil || len(names) == 0 {
		return "", err
	}
	return names[0], nil
}
