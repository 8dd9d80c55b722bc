package verification

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Service implements VerifyService.
type Service struct{ *realm.Realm }

var _ sallyportv1connect.VerifyServiceHandler = (*Service)(nil)

// New is a realm's.
func New(r *realm.Realm) *Service { return &Service{r} }

var (
	errNobody = connect.NewError(connect.CodeNotFound,
		errors.New("nobody of that name can be verified: there is no such account, or it has not run \"sallyport verify --set-up\""))
	errNoKey      = connect.NewError(connect.CodeFailedPrecondition, errors.New("you have no key yet: run \"sallyport verify --set-up\" first"))
	errNone       = connect.NewError(connect.CodeNotFound, errors.New("there is no key to remove"))
	errOtherRealm = connect.NewError(connect.CodeFailedPrecondition, errors.New("people of other realms cannot be verified in this release"))
	errSelf       = connect.NewError(connect.CodeInvalidArgument, verify.ErrSelf)
	errBusy       = connect.NewError(connect.CodeResourceExhausted, errors.New("this machine has sent too many requests within a minute: try again in a minute"))
	errBusyHere   = connect.NewError(connect.CodeResourceExhausted, errors.New("you have sent too many requests within a minute: try again in a minute"))
)

// record writes a row of the audit log, of the machine's share; at the console each person has
// one.
func (s *Service) record(tx *store.Tx, m store.Machine, action string, who identity.Name, detail string) error {
	share, actor, busy := m.UUID, "machine "+string(m.Name), errBusy
	if m.UUID == store.ConsoleClient {
		share, actor, busy = uuid.NewSHA1(m.UUID, []byte(who)), consoleActor, errBusyHere
	}
	if !s.Rows.Note(share, actor, realm.RowVerification, s.Now()) {
		return busy
	}
	return tx.Record(store.Entry{Time: s.Now(), Actor: actor, Action: action, Subject: string(who), Detail: detail})
}

// SetVerifyKey implements VerifyService.
func (s *Service) SetVerifyKey(ctx context.Context, req *v1.SetVerifyKeyRequest) (*v1.SetVerifyKeyResponse, error) {
	m, err := s.Machine(ctx)
	if err != nil {
		return nil, err
	}
	public := req.GetPublicKey()
	if len(public) > 0 {
		if err := verify.CheckPublic(public); err != nil {
			return nil, connect.NewError(connect.CodeInvalidArgument, err)
		}
	}
	now := s.Now()
	err = s.Store.Write(ctx, func(tx *store.Tx) error {
		a, _, err := s.Person(tx, m, req.GetSessionToken(), identity.PurposeOfVerifyKey(public, req.GetPartners()))
		if err != nil {
			return err
		}
		if len(public) == 0 {
			if err := tx.RemoveVerifyKey(a.UUID); errors.Is(err, identity.ErrNotFound) {
				return errNone
			} else if err != nil {
				return fmt.Errorf("remove: %w", err)
			}
			return s.record(tx, m, "verify.remove", a.Name, "")
		}
		before, err := tx.VerifyKey(a.UUID)
		detail := fmt.Sprintf("fingerprint=%q", verify.Fingerprint(public))
		switch {
		case err == nil && bytes.Equal(before.Public, public):
			now = before.Made
			return nil // sent twice
		case err == nil:
			detail += replaces(before)
		case !errors.Is(err, identity.ErrNotFound):
			return fmt.Errorf("key before: %w", err)
		}
		if err := tx.SetVerifyKey(a.UUID, store.VerifyKey{Public: public, Made: now}); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		return s.record(tx, m, "verify.set", a.Name, detail)
	})
	if err != nil {
		return nil, s.Fault(ctx, "set a key to verify with", err)
	}
	return &v1.SetVerifyKeyResponse{Made: timestamppb.New(now)}, nil
}

// pair are the two, each in good standing and with a key. The one that asks is one of the
// machine's; the other need not be.
type pair struct{ own, other party }

