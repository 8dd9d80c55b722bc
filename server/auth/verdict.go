package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// record writes down how a session ended, and before it when it began: two rows
// for one wait for the disk. One that nobody goes on with is written down by
// abandoned.
func (e *Engine) record(tx *store.Tx, action string, s *session, reason string) error {
	if !s.begun.IsZero() {
		if err := tx.Record(entry(s.begun, "auth.begin", s, "")); err != nil {
			return err
		}
	}
	return tx.Record(entry(e.Now(), action, s, reason))
}

// Abandoned drops sessions whose time is over, and writes them down, with what got no
// row of its own.
func (e *Engine) Abandoned(ctx context.Context) error {
	var stale []*session
	for _, s := range e.sessions.purge(e.Now()) {
		if e.Rows.Note(s.client.id, s.client.actor(), realm.RowDenial, e.Now()) {
			stale = append(stale, s)
		}
	}
	rest := e.Rows.Drain(e.Now())
	if len(stale)+len(rest) == 0 {
		return nil
	}
	return e.memory().Write(ctx, func(tx *store.Tx) error {
		if err := e.recordRest(tx, rest); err != nil {
			return err
		}
		for _, s := range stale {
			if err := e.record(tx, "auth.abandon", s, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

func entry(at time.Time, action string, s *session, reason string) store.Entry {
	detail := fmt.Sprintf("service=%q remote_host=%q origin=%q", s.service, s.remoteHost, s.origin)
	if action == "auth.allow" {
		detail += fmt.Sprintf(" proved=%q", strings.Join(realm.Words(s.methods()), " "))
	}
	if reason != "" {
		detail += fmt.Sprintf(" reason=%q", reason)
	}
	return store.Entry{Time: at, Actor: s.client.actor(), Action: action, Subject: string(s.name), Detail: detail}
}

// recording outlives the client's patience: an attempt counts also when whoever
// made it hangs up before the answer.
func recording(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
}

// deny ends a session without counting a failure.
func (e *Engine) deny(ctx context.Context, s *session, a answer) (answer, error) {
	ctx, cancel := recording(ctx)
	defer cancel()
	if a.message == "" {
		a.message = denial
	}
	if !e.Rows.Note(s.client.id, s.client.actor(), realm.RowDenial, e.Now()) {
		return a, nil
	}
	return a, e.memory().Write(ctx, func(tx *store.Tx) error {
		return e.record(tx, "auth.deny", s, a.reason)
	})
}

// failed ends a session with a wrong proof of that kind.
func (e *Engine) failed(ctx context.Context, s *session, kind identity.FactorKind, reason string) (answer, error) {
	ctx, cancel := recording(ctx)
	defer cancel()
	a := answer{message: denial, reason: reason}
	row := e.Rows.Note(s.client.id, s.client.actor(), realm.RowDenial, e.Now())
	if e.Reads() != nil {
		return a, e.failedHere(ctx, s, kind, func(tx *store.Tx) error {
			if !row {
				return nil
			}
			return e.record(tx, "auth.deny", s, reason)
		})
	}
	return a, e.Store.Write(ctx, func(tx *store.Tx) error {
		err := e.countFailure(tx, s, kind)
		if row {
			err = errors.Join(err, e.record(tx, "auth.deny", s, reason))
		}
		return err
	})
}

// allow ends a session well, if what was proved still holds as it is recorded.
// also is done in the same transaction: what is used, made or taken away.
func (e *Engine) allow(ctx context.Context, s *session, also func(*store.Tx, store.Account) error) (answer, error) {
	rec, cancel := recording(ctx)
	defer cancel()
	if e.Reads() != nil {
		a, err := e.allowHere(rec, s, func(tx *store.Tx) error { return also(tx, store.Account{}) })
		if a.allow {
			e.dues.put(s, e.Now())
		}
		return a, err
	}
	a, touched := answer{allow: true}, false
	err := e.Store.Write(rec, func(tx *store.Tx) error {
		p, err := e.recheck(tx, s)
		if err != nil {
			return err
		}
		if err := also(tx, p.Account); err != nil {
			return err
		}
		if tx.Revised() {
			before := p.Account.Revision
			if p, err = tx.PersonOf(p.Account.UUID); err != nil {
				return err
			}
			touched = p.Account.Revision != before
		}
		return e.conclude(rec, tx, s, &p, touched, &a)
	})
	if err != nil {
		return e.outdated(ctx, s, err)
	}
	if touched {
		e.Changed.Notify()
	}
	e.dues.put(s, e.Now())
	return a, nil
}

// conclude makes what an allow brings. A token of a revision that this transaction
// made is not kept: it may come to nothing.
func (e *Engine) conclude(ctx context.Context, tx *store.Tx, s *session, p *store.Person, touched bool, a *answer) error {
	if !p.Known {
		return identity.ErrNotFound
	}
	now, err := tx.Clock(e.Now())
	if err != nil {
		return err
	}
	if err := e.clearProved(tx, s); err != nil {
		return err
	}
	if err := tx.SignedIn(p.Account.UUID, s.client.id, s.origin, now); err != nil {
		return err
	}
	if s.client.kind == consoleClient {
		a.signedIn = &SignedIn{Account: p.Account.UUID, Name: p.Account.Name, Methods: s.methods(), At: e.Now(), session: s}
		return e.record(tx, "auth.allow", s, "")
	}
	if a.id, err = e.TokenOf(ctx, tx, p, touched); err != nil {
		return err
	}
	if a.session, err = e.sessionToken(tx, s, p); err != nil {
		return err
	}
	if !s.due {
		if a.sealed, err = e.sealFactors(tx, s, p.Account); err != nil {
			return err
		}
	}
	return e.record(tx, "auth.allow", s, "")
}

// holds is store.ErrChanged unless every proof is of a credential that the account
// holds now, and it may be used.
func (e *Engine) holds(tx *store.Tx, s *session) (store.Person, error) {
	p, err := tx.Person(s.client.id, s.name)
	if err != nil {
		return store.Person{}, err
	}
	if !p.Known {
		return store.Person{}, identity.ErrNotFound
	}
	if Standing(p.Account, e.Now()) != "" {
		return store.Person{}, store.ErrChanged
	}
	factors := p.Factors()
	for _, one := range s.proved {
		if !slices.ContainsFunc(factors, func(f identity.Factor) bool { return one == proofOf(p.Account.UUID, f) }) {
			return store.Person{}, store.ErrChanged
		}
	}
	return p, nil
}

// recheck is holds, and what was proved is enough by what the account holds now:
// between the proof and the confirmation of a new factor there may be minutes.
func (e *Engine) recheck(tx *store.Tx, s *session) (store.Person, error) {
	p, err := e.holds(tx, s)
	if err != nil {
		return store.Person{}, err
	}
	now := facts{held: identity.Kinds(p.Factors()), points: p.Points}
	if !now.enough(s)(s.methods()) {
		return store.Person{}, store.ErrChanged
	}
	return p, nil
}

// sessionToken says what was proved, and which groups that earned.
func (e *Engine) sessionToken(tx *store.Tx, s *session, p *store.Person) ([]byte, error) {
	if s.client.kind != machineClient {
		return nil, fmt.Errorf("session token: there is none for a client of kind %q", s.client.kind)
	}
	groups := p.Groups
	now := e.Now()
	t := &identity.SessionToken{
		Realm: e.Name, ID: uuid.New(), Account: p.Account.UUID, Machine: s.client.id, Methods: s.methods(),
		AuthenticatedAt: now.Unix(), ExpiresAt: now.Add(sessionLife).Unix(), Purpose: s.purpose,
	}
	if s.due {
		t.ExpiresAt, groups = now.Add(dueSessionLife).Unix(), nil
	}
	for i := range groups {
		if groups[i].Demand().Met(p.Points, t.Methods) {
			t.Groups = append(t.Groups, groups[i].UUID)
		}
	}
	signer, err := e.SignerBy(tx, p.Signs)
	if err != nil {
		return nil, err
	}
	signed, err := signer.SignSessionToken(t)
	if err != nil {
		return nil, fmt.Errorf("session token: %w", err)
	}
	return signed, nil
}
