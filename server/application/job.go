package application

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/application/settings"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// account is one in good standing.
func (a *asked) account(tx *store.Tx, id uuid.UUID) (store.Account, error) {
	account, err := tx.Account(id)
	if errors.Is(err, identity.ErrNotFound) {
		return account, no(Account)
	}
	if err != nil {
		return account, err //nolint:wrapcheck // it says what it is about
	}
	a.who = string(account.Name)
	if auth.Standing(account, a.now) != "" {
		return account, no(Account)
	}
	return account, nil
}

// signed reads what a person signed with that key, for the message around it and no other.
func (a *asked) signed(b []byte, k message.Key) (message.Envelope, message.Signed, error) {
	m, err := message.ReadSigned(b)
	if err == nil {
		err = m.Verify(k, a.now, a.skew())
	}
	if err != nil {
		return message.Envelope{}, m, refusal{Signature, realm.Clip(words()[Signature] + ": " + err.Error())}
	}
	e, err := message.Decode(m.Claims)
	if err != nil {
		return e, m, refusal{Malformed, err.Error()}
	}
	rule := message.Rules()[e.Purpose]
	switch {
	case rule.In != a.envelope.Purpose, rule.From != message.Person:
		return e, m, no(WrongPurpose)
	case e.From != message.Party{Kind: message.Person, Key: k.Fingerprint()}, e.Question != "":
		return e, m, no(Malformed)
	case e.To != a.envelope.To:
		return e, m, no(Receiver)
	case e.Via == nil, *e.Via != a.from:
		return e, m, refusal{Receiver, "the person signed that for another instance"}
	case e.Request != a.envelope.Request:
		return e, m, refusal{Replayed, "the person signed that for another message: the request's id is to be the same"}
	case !e.Within(a.now, a.skew()):
		return e, m, refusal{Clock, fmt.Sprintf(words()[Clock], a.now.UTC().Format(time.RFC3339), a.set.SkewSeconds)}
	}
	return e, m, nil
}

// carried finds the person who signed what a message carries, and judges key and account.
func (a *asked) carried(tx *store.Tx) (message.Envelope, message.Signed, store.Account, error) {
	fail := func(err error) (message.Envelope, message.Signed, store.Account, error) {
		return message.Envelope{}, message.Signed{}, store.Account{}, err
	}
	var b message.CarriedBody
	if err := a.read(&b); err != nil {
		return fail(err)
	}
	m, err := message.ReadSigned(b.Signed)
	if err != nil {
		return fail(refusal{Signature, words()[Signature]})
	}
	from, _, err := message.From(m.Claims)
	if err != nil || from.Kind != message.Person {
		return fail(no(PersonUnknown))
	}
	a.what = "person key " + from.Key
	pk, err := tx.PersonKey(from.Key, a.from.Key)
	if errors.Is(err, identity.ErrNotFound) {
		return fail(no(PersonUnknown))
	}
	if err != nil {
		return fail(err)
	}
	k, err := message.ParsePublic(pk.PublicKey, a.now)
	if err != nil {
		return fail(refusal{Signature, realm.Clip(words()[Signature] + ": " + err.Error())})
	}
	e, m, err := a.signed(b.Signed, k)
	if err != nil {
		return fail(err)
	}
	account, err := a.account(tx, pk.Account) // proved, so the log may name it
	if err == nil && !pk.Revoked.IsZero() {
		err = no(KeyRevoked)
	}
	return e, m, account, err
}

// job judges an order, and makes a job of it.
func job(tx *store.Tx, a *asked) (reply, error) {
	e, m, account, err := a.carried(tx)
	if err != nil {
		return reply{}, err
	}
	o, err := order(e)
	if err != nil {
		return reply{}, err
	}
	a.what += fmt.Sprintf(" %s %s", o.Operation, o.Resource())
	if err := permitted(tx, account, o); err != nil {
		return reply{}, err
	}
	j, err := tx.AddJob(store.ApplicationJob{
		Application: a.instance.Application.Name, Instance: a.from.Key, Account: string(account.Name), PersonKey: e.From.Key,
		Operation: string(o.Operation), Resource: o.Resource(), Digest: []byte(message.Digest(m.Claims)),
		PersonSignature: m.Signature, InstanceSig: a.sig, Question: m.Claims, Made: a.now, Expires: a.now.Add(jobLife),
	})
	if err != nil {
		return reply{}, err //nolint:wrapcheck // it says what it is about
	}
	a.what += " job " + j.UUID.String()
	return reply{purpose: message.JobAccepted, body: message.JobAcceptedBody{Job: j.UUID.String()}, job: j.UUID}, nil
}

