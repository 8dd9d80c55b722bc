package verification

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/partner/trust"
	"github.com/sallyport-auth/sallyport/server/store"
)

// latest is how old what is told late may be.
const latest = 31 * 24 * time.Hour

var errNoOwn = connect.NewError(connect.CodeNotFound, errors.New("this machine knows no such account"))

// NoteVerification implements VerifyService.
func (s *Service) NoteVerification(ctx context.Context, req *v1.NoteVerificationRequest) (*v1.NoteVerificationResponse, error) {
	m, err := s.Machine(ctx)
	if err != nil {
		return nil, err
	}
	raw := req.GetId()
	if req.GetMade() != nil { // what comes late has its id elsewhere: a server of before finds none
		raw = req.GetLateId()
	}
	id, err := uuid.FromBytes(raw)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("id: %w", err))
	}
	action, err := noted(req)
	if err != nil {
		return nil, err
	}
	late, err := s.late(req)
	if err != nil {
		return nil, err
	}
	err = s.Store.Write(ctx, func(tx *store.Tx) error {
		own, with, err := s.pair(tx, m, req, id, late != "")
		if err != nil {
			return err
		}
		return s.record(tx, m, action, own, "with="+with+late)
	})
	if err != nil {
		return nil, s.Fault(ctx, "note a verification", err)
	}
	return &v1.NoteVerificationResponse{}, nil
}

// noted is what the audit log calls it.
func noted(req *v1.NoteVerificationRequest) (action string, err error) {
	switch e := req.GetEvent(); {
	case e == v1.VerifyEvent_VERIFY_EVENT_BEGUN:
		return "verify.begin", nil
	case e == v1.VerifyEvent_VERIFY_EVENT_CONFIRMED, e == v1.VerifyEvent_VERIFY_EVENT_UNSPECIFIED && req.GetConfirmed():
		return "verify.confirm", nil
	case e == v1.VerifyEvent_VERIFY_EVENT_FAILED, e == v1.VerifyEvent_VERIFY_EVENT_UNSPECIFIED:
		return "verify.fail", nil
	default:
		return "", connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("this server knows no event %d", e))
	}
}

// late is what a row says that comes later than what it is about; "" for now. The time is the
// machine's word.
func (s *Service) late(req *v1.NoteVerificationRequest) (detail string, err error) {
	if req.GetMade() == nil {
		return "", nil
	}
	at, now := req.GetMade().AsTime(), s.Now()
	if at.After(now.Add(trust.ClockSkew)) || now.Sub(at) > latest {
		return "", connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("what was at %s is not written down now: it is in the future, or more than 31 days ago", at.UTC().Format(time.RFC3339)))
	}
	return " at=" + at.UTC().Format(time.RFC3339) + " told-late", nil
}

// pair are the account of the machine, and how the audit log names the other one. What is about
// now takes an account with a key, and somebody of this realm who can be verified. What comes late
// takes the account alone: the other may be gone meanwhile, as somebody of a partner may be at any
// time, and is named by the uuid then.
func (s *Service) pair(tx *store.Tx, m store.Machine, req *v1.NoteVerificationRequest, id uuid.UUID, late bool) (own identity.Name, with string, err error) {
	p, err := s.whoNotes(tx, m, req.GetAccount(), late)
	if err != nil {
		return "", "", err
	}
	switch {
	case !s.isOwn(req.GetRealm()):
		with, err = s.withPartner(tx, req.GetRealm(), id, late)
	case late:
		var a store.Account
		if a, err = tx.AccountBy(store.ByUUID(id)); errors.Is(err, identity.ErrNotFound) {
			return p.Name, id.String() + "@" + s.Name, nil
		}
		with = string(a.Name)
	default:
		var other *v1.VerifyPerson
		other, err = s.other(tx, p, store.ByUUID(id))
		with = other.GetName()
	}
	return p.Name, with, err
}

// whoNotes is the account of the machine; for what comes late it need have no key any more.
func (s *Service) whoNotes(tx *store.Tx, m store.Machine, account string, late bool) (p party, err error) {
	if !late {
		return s.own(tx, m, account)
	}
	name, err := identity.ParseName(account)
	if err != nil {
		return p, connect.NewError(connect.CodeInvalidArgument, err)
	}
	p.Account, err = tx.AccountFor(m.UUID, name)
	if errors.Is(err, identity.ErrNotFound) {
		err = errNoOwn
	}
	return p, err
}

// withPartner names somebody of a partner. A realm that is none any more is taken at the machine's
// word for what comes late.
func (s *Service) withPartner(tx *store.Tx, name string, id uuid.UUID, late bool) (with string, err error) {
	of, _, err := s.partnerOf(tx, name)
	if err != nil {
		if _, bad := identity.ParseName("x@" + name); bad != nil || !late {
			return "", err
		}
		return id.String() + "@" + name, nil
	}
	person, err := tx.PartnerPerson(of.ID, store.ByUUID(id))
	if errors.Is(err, identity.ErrNotFound) {
		return id.String() + "@" + of.Realm, nil
	}
	return string(person.Name) + "@" + of.Realm, err
}
