package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Requests are what people asked for.
type Requests interface {
	// View is one as people see it now.
	View(r store.Request) *v1.RequestView
	// End takes one back, or ends its grant, and says why. One that is over stays as it is.
	End(tx *store.Tx, id uuid.UUID, why string) (store.Request, error)
}

// maxRequests is how many one answer holds.
const maxRequests = 1000

// How long a request may wait for approvals.
const (
	leastWait = 5 * time.Minute
	mostWait  = 24 * time.Hour
)

func setRequestWait(tx *store.Tx, said *uint32) error {
	if said == nil {
		return nil
	}
	wait := time.Duration(*said) * time.Second
	if wait < leastWait || wait > mostWait {
		return inputError("a request cannot wait %s for approvals: it can be %s to %s", wait, leastWait, mostWait)
	}
	return tx.SetRequestWait(wait)
}

// ListAllRequests implements AdminService.
func (s *Admin) ListAllRequests(ctx context.Context, req *v1.ListAllRequestsRequest) (*v1.ListAllRequestsResponse, error) {
	state := store.RequestState(req.GetState())
	if states := store.RequestStates(); state != "" && !slices.Contains(states, state) {
		return nil, s.told(ctx, "list", "requests", inputError("%q is no state of a request: there are %q", identity.Printable(req.GetState()), states))
	}
	resp := &v1.ListAllRequestsResponse{}
	err := s.read(ctx, "list", "requests", func(tx *store.Tx) error {
		list, err := tx.Requests(state, maxRequests+1)
		for _, r := range list {
			v := s.requests.View(r)
			if state != "" && v.GetState() != string(state) {
				continue // its time is over, which is not written down yet
			}
			if len(resp.Requests) == maxRequests {
				resp.More = true
				break
			}
			resp.Requests = append(resp.Requests, v)
		}
		return err
	})
	return resp, err
}

// ShowRequest implements AdminService.
func (s *Admin) ShowRequest(ctx context.Context, req *v1.RequestIDRequest) (*v1.RequestView, error) {
	var view *v1.RequestView
	err := s.read(ctx, "show request", identity.Printable(req.GetId()), func(tx *store.Tx) error {
		id, err := requestID(req.GetId())
		if err != nil {
			return err
		}
		r, err := tx.Request(id)
		if err == nil {
			view = s.requests.View(r)
		}
		return err
	})
	return view, err
}

// EndRequest implements AdminService.
func (s *Admin) EndRequest(ctx context.Context, req *v1.EndRequestRequest) (*v1.RequestView, error) {
	reason := identity.Printable(req.GetReason())
	if reason == "" {
		return nil, s.told(ctx, "end request", identity.Printable(req.GetId()), inputError("say why: those who asked read it"))
	}
	var view *v1.RequestView
	err := s.change(ctx, "request.end", identity.Printable(req.GetId()), fmt.Sprintf("reason=%q", reason), func(tx *store.Tx) error {
		id, err := requestID(req.GetId())
		if err != nil {
			return err
		}
		r, err := s.requests.End(tx, id, "An administrator ended it: "+reason)
		if err == nil {
			view = s.requests.View(r)
		}
		return err
	})
	return view, err
}

func requestID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, inputError("%q is not the id of a request", identity.Printable(text))
	}
	return id, nil
}