type party struct {
	store.Account
	key store.VerifyKey
}

// opted is an account with its key; none where it has none or is not in good standing.
func (s *Service) opted(tx *store.Tx, a store.Account, err, none error) (party, error) {
	if errors.Is(err, identity.ErrNotFound) || err == nil && a.StandingAt(s.Now()) != identity.Good {
		return party{}, none
	}
	if err != nil {
		return party{}, fmt.Errorf("account: %w", err)
	}
	key, err := tx.VerifyKey(a.UUID)
	if errors.Is(err, identity.ErrNotFound) {
		return party{}, none
	}
	if err != nil {
		return party{}, fmt.Errorf("key: %w", err)
	}
	return party{a, key}, nil
}

func (s *Service) find(tx *store.Tx, m store.Machine, account string, other store.By) (p pair, err error) {
	name, err := identity.ParseName(account)
	if err != nil {
		return p, connect.NewError(connect.CodeInvalidArgument, err)
	}
	a, err := tx.AccountFor(m.UUID, name)
	if p.own, err = s.opted(tx, a, err, errNoKey); err != nil {
		return p, err
	}
	a, err = tx.AccountBy(other)
	if p.other, err = s.opted(tx, a, err, errNobody); err != nil {
		return p, err
	}
	if p.own.UUID == p.other.UUID {
		return p, errSelf
	}
	return p, nil
}

// FindVerifyPerson implements VerifyService.
func (s *Service) FindVerifyPerson(ctx context.Context, req *v1.FindVerifyPersonRequest) (*v1.FindVerifyPersonResponse, error) {
	m, err := s.Machine(ctx)
	if err != nil {
		return nil, err
	}
	return s.findPerson(ctx, m, req)
}

// findPerson is FindVerifyPerson for a machine, or for the console.
func (s *Service) findPerson(ctx context.Context, m store.Machine, req *v1.FindVerifyPersonRequest) (*v1.FindVerifyPersonResponse, error) {
	name, err := identity.ParseName(req.GetName())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if req.GetRealm() != "" && req.GetRealm() != s.Name {
		return nil, errOtherRealm
	}
	var p pair
	err = s.Store.Write(ctx, func(tx *store.Tx) (err error) {
		if p, err = s.find(tx, m, req.GetAccount(), store.ByName(name)); err != nil {
			return err
		}
		return s.record(tx, m, "verify.begin", p.own.Name, "with="+string(p.other.Name))
	})
	if err != nil {
		return nil, s.Fault(ctx, "find somebody to verify", err)
	}
	return &v1.FindVerifyPersonResponse{Person: view(p.other), Own: view(p.own)}, nil
}

func view(p party) *v1.VerifyPerson {
	return &v1.VerifyPerson{Id: p.UUID[:], Name: string(p.Name), FullName: p.FullName, PublicKey: p.key.Public, Made: timestamppb.New(p.key.Made), ServerHeld: p.key.Sealed != nil}
}

// NoteVerification implements VerifyService.
func (s *Service) NoteVerification(ctx context.Context, req *v1.NoteVerificationRequest) (*v1.NoteVerificationResponse, error) {
	m, err := s.Machine(ctx)
	if err != nil {
		return nil, err
	}
	id, err := uuid.FromBytes(req.GetId())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("id: %w", err))
	}
	err = s.Store.Write(ctx, func(tx *store.Tx) error {
		p, err := s.find(tx, m, req.GetAccount(), store.ByUUID(id))
		if err != nil {
			return err
		}
		action := map[bool]string{true: "verify.confirm", false: "verify.fail"}[req.GetConfirmed()]
		return s.record(tx, m, action, p.own.Name, "with="+string(p.other.Name))
	})
	if err != nil {
		return nil, s.Fault(ctx, "note a verification", err)
	}
	return &v1.NoteVerificationResponse{}, nil
}
