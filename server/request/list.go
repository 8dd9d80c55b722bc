package request

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of answers.
const (
	maxListed = 256
	maxWait   = 25 * time.Second
)

// View is a request as people see it at that moment.
func View(r store.Request, now time.Time) *v1.RequestView {
	r = at(r, now)
	v := &v1.RequestView{
		Id: r.ID.String(), Kind: r.Kind, State: string(r.State), Account: string(r.AccountName), Machine: string(r.MachineName),
		Origin: r.Origin, Reason: r.Reason, Subject: r.Subject, Role: r.Role, Asked: timestamppb.New(r.Asked), Rules: r.Rules, Why: r.Why,
	}
	if open(r.State) {
		v.Until = timestamppb.New(r.Until)
	}
	if r.State == store.RequestAsked {
		v.Demand = &v1.ProofDemand{
			MaxAgeSeconds: uint32(r.MaxAge / time.Second), //nolint:gosec // at most 8 hours
			Kinds:         realm.Words(r.Demand.Kinds), Points: uint32(r.Demand.Points),
		}
	}
	for _, n := range r.Needs {
		v.Needs = append(v.Needs, &v1.ApprovalNeed{Group: string(n.Name), Count: uint32(n.Count)})
	}
	for _, d := range r.Decisions {
		v.Decisions = append(v.Decisions, &v1.Decision{Account: string(d.Name), Approved: d.Approved, Reason: d.Reason, At: timestamppb.New(time.Unix(d.At, 0))})
	}
	return v
}

// MayBeUsed tells whether a request stands for a grant that is open.
func MayBeUsed(v *v1.RequestView) bool {
	return v.GetState() == string(store.RequestGranted) || v.GetState() == string(store.RequestUsed)
}

// View is a request as people see it now.
func (e *Engine) View(r store.Request) *v1.RequestView { return View(r, e.Now()) }

// GetRequest implements RequestService.
func (e *Engine) GetRequest(ctx context.Context, req *v1.GetRequestRequest) (*v1.GetRequestResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	id, err := parse(req.GetId())
	if err != nil {
		return nil, err
	}
	wait := time.NewTimer(min(time.Duration(req.GetWaitSeconds())*time.Second, maxWait))
	defer wait.Stop()
	for last := false; ; {
		news := e.Changed.Next()
		var r store.Request
		err := e.Store.Read(ctx, func(tx *store.Tx) (err error) {
			r, err = e.find(tx, id, func(r store.Request) bool { return r.Machine == m.UUID })
			return err
		})
		if err != nil {
			return nil, e.Fault(ctx, "get request", err)
		}
		if last || string(r.State) != req.GetState() || req.GetWaitSeconds() == 0 {
			return &v1.GetRequestResponse{Request: View(r, e.Now())}, nil
		}
		over := time.NewTimer(max(r.Until.Sub(e.Now()), time.Second))
		select {
		case <-news:
		case <-over.C:
		case <-wait.C:
			last = true
		case <-e.ending:
			last = true
		case <-ctx.Done():
			last = true
		}
		over.Stop()
	}
}

// ListRequests implements RequestService.
func (e *Engine) ListRequests(ctx context.Context, req *v1.ListRequestsRequest) (*v1.ListRequestsResponse, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	resp := &v1.ListRequestsResponse{}
	err = e.Store.Read(ctx, func(tx *store.Tx) error {
		a, _, err := e.Person(tx, m, req.GetSessionToken(), "")
		if err != nil {
			return err
		}
		own, err := tx.RequestsOf(a.UUID, maxListed)
		if err != nil {
			return fmt.Errorf("own: %w", err)
		}
		others, err := tx.RequestsFor(a.UUID, e.Now(), maxListed)
		if err != nil {
			return fmt.Errorf("others: %w", err)
		}
		for _, r := range own {
			resp.Own = append(resp.Own, View(r, e.Now()))
		}
		for _, r := range others {
			v := View(r, e.Now())
			v.Yours = !decided(r, a.UUID)
			resp.Others = append(resp.Others, v)
		}
		return nil
	})
	if err != nil {
		return nil, e.Fault(ctx, "list requests", err)
	}
	return resp, nil
}

func decided(r store.Request, account uuid.UUID) bool {
	return slices.ContainsFunc(r.Decisions, func(d store.RequestDecision) bool { return d.Account == account })
}
