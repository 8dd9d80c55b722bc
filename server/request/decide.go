package request

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Decide implements RequestService.
func (e *Engine) Decide(ctx context.Context, req *v1.DecideRequest) (*v1.DecideResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	id, err := parse(req.GetId())
	if err != nil {
		return nil, err
	}
	reason, err := line("reason", req.GetReason())
	if err != nil {
		return nil, err
	}
	if !req.GetApprove() && reason == "" {
		return nil, invalid("to deny takes a reason: those who asked read it")
	}
	var r store.Request
	err = e.write(ctx, "decide", func(tx *store.Tx) (news bool, err error) {
		a, _, err := e.Person(tx, m, req.GetSessionToken(), identity.PurposeOf(id, req.GetApprove()))
		if err != nil {
			return false, err
		}
		r, news, err = e.decide(tx, m, a, id, store.RequestDecision{
			Account: a.UUID, Name: a.Name, Approved: req.GetApprove(), Reason: reason, At: e.Now().Unix(),
		})
		return news, err
	})
	if err != nil {
		return nil, err
	}
	return &v1.DecideResponse{Request: View(r, e.Now())}, nil
}

// decide takes one account's decision, once, and tells whether it is new.
func (e *Engine) decide(tx *store.Tx, m store.Machine, a store.Account, id uuid.UUID, d store.RequestDecision) (r store.Request, news bool, err error) {
	r, err = e.find(tx, id, func(store.Request) bool { return true })
	if err != nil {
		return store.Request{}, false, err
	}
	if a.UUID == r.Account || slices.Contains(r.Parties, a.UUID) {
		return store.Request{}, false, refusal("the request is about %s itself: somebody else decides it", a.Name)
	}
	own := slices.IndexFunc(r.Decisions, func(o store.RequestDecision) bool { return o.Account == a.UUID })
	if own >= 0 && r.Decisions[own].Approved == d.Approved {
		return r, false, nil
	}
	v, err := e.again(tx, r)
	if err != nil {
		return store.Request{}, false, err
	}
	yes, err := e.decides(tx, a, r, append(slices.Clone(v.needs), r.Needs...))
	if err != nil {
		return store.Request{}, false, err
	}
	if !yes {
		return store.Request{}, false, errNoSuch
	}
	if r.State != store.RequestWaiting {
		return store.Request{}, false, refusal("the request does not wait for a decision: it is %s", r.State)
	}
	if err := e.spend(m); err != nil {
		return store.Request{}, false, err
	}
	if own >= 0 {
		r.Decisions = slices.Delete(r.Decisions, own, own+1)
	}
	r.Decisions = append(r.Decisions, d)
	action := map[bool]string{true: "request.approve", false: "request.deny"}[d.Approved]
	if d.Approved {
		if err := e.record(tx, actorOf(m), action, a.Name, r, fmt.Sprintf("reason=%q", d.Reason)); err != nil {
			return store.Request{}, false, err
		}
		err := e.settle(tx, m, &r, v)
		return r, true, err
	}
	happens(&r, denies, e.Now(), fmt.Sprintf("%s denied it: %s", a.Name, d.Reason))
	if err := tx.SetRequest(r); err != nil {
		return store.Request{}, false, fmt.Errorf("store: %w", err)
	}
	return r, true, e.record(tx, actorOf(m), action, a.Name, r, fmt.Sprintf("reason=%q", d.Reason))
}

// settle is what an approval comes to.
func (e *Engine) settle(tx *store.Tx, m store.Machine, r *store.Request, v verdict) error {
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
	switch r.State {
	case store.RequestGranted:
		return e.record(tx, actorOf(m), "request.grant", r.AccountName, *r, "")
	case store.RequestDenied:
		return e.record(tx, actorOf(m), "request.refuse", r.AccountName, *r, fmt.Sprintf("why=%q", r.Why))
	default:
		return nil
	}
}

// decides tells whether an account is in one of the groups that decide a request.
func (e *Engine) decides(tx *store.Tx, a store.Account, r store.Request, needs []store.RequestNeed) (bool, error) {
	for _, n := range needs {
		if yes, err := mayDecide(tx, n.Group, a.UUID, r, e.Now()); err != nil || yes {
			return yes, err
		}
	}
	return false, nil
}

// Withdraw implements RequestService.
func (e *Engine) Withdraw(ctx context.Context, req *v1.WithdrawRequest) (*v1.WithdrawResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	id, err := parse(req.GetId())
	if err != nil {
		return nil, err
	}
	reason, err := line("reason", req.GetReason())
	if err != nil {
		return nil, err
	}
	var r store.Request
	err = e.write(ctx, "withdraw", func(tx *store.Tx) (bool, error) {
		a, _, err := e.Person(tx, m, req.GetSessionToken(), "")
		if err != nil {
			return false, err
		}
		if r, err = e.find(tx, id, func(store.Request) bool { return true }); err != nil {
			return false, err
		}
		yes := a.UUID == r.Account
		if !yes {
			yes, err = e.decides(tx, a, r, r.Needs)
		}
		switch {
		case err != nil:
			return false, err
		case !yes:
			return false, errNoSuch
		case !open(r.State):
			return false, nil // it is over already
		}
		if err := e.spend(m); err != nil {
			return false, err
		}
		why := fmt.Sprintf("%s withdrew it", a.Name)
		if reason != "" {
			why += ": " + reason
		}
		if r, err = e.End(tx, r.ID, why+"."); err != nil {
			return false, err
		}
		action := map[bool]string{true: "request.end", false: "request.withdraw"}[r.State == store.RequestEnded]
		return true, e.record(tx, actorOf(m), action, a.Name, r, fmt.Sprintf("reason=%q", reason))
	})
	if err != nil {
		return nil, err
	}
	return &v1.WithdrawResponse{Request: View(r, e.Now())}, nil
}

// End takes a request back, or ends its grant, and says so in why. One that is over stays as
// it is. The caller writes it down.
func (e *Engine) End(tx *store.Tx, id uuid.UUID, why string) (store.Request, error) {
	r, err := e.find(tx, id, func(store.Request) bool { return true })
	if err != nil || !happens(&r, takesBack, e.Now(), why) {
		return r, err
	}
	if err := tx.SetRequest(r); err != nil {
		return store.Request{}, fmt.Errorf("store: %w", err)
	}
	return r, nil
}