// permitted is nil where a group of the account may do that. A group that is earned by a login
// counts for nothing: nobody logs in for a job.
func permitted(tx *store.Tx, account store.Account, o Operation) error {
	grants, err := tx.ResourceGrants(o.Space)
	if err != nil || o.Space == "" {
		return errors.Join(err, no(Permission))
	}
	groups, err := tx.GroupsOf(account)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	for _, g := range groups {
		for _, may := range grants {
			if may.Group == g.UUID && !g.Earned && settings.Granted(may.Operations, o.Operation) {
				return nil
			}
		}
	}
	return no(Permission)
}

// resolve does a job that was accepted, once, after all has been judged anew.
func (s *Service) resolve(ctx context.Context, id uuid.UUID) error {
	return s.Store.Write(ctx, func(tx *store.Tx) error { //nolint:wrapcheck // it says what it is about
		j, err := tx.Job(id)
		if err != nil || j.State != store.JobAccepted {
			return err //nolint:wrapcheck // likewise
		}
		set, err := settings.Read(tx)
		if err != nil {
			return err //nolint:wrapcheck // likewise
		}
		o, came, err := s.outcome(ctx, tx, j)
		var told refusal
		if errors.As(err, &told) {
			came, err = Outcome{Cause: told.cause}, nil
		}
		if err != nil {
			return err
		}
		body, err := json.Marshal(message.JobResultBody{
			Job: id.String(), Operation: message.Purpose(j.Operation), Resource: j.Resource, Done: came.Cause == "", Cause: string(came.Cause),
			Type: came.Type, Value: came.Value, Revision: came.Revision,
		})
		if err != nil {
			return fmt.Errorf("write a result: %w", err)
		}
		now := s.Now()
		if err := tx.ResolveJob(id, body, now.Add(time.Duration(set.ResultSeconds)*time.Second)); err != nil {
			return err //nolint:wrapcheck // likewise
		}
		said := "done"
		if came.Cause != "" {
			said = "not done: " + string(came.Cause)
		}
		return tx.Record(store.Entry{ //nolint:wrapcheck // likewise
			Time: now, Actor: "application " + j.Application, Action: "application.resolve", Subject: j.Account,
			Detail: fmt.Sprintf("job %s %s %s revision %d: %s", id, j.Operation, j.Resource, o.Revision, said),
		})
	})
}

// outcome judges a job as it is now, and does it.
func (s *Service) outcome(ctx context.Context, tx *store.Tx, j store.ApplicationJob) (o Operation, came Outcome, err error) {
	e, err := message.Decode(j.Question)
	if err != nil {
		return o, came, fmt.Errorf("job %s: %w", j.UUID, err)
	}
	if o, err = order(e); err != nil {
		return o, came, err
	}
	a := &asked{now: s.Now(), from: message.Party{Kind: message.Instance, Key: j.Instance}}
	if err := a.standing(tx); err != nil {
		return o, came, err
	}
	pk, err := tx.PersonKey(j.PersonKey, j.Instance)
	if errors.Is(err, identity.ErrNotFound) || err == nil && !pk.Revoked.IsZero() {
		return o, came, no(KeyRevoked)
	}
	if err != nil {
		return o, came, err //nolint:wrapcheck // it says what it is about
	}
	account, err := a.account(tx, pk.Account)
	if err != nil {
		return o, came, err
	}
	if err := permitted(tx, account, o); err != nil {
		return o, came, err
	}
	if a.now.Sub(j.Made) > openLife {
		return o, came, no(Overdue)
	}
	o.Account = account.Name
	came, err = s.provider(o.Space).Do(ctx, tx, o)
	return o, came, err
}

// result gives what a job came to, once.
func result(tx *store.Tx, a *asked) (reply, error) {
	e, _, _, err := a.carried(tx)
	if err != nil {
		return reply{}, err
	}
	var b message.FetchBody
	if err := message.Strict(e.Body, &b); err != nil {
		return reply{}, refusal{Malformed, err.Error()}
	}
	id, err := uuid.Parse(b.Job)
	if err != nil {
		return reply{}, no(JobUnknown)
	}
	a.what += " job " + id.String()
	j, err := tx.Job(id)
	if errors.Is(err, identity.ErrNotFound) || err == nil && (j.Instance != a.from.Key || j.PersonKey != e.From.Key) {
		return reply{}, no(JobUnknown)
	}
	if err != nil {
		return reply{}, err //nolint:wrapcheck // it says what it is about
	}
	switch {
	case j.State == store.JobAccepted:
		return reply{}, no(JobPending)
	case j.State == store.JobFetched:
		return reply{}, no(JobFetched)
	case j.State != store.JobResolved, !a.now.Before(j.Expires):
		return reply{}, no(JobExpired)
	}
	if err := tx.FetchJob(id, a.now); err != nil {
		return reply{}, err //nolint:wrapcheck // likewise
	}
	return reply{purpose: message.JobResult, body: json.RawMessage(j.Result)}, nil
}
