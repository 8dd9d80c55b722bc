package application

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/application/message"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/application/settings"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// errUnproved is what everything is that comes before a proof of who asks.
var errUnproved = errors.New("nobody proved who asks")

// refusal is a no, as a proved sender is told it.
type refusal struct {
	cause Cause
	words string
}

func (r refusal) Error() string { return string(r.cause) + ": " + r.words }

// no is a refusal in the usual words of its cause.
func no(c Cause) error { return refusal{c, words()[c]} }

// asked is a question of a proved sender.
type asked struct {
	set      store.ApplicationService
	name     string // of the realm
	realm    message.Key
	now      time.Time
	text     []byte
	sig      []byte
	early    bool // the signature is of the future
	from     message.Party
	request  string      // its id, as far as it can be read
	key      message.Key // of the sender
	instance store.Instance
	// envelope is what the text says, once it was read.
	envelope message.Envelope
	// who and what are for the audit log, as far as they are known.
	who, what string
}

// skew is how far clocks may be apart.
func (a *asked) skew() time.Duration { return time.Duration(a.set.SkewSeconds) * time.Second }

// reply is what a question is answered with.
type reply struct {
	purpose message.Purpose
	body    any
	// to is another receiver than the sender: an instance that has just become one.
	to *message.Key
	// job is one that is to be resolved, once it is written down.
	job uuid.UUID
	// deliver carries a code, likewise.
	deliver func(context.Context) error
	// no refuses, and what was done stays: a guess was counted.
	no *refusal
}

// prove opens a message and finds out who signed it: the key that its text names has to be an
// application's or an instance's of this realm, and the signature that key's.
func (s *Service) prove(ctx context.Context, set store.ApplicationService, sealed []byte) (*asked, error) {
	keys, err := s.realmKeys(set)
	if err != nil {
		return nil, err
	}
	a := &asked{set: set, name: s.Name, now: s.Now()}
	var m message.Signed
	for _, a.realm = range keys { // who has the one before is answered by it
		if m, err = message.Decrypt(sealed, a.realm); err == nil {
			break
		}
	}
	if err != nil {
		return nil, errUnproved
	}
	a.text, a.sig = m.Claims, m.Signature
	if a.from, a.request, err = message.From(m.Claims); err != nil {
		return nil, errUnproved
	}
	public, err := s.sender(ctx, a)
	if errors.Is(err, identity.ErrNotFound) {
		return nil, errUnproved
	}
	if err != nil {
		return nil, err
	}
	a.key, err = message.ParsePublic(public, a.now)
	if err != nil || a.from.Kind == message.Instance && !a.key.CanReceive(a.now) {
		return nil, errUnproved // it, or the part of it that answers are encrypted to, has expired
	}
	err = m.Verify(a.key, a.now, a.skew())
	if a.early = errors.Is(err, message.ErrFuture); err != nil && !a.early {
		return nil, errUnproved
	}
	return a, nil
}

// sender finds the application or the instance that a text says that it is from.
func (s *Service) sender(ctx context.Context, a *asked) (public []byte, err error) {
	err = s.Store.Once(ctx, func(tx *store.Tx) (err error) {
		switch a.from.Kind {
		case message.Application:
			a.instance.Application, err = tx.ApplicationByKey(a.from.Key)
			public = a.instance.Application.PublicKey
		case message.Instance:
			a.instance, err = tx.Instance(a.from.Key)
			public = a.instance.PublicKey
		default:
			err = identity.ErrNotFound
		}
		return err
	})
	return public, err //nolint:wrapcheck // it says what it is about
}

// check reads what a proved sender says, and refuses what is not for here and now.
func (a *asked) check() (err error) {
	if a.envelope, err = message.Decode(a.text); err != nil {
		return refusal{Malformed, err.Error()}
	}
	e, rule := a.envelope, message.Rules()[a.envelope.Purpose]
	switch {
	case e.From != a.from, e.Via != nil, e.Question != "":
		return no(Malformed)
	case e.To != message.Party{Kind: message.Realm, Key: a.realm.Fingerprint()}:
		return no(Receiver)
	case rule.From != e.From.Kind, rule.Answer == "":
		return no(WrongPurpose)
	case a.early, !e.Within(a.now, a.skew()):
		return refusal{Clock, fmt.Sprintf(words()[Clock], a.now.UTC().Format(time.RFC3339), a.set.SkewSeconds)}
	}
	return nil
}

// reply does what was asked, in one transaction with its row of the audit log, and seals the
// answer. A refusal undoes what was done, and is written down for itself.
func (s *Service) reply(ctx context.Context, a *asked) ([]byte, error) {
	var r reply
	err := a.check()
	if err == nil {
		r, err = s.written(ctx, a)
	}
	if err == nil && r.deliver != nil {
		err = s.delivered(ctx, a, r.deliver)
	}
	var told refusal
	if errors.As(err, &told) {
		r = reply{no: &told}
		err = s.refused(ctx, a, told)
	}
	if r.no != nil {
		r = reply{purpose: message.Refused, body: message.RefusedBody{Cause: string(r.no.cause), Message: r.no.words, Time: a.now.Unix()}}
	}
	if err != nil {
		return nil, err
	}
	if r.job != uuid.Nil {
		if err := s.resolve(ctx, r.job); err != nil { // it is accepted, and Tidy comes back to it
			s.Log.ErrorContext(ctx, "a job is not resolved yet", "job", r.job, "error", err)
		}
	}
	return s.seal(a, r)
}

