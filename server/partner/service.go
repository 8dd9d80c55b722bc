package partner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/partner/trust"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Service implements PartnerService.
type Service struct {
	*realm.Realm
	// What nobody has proved yet is counted by address, and what a partner has signed by its
	// realm.
	addresses, realms realm.Brake
}

var _ sallyportv1connect.PartnerServiceHandler = (*Service)(nil)

// New is a realm's.
func New(r *realm.Realm) *Service { return &Service{Realm: r} }

var (
	errNo   = connect.NewError(connect.CodeUnauthenticated, errors.New("not accepted"))
	errBusy = connect.NewError(connect.CodeResourceExhausted, errors.New("too many questions: ask again in a minute"))
)

// noPartner tells a realm that it is none.
func noPartner(own string) error {
	e := connect.NewError(connect.CodePermissionDenied, errors.New("the realm that asks is no partner of this one"))
	if d, err := connect.NewErrorDetail(&v1.NoPartner{Realm: own}); err == nil {
		e.AddDetail(d)
	}
	return e
}

// Pull implements PartnerService.
func (s *Service) Pull(ctx context.Context, req *v1.PullRequest) (*v1.PullResponse, error) {
	leave, ok := s.addresses.Enter(identity.OriginOfHost(realm.CallerOf(ctx).Host), time.Now())
	if !ok {
		return nil, errBusy
	}
	defer leave()
	q, err := s.question(ctx, req)
	if err != nil {
		return nil, s.Fault(ctx, "answer a partner", err)
	}
	done, ok := s.realms.Enter(identity.OriginOfHost(q.Realm), time.Now())
	if !ok {
		return nil, errBusy
	}
	defer done()
	resp := &v1.PullResponse{}
	err = s.Store.Read(ctx, func(tx *store.Tx) error {
		a, err := s.answer(tx, q)
		if err != nil {
			return err
		}
		signer, err := s.Signer(tx)
		if err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
		if resp.Answer, err = signer.SignPartnerAnswer(a); err != nil {
			return err //nolint:wrapcheck // likewise
		}
		resp.KeyBundle, _, err = s.KeyList(tx)
		return err //nolint:wrapcheck // likewise
	})
	if err != nil {
		return nil, s.Fault(ctx, "answer a partner", err)
	}
	return resp, nil
}

// question opens a partner's question. Who it is from is proved then.
func (s *Service) question(ctx context.Context, req *v1.PullRequest) (*identity.PartnerQuestion, error) {
	b, err := identity.DecodeKeyBundle(req.GetKeyBundle())
	if err != nil {
		return nil, errNo
	}
	claimed, err := identity.OpenKeyList(b.RealmKey, b.List)
	if err != nil {
		return nil, errNo
	}
	var p store.Partner
	err = s.Store.Read(ctx, func(tx *store.Tx) (err error) {
		p, err = tx.Partner(claimed.Realm)
		return err
	})
	stranger := errors.Is(err, identity.ErrNotFound)
	if err != nil && !stranger {
		return nil, err
	}
	list := claimed
	if !stranger {
		if _, list, err = b.Follow(p.Root); err != nil || list.Realm != p.Realm || list.Version < p.Version {
			return nil, errNo
		}
	}
	ring, err := list.Keyring()
	if err != nil {
		return nil, errNo
	}
	q, err := ring.PartnerQuestion(req.GetQuestion())
	if err != nil || q.Audience != s.Name || !near(s.Now(), q.Time) {
		return nil, errNo
	}
	if stranger {
		return nil, noPartner(s.Name)
	}
	if p.Refused { // it trusts this realm by now, or it would not ask
		err = s.Store.Write(ctx, func(tx *store.Tx) error { return tx.AskPartnerNow(p.ID) })
	}
	return q, err
}

// near tells whether a time of another realm is not too far away.
func near(now time.Time, unix int64) bool {
	return now.Sub(time.Unix(unix, 0)).Abs() <= trust.ClockSkew
}

// answer tells what a partner does not know yet.
func (s *Service) answer(tx *store.Tx, q *identity.PartnerQuestion) (*identity.PartnerAnswer, error) {
	h, err := tx.History()
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	a := &identity.PartnerAnswer{Realm: s.Name, Audience: q.Realm, Nonce: q.Nonce, Time: s.Now().Unix(), History: h.ID}
	if a.Organisation, err = tx.Organisation(); err != nil {
		return nil, fmt.Errorf("organisation: %w", err)
	}
	from, err := goesOn(tx, q)
	if err != nil {
		return nil, err
	}
	a.Full = !from
	after := q.Position
	if a.Full {
		after = 0
	}
	list, err := tx.ToldAfter(after, identity.MaxPartnerPeople+1)
	if err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	if a.Position, err = tx.Position(); err != nil {
		return nil, fmt.Errorf("position: %w", err)
	}
	if a.More = len(list) > identity.MaxPartnerPeople; a.More {
		list = list[:identity.MaxPartnerPeople]
		a.Position = list[len(list)-1].Revision
	}
	for _, c := range list {
		switch {
		case c.Person != nil:
			a.People = append(a.People, *c.Person)
		case !a.Full:
			a.Gone = append(a.Gone, c.ID)
		}
	}
	return a, nil
}

// goesOn tells whether what the partner knows can be gone on from. A list that is not at its end
// begins below what the change log still knows in full: whoever was told of in it, and is gone
// since, is in the log behind that.
func goesOn(tx *store.Tx, q *identity.PartnerQuestion) (bool, error) {
	if q.History == uuid.Nil {
		return false, nil
	}
	var ok bool
	var err error
	if q.Listing {
		ok, err = tx.Knows(q.History, q.Position)
	} else {
		ok, err = tx.TellsFrom(q.History, q.Position)
	}
	if err != nil {
		return false, fmt.Errorf("change log: %w", err)
	}
	return ok, nil
}
