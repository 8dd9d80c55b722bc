package request

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of what is open at once.
const (
	maxOfAccount = 32
	maxOfMachine = 256
	// maxOpen is for all; an account of which nothing is open may ask all the same.
	maxOpen = 10_000
	// maxGrants is how many grants of one account are open.
	maxGrants = 256
)

// Ask implements RequestService.
func (e *Engine) Ask(ctx context.Context, req *v1.AskRequest) (*v1.AskResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	id, err := parse(req.GetId())
	if err != nil {
		return nil, err
	}
	ask, err := plain(req)
	if err != nil {
		return nil, err
	}
	var r store.Request
	err = e.write(ctx, "ask", func(tx *store.Tx) (bool, error) {
		a, s, err := e.Person(tx, m, req.GetSessionToken(), "")
		if err != nil {
			return false, err
		}
		if r, err = e.sameAgain(tx, id, a, m, ask); !errors.Is(err, identity.ErrNotFound) {
			return false, err
		}
		r, err = e.lodge(tx, id, a, m, s, ask)
		return false, err
	})
	if err != nil {
		return nil, err
	}
	return &v1.AskResponse{Request: View(r, e.Now())}, nil
}

// plain is an ask as it is stored: without the token and the key, and with the person's words in one
// line.
func plain(req *v1.AskRequest) (*v1.AskRequest, error) {
	ask := proto.CloneOf(req)
	ask.SessionToken, ask.PublicKey = nil, nil
	reason, err := line("reason", req.GetReason())
	if err != nil {
		return nil, err
	}
	ask.Reason = reason
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	if len(ask.GetOrigin()) > maxOrigin || strings.ContainsFunc(ask.GetOrigin(), odd) {
		return nil, invalid("the origin is longer than %d bytes, or cannot be printed", maxOrigin)
	}
	return ask, nil
}

// line is what a person wrote, in one line that can be printed.
func line(what, text string) (string, error) {
	if n := utf8.RuneCountInString(text); n > maxReason {
		return "", invalid("the %s has %d characters, and %d is the most", what, n, maxReason)
	}
	return identity.Printable(text), nil
}

// sameAgain finds a request that was sent before, identity.ErrNotFound where there is none.
func (e *Engine) sameAgain(tx *store.Tx, id uuid.UUID, a store.Account, m store.Machine, ask *v1.AskRequest) (store.Request, error) {
	r, err := tx.Request(id)
	if err != nil {
		return store.Request{}, fmt.Errorf("request: %w", err)
	}
	before := new(v1.AskRequest)
	if err := proto.Unmarshal(r.Ask, before); err != nil {
		return store.Request{}, fmt.Errorf("request %s: %v", id, err) //nolint:errorlint // it is no error to decide on
	}
	if r.Account != a.UUID || r.Machine != m.UUID || !proto.Equal(before, ask) {
		return store.Request{}, connect.NewError(connect.CodeAlreadyExists, errors.New("this id is another request's: choose a new one"))
	}
	return at(r, e.Now()), nil
}

// lodge judges a new request and stores it, unless a grant that is open answers it.
func (e *Engine) lodge(tx *store.Tx, id uuid.UUID, a store.Account, m store.Machine, s *identity.SessionToken, ask *v1.AskRequest) (store.Request, error) {
	kind, subject, err := e.resolve(tx, a, m, ask)
	if err != nil {
		return store.Request{}, err
	}
	v, err := judge(tx, kind.Name(), a, subject.Parts)
	if err != nil {
		return store.Request{}, err
	}
	now, p := e.Now(), proofOf(s, e.Now())
	r := store.Request{
		ID: id, Kind: kind.Name(), Account: a.UUID, Machine: m.UUID, Asked: now, Detail: subject.Detail, Subject: identity.Printable(subject.Text),
		AccountName: a.Name, MachineName: m.Name, Origin: ask.GetOrigin(), Reason: ask.GetReason(), Parties: []uuid.UUID{a.UUID},
	}
	for _, part := range subject.Parts {
		r.Role = part.Role
		r.Parties = append(r.Parties, part.Account.UUID)
	}
	if r.Ask, err = (proto.MarshalOptions{Deterministic: true}).Marshal(ask); err != nil {
		return store.Request{}, fmt.Errorf("request: %w", err)
	}
	if g, ok, err := e.openGrant(tx, r, v, p); err != nil || ok {
		return g, err
	}
	if err := e.spend(m); err != nil {
		return store.Request{}, err
	}
	v.onto(&r)
	p.onto(&r)
	what, err := v.comesTo(tx, p, r, now)
	if err != nil {
		return store.Request{}, err
	}
	if what != refuses {
		if err := e.room(tx, r); err != nil {
			return store.Request{}, err
		}
	}
	happens(&r, what, now, v.refused)
	if err := tx.AddRequest(r); err != nil {
		return store.Request{}, fmt.Errorf("store: %w", err)
	}
	return r, e.recordOutcome(tx, m, "request.ask", r, fmt.Sprintf("origin=%q reason=%q", r.Origin, r.Reason))
}