// written does what was asked, and writes it down. Machines hear of an account that was made.
func (s *Service) written(ctx context.Context, a *asked) (r reply, err error) {
	news := false
	err = s.Store.Write(ctx, func(tx *store.Tx) (err error) {
		if r, err = s.do(tx, a); err != nil {
			return err
		}
		came := "ok"
		if r.no != nil {
			came = "refused: " + string(r.no.cause)
		}
		if err := s.record(tx, a, came); err != nil {
			return err
		}
		if news = tx.Revised(); news {
			return tx.Announce()
		}
		return nil
	})
	if err == nil && news {
		s.Changed.Notify()
	}
	return r, err //nolint:wrapcheck // it says what it is about
}

// do judges the sender as it is now, takes the request's id, and does what is asked.
func (s *Service) do(tx *store.Tx, a *asked) (reply, error) {
	var err error
	if a.set, err = settings.Read(tx); err == nil && !a.set.Enabled {
		err = no(Disabled)
	}
	if err == nil {
		err = a.standing(tx)
	}
	if err != nil {
		return reply{}, err
	}
	err = tx.UseApplicationRequest(a.from.Key, a.envelope.Request, usedUntil(a))
	if errors.Is(err, store.ErrExists) {
		return reply{}, no(Replayed)
	}
	if err != nil {
		return reply{}, err //nolint:wrapcheck // it says what it is about
	}
	switch a.envelope.Purpose {
	case message.Hello:
		return hello(tx, a)
	case message.InstanceKey:
		return instanceKey(tx, a)
	case message.Register:
		return s.register(tx, a)
	case message.Code:
		return s.code(tx, a)
	case message.PersonKey:
		return s.personKey(tx, a)
	case message.Job:
		return job(tx, a)
	case message.Result:
		return result(tx, a)
	default:
		return reply{}, no(WrongPurpose)
	}
}

// usedUntil is until when the id of a request could be good once more.
func usedUntil(a *asked) time.Time {
	return time.Unix(a.envelope.Time, 0).Add(2*a.skew() + time.Second)
}

// standing refuses an application that is disabled or gone, and an instance that is revoked.
func (a *asked) standing(tx *store.Tx) (err error) {
	var now store.Instance
	if a.from.Kind == message.Application {
		now.Application, err = tx.ApplicationByKey(a.from.Key)
	} else {
		now, err = tx.Instance(a.from.Key)
	}
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return no(Revoked)
	case err != nil:
		return err //nolint:wrapcheck // it says what it is about
	case now.Application.Disabled:
		return no(Disabled)
	case !now.Revoked.IsZero():
		return no(Revoked)
	}
	a.instance = now
	return nil
}

// refused writes down that something was refused. The id of its request is used up: of an
// instance also where its time is yet to come. An application's is not kept for longer than it
// could be of now: everybody has its key, and could fill the table.
func (s *Service) refused(ctx context.Context, a *asked, told refusal) error {
	return s.Store.Write(ctx, func(tx *store.Tx) error { //nolint:wrapcheck // it says what it is about
		if a.envelope.Request != "" && (a.from.Kind == message.Instance || a.envelope.Within(a.now, a.skew())) {
			if err := tx.UseApplicationRequest(a.from.Key, a.envelope.Request, usedUntil(a)); err != nil && !errors.Is(err, store.ErrExists) {
				return err //nolint:wrapcheck // likewise
			}
		}
		if !s.Rows.Note(a.instance.Application.UUID, a.actor(), realm.RowDenial, a.now) {
			return nil
		}
		return s.record(tx, a, "refused: "+string(told.cause))
	})
}

func (a *asked) actor() string { return "application " + a.instance.Application.Name }

// record writes a row of the audit log: who, behind which instance, asked for what, and what
// the checks came to. Values are not in it.
func (s *Service) record(tx *store.Tx, a *asked, came string) error {
	purpose, detail := "unknown", "key "+a.from.Key
	if a.envelope.Purpose != "" {
		purpose = string(a.envelope.Purpose)
		detail = fmt.Sprintf("%s %s request %s", a.from.Kind, a.from.Key, a.envelope.Request)
	}
	if a.what != "" {
		detail += " " + a.what
	}
	return tx.Record(store.Entry{Time: a.now, Actor: a.actor(), Action: "application." + purpose, Subject: a.who, Detail: detail + ": " + came}) //nolint:wrapcheck // it says what it is about
}

// seal makes the message that answers a question.
func (s *Service) seal(a *asked, r reply) ([]byte, error) {
	to, rule := message.Party{Kind: a.from.Kind, Key: a.from.Key}, message.Rules()[a.envelope.Purpose]
	receiver := &a.key
	switch {
	case r.to != nil:
		to, receiver = message.Party{Kind: message.Instance, Key: r.to.Fingerprint()}, r.to
	case rule.Open, a.from.Kind == message.Application:
		receiver = nil
	}
	e := message.Envelope{
		Purpose: r.purpose, From: message.Party{Kind: message.Realm, Key: a.realm.Fingerprint()}, To: to,
		Request: a.request, Time: s.Now().Unix(), Question: message.Digest(a.text),
	}
	text, err := e.Encode(r.body)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	return message.Seal(text, a.realm, receiver, s.Now()) //nolint:wrapcheck // likewise
}
