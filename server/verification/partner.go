package verification

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/partner/trust"
	"github.com/sallyport-auth/sallyport/server/store"
)

var errNotTold = connect.NewError(connect.CodeFailedPrecondition,
	errors.New("people of other realms cannot see you, so they could not verify you: run \"sallyport verify --partners=true\" first"))

// domain is the host of this server, as machines reach it; "" where it was not said.
func (s *Service) domain() string { return trust.Host([]string{s.Settings.URL}) }

// partnerOf finds a partner by the name of its realm, whatever its case.
func (s *Service) partnerOf(tx *store.Tx, name string) (p store.Partner, all []store.Partner, err error) {
	if all, err = tx.Partners(); err != nil {
		return p, nil, fmt.Errorf("partners: %w", err)
	}
	at := slices.IndexFunc(all, func(o store.Partner) bool { return identity.FoldName(o.Realm) == identity.FoldName(name) })
	if at < 0 {
		return p, nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("%s is no partner of %s: its administrators make it one with \"sallyport-server partner add\"",
			identity.Printable(name), s.Name))
	}
	return all[at], all, nil
}

// ofPartner is somebody of a partner. Both of the two must be told to the other's realm, and what
// was told must be fresh.
func (s *Service) ofPartner(tx *store.Tx, own party, name string, who identity.Name) (*v1.VerifyPerson, error) {
	p, all, err := s.partnerOf(tx, name)
	if err != nil {
		return nil, err
	}
	if err := trust.Usable(p, s.Name, s.Now()); err != nil {
		return nil, connect.NewError(connect.CodeFailedPrecondition, err)
	}
	if !own.key.Partners {
		return nil, errNotTold
	}
	person, err := tx.PartnerPerson(p.ID, store.ByName(who))
	if errors.Is(err, identity.ErrNotFound) || err == nil && !person.ValidAt(s.Now()) {
		return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("nobody of that name of %s can be verified: there is no such account, or it has not run \"sallyport verify --set-up --partners\" (a new key is told within a few minutes)", p.Realm))
	}
	if err != nil {
		return nil, fmt.Errorf("person of a partner: %w", err)
	}
	return &v1.VerifyPerson{
		Id: person.ID[:], Name: string(person.Name), FullName: person.FullName, PublicKey: person.Public, Made: timestamppb.New(time.Unix(person.Made, 0)),
		Realm: p.Realm, Organisation: p.Organisation, Domain: trust.Host(p.URLs), Told: timestamppb.New(p.Reached), ServerHeld: person.ServerHeld,
		RealmLooksLike: trust.RealmsAlike(s.Name, all, p.Realm),
	}, nil
}
