package request

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// keepFinal is for how long requests are kept that are over.
const keepFinal = 90 * 24 * time.Hour

// Use uses a grant: for the machine that it was asked at, and by the account that asked, by
// its session token. Everything is judged again. f is run in the transaction that notes the
// use; life is for how long at most what f makes may count. An error, of f as well, uses
// nothing.
func (e *Engine) Use(ctx context.Context, m store.Machine, id string, sessionToken []byte,
	f func(tx *store.Tx, r store.Request, s *identity.SessionToken, life time.Duration) error,
) (store.Request, error) {
	of, err := parse(id)
	if err != nil {
		return store.Request{}, err
	}
	var r store.Request
	err = e.write(ctx, "use", func(tx *store.Tx) (bool, error) {
		a, s, err := e.Person(tx, m, sessionToken, "")
		if err != nil {
			return false, err
		}
		r, err = e.find(tx, of, func(r store.Request) bool { return r.Account == a.UUID && r.Machine == m.UUID })
		if err != nil {
			return false, err
		}
		if !granted(r.State) {
			return false, refusal("the request is %s, not granted", r.State)
		}
		if err := e.spend(m); err != nil {
			return false, err
		}
		v, err := e.again(tx, r)
		if err != nil {
			return false, err
		}
		if err := e.mayUse(tx, r, v, proofOf(s, e.Now())); err != nil {
			return false, err
		}
		v.onto(&r)
		happens(&r, uses, e.Now(), "")
		if err := tx.SetRequest(r); err != nil {
			return false, fmt.Errorf("store: %w", err)
		}
		if err := e.record(tx, actorOf(m), "request.use", a.Name, r, ""); err != nil {
			return false, err
		}
		return false, f(tx, r, s, min(v.useLife, r.Until.Sub(e.Now())))
	})
	if err != nil {
		return store.Request{}, e.refusedUse(ctx, m, r, err)
	}
	return r, nil
}

// mayUse refuses what the rules would not grant now. The session must be as fresh as rules
// say, or at least as the one that the request was granted by; and as strong.
func (e *Engine) mayUse(tx *store.Tx, r store.Request, v verdict, p proof) error {
	if p.authenticated >= r.Authenticated {
		p.shown = p.authenticated
	}
	what, err := v.comesTo(tx, p, r, e.Now())
	if err != nil {
		return err
	}
	switch what {
	case grants:
		return nil
	case refuses:
		return refusal("the grant cannot be used any more: %s", v.refused)
	case asksProof:
		return refusal("the grant takes a fresher or stronger proof of who is there: ask again")
	default:
		return refusal("the grant takes approvals that it does not have any more: ask again")
	}
}

// refusedUse writes down that a use was refused.
func (e *Engine) refusedUse(ctx context.Context, m store.Machine, r store.Request, err error) error {
	var no *connect.Error
	if r.Subject == "" || !errors.As(err, &no) || no.Code() != connect.CodeFailedPrecondition {
		return err
	}
	if !e.Rows.Note(m.UUID, actorOf(m), realm.RowDenial, e.Now()) {
		return err
	}
	if fault := e.Store.Write(ctx, func(tx *store.Tx) error {
		return e.record(tx, actorOf(m), "request.refuse", r.AccountName, r, fmt.Sprintf("why=%q", no.Message()))
	}); fault != nil {
		return e.Fault(ctx, "use", fault)
	}
	return err
}

// tidyAtOnce bounds the requests of one transaction.
const tidyAtOnce = 500

// Tidy writes down what is over by time, and forgets what has long been.
// A server that only reads leaves that to others.
func (e *Engine) Tidy(ctx context.Context) error {
	if e.Reads() != nil {
		return nil
	}
	var some bool
	err := e.Store.Read(ctx, func(tx *store.Tx) error {
		list, err := tx.OverdueRequests(e.Now(), 1)
		if some = len(list) > 0; some || err != nil {
			return err
		}
		some, err = tx.HasOldRequests(e.Now().Add(-keepFinal))
		return err
	})
	if err != nil || !some {
		return err
	}
	return e.Store.Write(ctx, func(tx *store.Tx) error {
		list, err := tx.OverdueRequests(e.Now(), tidyAtOnce)
		if err != nil {
			return err
		}
		for _, r := range list {
			over := r.Until
			if !happens(&r, timeOver, over, "") {
				continue
			}
			r.Why = overdue(r.State)
			if err := tx.SetRequest(r); err != nil {
				return err
			}
			action := map[bool]string{true: "request.end", false: "request.expire"}[r.State == store.RequestEnded]
			if err := e.record(tx, "server", action, r.AccountName, r, ""); err != nil {
				return err
			}
		}
		return tx.ForgetRequests(e.Now().Add(-keepFinal))
	})
}
