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
	errNoKey    = connect.NewError(connect.CodeFailedPrecondition, errors.New("you have no key yet: run \"sallyport verify --set-up\" first"))
	errNone     = connect.NewError(connect.CodeNotFound, errors.New("there is no key to remove"))
	errSelf     = connect.NewError(connect.CodeInvalidArgument, verify.ErrSelf)
	errBusy     = connect.NewError(connect.CodeResourceExhausted, errors.New("this machine has sent too many requests within a minute: try again in a minute"))
	errBusyHere = connect.NewError(connect.CodeResourceExhausted, errors.New("you have sent too many requests within a minute: try again in a minute"))
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
	key := store.VerifyKey{Public: req.GetPublicKey(), Made: s.Now(), Partners: req.GetPartners()}
	if len(key.Public) > 0 {
		if err := verify.CheckPublic(key.Public); err != nil {
			return nil, connect.NewError(connect.CodeInvalidArgument, err)
		}
	}
	err = s.Write(ctx, func(tx *store.Tx) error {
		a, _, err := s.Person(tx, m, req.GetSessionToken(), identity.PurposeOfVerifyKey(key.Public, key.Partners))
		if err != nil {
			return err
		}
		if len(key.Public) == 0 {
			if err := tx.RemoveVerifyKey(a.UUID); errors.Is(err, identity.ErrNotFound) {
				return errNone
			} else if err != nil {
				return fmt.Errorf("remove: %w", err)
			}
			return s.record(tx, m, "verify.remove", a.Name, "")
		}
		before, err := tx.VerifyKey(a.UUID)
		if err != nil && !errors.Is(err, identity.ErrNotFound) {
			return fmt.Errorf("key before: %w", err)
		}
		detail := replacing(before, &key)
		if detail == "" {
			return nil // sent twice
		}
		if err := tx.SetVerifyKey(a.UUID, key); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		return s.record(tx, m, "verify.set", a.Name, detail)
	})
	if err != nil {
		return nil, s.Fault(ctx, "set a key to verify with", err)
	}
	return &v1.SetVerifyKeyResponse{Made: timestamppb.New(key.Made)}, nil
}

// replacing says what is new about a key, for the audit log; "" where nothing is. The same key
// stays as old as it is.
func replacing(before store.VerifyKey, key *store.VerifyKey) string {
	detail := fmt.Sprintf("fingerprint=%q", verify.Fingerprint(key.Public))
	switch {
	case bytes.Equal(before.Public, key.Public):
		if key.Made = before.Made; key.Partners == before.Partners {
			return ""
		}
	case len(before.Public) > 0:
		detail += replaces(before)
	}
	if key.Partners || before.Partners {
		detail += fmt.Sprintf(" partners=%t", key.Partners)
	}
	return detail
}

// party is one of the two, with what is told of them.
type party struct {
	store.Account
	key  store.VerifyKey
	view *v1.VerifyPerson
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
	p := party{Account: a, key: key, view: &v1.VerifyPerson{
		Id: a.UUID[:], Name: string(a.Name), FullName: a.FullName, PublicKey: key.Public, Made: timestamppb.New(key.Made), Realm: s.Name, Domain: s.domain(), Partners: key.Partners,
		ServerHeld: key.Sealed != nil,
	}}
	if p.view.Organisation, err = tx.Organisation(); err != nil {
		return party{}, fmt.Errorf("organisation: %w", err)
	}
	return p, nil
}

// own is the account of the machine that asks.
func (s *Service) own(tx *store.Tx, m store.Machine, account string) (party, error) {
	name, err := identity.ParseName(account)
	if err != nil {
		return party{}, connect.NewError(connect.CodeInvalidArgument, err)
	}
	a, err := tx.AccountFor(m.UUID, name)
	return s.opted(tx, a, err, errNoKey)
}

// other is somebody else of this realm. The machine need not know them.
func (s *Service) other(tx *store.Tx, own party, by store.By) (*v1.VerifyPerson, error) {
	a, err := tx.AccountBy(by)
	p, err := s.opted(tx, a, err, errNobody)
	if err != nil {
		return nil, err
	}
	if p.UUID == own.UUID {
		return nil, errSelf
	}
	return p.view, nil
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
	resp := &v1.FindVerifyPersonResponse{}
	err = s.Store.Write(ctx, func(tx *store.Tx) error {
		own, err := s.own(tx, m, req.GetAccount())
		if err != nil {
			return err
		}
		resp.Own = own.view
		with := string(name)
		if s.isOwn(req.GetRealm()) {
			resp.Person, err = s.other(tx, own, store.ByName(name))
		} else {
			with += "@" + realm.Clip(req.GetRealm())
			resp.Person, err = s.ofPartner(tx, own, req.GetRealm(), name)
		}
		if err != nil {
			return err
		}
		return s.record(tx, m, "verify.begin", own.Name, "with="+with)
	})
	if err != nil {
		return nil, s.Fault(ctx, "find somebody to verify", err)
	}
	return resp, nil
}

// isOwn tells whether that is this realm; it is where none is named.
func (s *Service) isOwn(name string) bool {
	return name == "" || identity.FoldName(name) == identity.FoldName(s.Name)
}
