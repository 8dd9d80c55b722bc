package request

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Kind says what requests of one kind are about.
type Kind interface {
	// Name is the word for it, "ssh".
	Name() string
	// Resolve judges what is asked for and says what it is about. Its errors are for people.
	// For the same words it says the same, while the names in them mean the same.
	Resolve(tx *store.Tx, asker store.Account, at store.Machine, ask *v1.AskRequest) (Subject, error)
}

// Subject is what a request is about.
type Subject struct {
	// Detail says exactly what, in one way: two that are alike are the same.
	Detail []byte
	// Text is a line for people.
	Text string
	// Parts are judged by the rules, each by itself; the last is the target.
	Parts []Part
}

// Part is one machine that a request is about, and what is to be done there.
type Part struct {
	Machine store.Machine
	// Account is the one that is used there.
	Account store.Account
	Role    string
	// Before is the machine that it is reached through; nil: it is reached directly.
	Before *store.Machine
	// Forward are words for what is to be forwarded.
	Forward []string
}

// String says it for people.
func (p Part) String() string {
	return fmt.Sprintf("%s at %s, in the role %q", p.Account.Name, p.Machine.Name, p.Role)
}

// Engine decides about requests.
type Engine struct {
	*realm.Realm
	kinds map[string]Kind
	// ending is closed when the server stops.
	ending <-chan struct{}
}

var _ sallyportv1connect.RequestServiceHandler = (*Engine)(nil)

// New decides about requests of these kinds, until ending is closed; nil: it never is.
func New(r *realm.Realm, ending <-chan struct{}, kinds ...Kind) *Engine {
	e := &Engine{Realm: r, kinds: make(map[string]Kind, len(kinds)), ending: ending}
	for _, k := range kinds {
		e.kinds[k.Name()] = k
	}
	return e
}

// Limits of what people say.
const (
	maxReason = 200 // characters
	maxOrigin = 160 // bytes, as in BeginRequest
)

func invalid(format string, args ...any) error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, args...))
}

// refusal refuses what could be, and is not now. That it is no CodePermissionDenied tells it
// from a machine that may ask for nothing.
func refusal(format string, args ...any) error {
	return connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf(format, args...))
}

// resolve says what an ask is about.
func (e *Engine) resolve(tx *store.Tx, a store.Account, m store.Machine, ask *v1.AskRequest) (Kind, Subject, error) {
	var name string
	switch ask.GetKind().(type) {
	case *v1.AskRequest_Ssh:
		name = "ssh"
	default:
		return nil, Subject{}, invalid("the request says nothing of what it is for, or in words that this server is too old to know")
	}
	kind, ok := e.kinds[name]
	if !ok {
		return nil, Subject{}, invalid("this server decides nothing about %s", name)
	}
	s, err := kind.Resolve(tx, a, m, ask)
	return kind, s, told(err)
}

// told has the errors of kinds told to people.
func told(err error) error {
	switch {
	case errors.Is(err, realm.ErrInput), errors.Is(err, identity.ErrName):
		return connect.NewError(connect.CodeInvalidArgument, err)
	case errors.Is(err, identity.ErrNotFound):
		return connect.NewError(connect.CodeNotFound, err)
	default:
		return realm.Told(err) //nolint:wrapcheck // what the caller is told
	}
}

// again judges a request anew, as things are now. Where it has come to mean something else,
// that is a refusal.
func (e *Engine) again(tx *store.Tx, r store.Request) (verdict, error) {
	asker, err := tx.Account(r.Account)
	if errors.Is(err, identity.ErrNotFound) {
		return verdict{refused: "the account that asked is gone"}, nil
	}
	if err != nil {
		return verdict{}, fmt.Errorf("asker: %w", err)
	}
	from, err := tx.Machine(r.Machine)
	if errors.Is(err, identity.ErrNotFound) {
		return verdict{refused: "the machine that it was asked at is gone"}, nil
	}
	if err != nil {
		return verdict{}, fmt.Errorf("machine: %w", err)
	}
	if asker.StandingAt(e.Now()) != identity.Good {
		return verdict{refused: fmt.Sprintf("the account %s may not be used now", asker.Name)}, nil
	}
	ask := new(v1.AskRequest)
	if err := proto.Unmarshal(r.Ask, ask); err != nil {
		return verdict{}, fmt.Errorf("request %s: %w", r.ID, err)
	}
	kind, s, err := e.resolve(tx, asker, from, ask)
	var no *connect.Error
	switch {
	case errors.As(err, &no):
		return verdict{refused: no.Message()}, nil
	case err != nil:
		return verdict{}, err
	case !bytes.Equal(s.Detail, r.Detail):
		return verdict{refused: "names in it mean something else now than when it was asked for: ask anew"}, nil
	}
	return judge(tx, kind.Name(), asker, s.Parts)
}

// parse reads the id of a request.
func parse(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil || id.String() != text {
		return uuid.Nil, invalid("%q is not the id of a request", identity.Printable(realm.Clip(text)))
	}
	return id, nil
}

var errNoSuch = connect.NewError(connect.CodeNotFound,
	errors.New("there is no such request for you: it is another machine's or another person's, or it is long over"))

// find finds a request as it is now; errNoSuch where there is none, or ok says no.
func (e *Engine) find(tx *store.Tx, id uuid.UUID, ok func(store.Request) bool) (store.Request, error) {
	r, err := tx.Request(id)
	if errors.Is(err, identity.ErrNotFound) || err == nil && !ok(r) {
		return store.Request{}, errNoSuch
	}
	if err != nil {
		return store.Request{}, fmt.Errorf("request: %w", err)
	}
	return at(r, e.Now()), nil
}

// record writes a row of the audit log.
func (e *Engine) record(tx *store.Tx, actor, action string, who identity.Name, r store.Request, more string) error {
	detail := fmt.Sprintf("request=%s kind=%s account=%s machine=%s subject=%q state=%s rules=%q", r.ID, r.Kind, r.AccountName, r.MachineName, r.Subject, r.State, strings.Join(r.Rules, " "))
	if more != "" {
		detail += " " + more
	}
	return tx.Record(store.Entry{Time: e.Now(), Actor: actor, Action: action, Subject: string(who), Detail: detail})
}

func actorOf(m store.Machine) string { return "machine " + string(m.Name) }

// spend takes a row of the machine's share of the audit log.
func (e *Engine) spend(m store.Machine) error {
	if e.Rows.Note(m.UUID, actorOf(m), realm.RowRequest, e.Now()) {
		return nil
	}
	return connect.NewError(connect.CodeResourceExhausted, errors.New("this machine has sent too many requests within a minute: try again in a minute"))
}

// write runs f in a transaction, and wakes those who wait where it says so.
func (e *Engine) write(ctx context.Context, doing string, f func(tx *store.Tx) (wake bool, err error)) error {
	var wake bool
	err := e.Store.Write(ctx, func(tx *store.Tx) (err error) {
		if wake, err = f(tx); err != nil || !wake {
			return err
		}
		return tx.Announce()
	})
	if err != nil {
		return e.Fault(ctx, doing, err)
	}
	if wake {
		e.Changed.Notify()
	}
	return nil
}