// recordOutcome writes down what was done, and what came of it where that decides.
func (e *Engine) recordOutcome(tx *store.Tx, m store.Machine, action string, r store.Request, more string) error {
	if err := e.record(tx, actorOf(m), action, r.AccountName, r, more); err != nil {
		return err
	}
	switch r.State {
	case store.RequestGranted:
		return e.record(tx, actorOf(m), "request.grant", r.AccountName, r, "")
	case store.RequestDenied:
		if action != "request.deny" {
			return e.record(tx, actorOf(m), "request.refuse", r.AccountName, r, fmt.Sprintf("why=%q", r.Why))
		}
	default:
	}
	return nil
}

// openGrant finds a grant for the same that the rules still grant with this proof.
func (e *Engine) openGrant(tx *store.Tx, r store.Request, v verdict, p proof) (store.Request, bool, error) {
	list, err := tx.Grants(r.Account, r.Machine, r.Kind, r.Role, r.Detail, e.Now())
	if err != nil {
		return store.Request{}, false, fmt.Errorf("open grants: %w", err)
	}
	for _, g := range list {
		what, err := v.comesTo(tx, p, g, e.Now())
		if err != nil {
			return store.Request{}, false, err
		}
		if what == grants {
			return g, true, nil
		}
	}
	return store.Request{}, false, nil
}

// room refuses what would take more than its share.
func (e *Engine) room(tx *store.Tx, r store.Request) error {
	o, err := tx.OpenRequests(r.Account, r.Machine, e.Now())
	if err != nil {
		return fmt.Errorf("open requests: %w", err)
	}
	full := func(format string, args ...any) error {
		return connect.NewError(connect.CodeResourceExhausted, fmt.Errorf(format, args...))
	}
	switch {
	case o.Account >= maxOfAccount:
		return full("%d requests of this account are open, and that is the most: withdraw one, or wait until one is decided", o.Account)
	case o.Machine >= maxOfMachine:
		return full("%d requests from this machine are open, and that is the most: wait until one is decided", o.Machine)
	case o.All >= maxOpen && o.Account > 0:
		return full("%d requests are open in the realm, and that is the most: wait until yours is decided", o.All)
	case o.Grants >= maxGrants:
		return full("%d grants of this account are open, and that is the most: wait until one ends", o.Grants)
	}
	return nil
}

// Prove implements RequestService.
func (e *Engine) Prove(ctx context.Context, req *v1.ProveRequest) (*v1.ProveResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	id, err := parse(req.GetId())
	if err != nil {
		return nil, err
	}
	var r store.Request
	err = e.write(ctx, "prove", func(tx *store.Tx) (bool, error) {
		a, s, err := e.Person(tx, m, req.GetSessionToken(), "")
		if err != nil {
			return false, err
		}
		r, err = e.find(tx, id, func(r store.Request) bool { return r.Account == a.UUID && r.Machine == m.UUID })
		if err != nil || r.State != store.RequestAsked {
			return false, err
		}
		if err := e.spend(m); err != nil {
			return false, err
		}
		v, err := e.again(tx, r)
		if err != nil {
			return false, err
		}
		p := proofOf(s, e.Now())
		p.onto(&r)
		return true, e.goOn(tx, m, &r, v, "request.prove")
	})
	if err != nil {
		return nil, err
	}
	return &v1.ProveResponse{Request: View(r, e.Now())}, nil
}

// goOn brings a request to where the rules, its proof and its decisions lead, and writes it
// down.
func (e *Engine) goOn(tx *store.Tx, m store.Machine, r *store.Request, v verdict, action string) error {
	what, err := v.comesTo(tx, proofIn(*r), *r, e.Now())
	if err != nil {
		return err
	}
	if what != refuses {
		v.onto(r)
	}
	happens(r, what, e.Now(), v.refused)
	if err := tx.SetRequest(*r); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return e.recordOutcome(tx, m, action, *r, "")
}
