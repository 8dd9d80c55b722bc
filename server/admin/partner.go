package admin

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/partner/trust"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// partnered notes what an administrator did about a partner.
func (s *Admin) partnered(ctx context.Context, action, detail string) func(*store.Tx, store.Partner) error {
	return func(tx *store.Tx, p store.Partner) error {
		return tx.Record(store.Entry{Time: s.Now(), Actor: actor(ctx), Action: action, Subject: p.Realm, Detail: detail})
	}
}

// AddPartner implements AdminService.
func (s *Admin) AddPartner(ctx context.Context, req *v1.AddPartnerRequest) (*v1.AddPartnerResponse, error) {
	detail := fmt.Sprintf("servers=%s fingerprint=%s looks_alike=%t", strings.Join(req.GetUrls(), ","), req.GetFingerprint(), req.GetLooksAlike())
	want := trust.Wanted{Realm: req.GetRealm(), URLs: req.GetUrls(), Fingerprint: req.GetFingerprint(), LooksAlike: req.GetLooksAlike()}
	p, err := trust.Add(ctx, s.Realm, want, s.partnered(ctx, "partner.add", realm.Clip(detail)))
	if err != nil {
		return nil, s.told(ctx, "partner.add", req.GetRealm(), err)
	}
	resp := &v1.AddPartnerResponse{OwnRealm: s.Name, OwnUrl: s.Settings.URL}
	err = s.read(ctx, "partner.add", p.Realm, func(tx *store.Tx) error {
		keys, err := s.KeysView(tx)
		if err != nil {
			return err
		}
		resp.OwnFingerprint = keys.GetFingerprint()
		resp.Partner, err = s.partner(tx, p.Realm)
		return err
	})
	return resp, err
}

// ListPartners implements AdminService.
func (s *Admin) ListPartners(ctx context.Context, _ *v1.ListRequest) (*v1.ListPartnersResponse, error) {
	resp := &v1.ListPartnersResponse{}
	err := s.read(ctx, "list", "partners", func(tx *store.Tx) error {
		list, err := tx.Partners()
		for _, p := range list {
			v, err := s.partnerView(tx, list, p)
			if err != nil {
				return err
			}
			resp.Partners = append(resp.Partners, v)
		}
		return err
	})
	return resp, err
}

// ShowPartner implements AdminService.
func (s *Admin) ShowPartner(ctx context.Context, req *v1.NameRequest) (v *v1.PartnerView, err error) {
	err = s.read(ctx, "show partner", req.GetName(), func(tx *store.Tx) error {
		v, err = s.partner(tx, req.GetName())
		return err
	})
	return v, err
}

// ConfirmPartner implements AdminService.
func (s *Admin) ConfirmPartner(ctx context.Context, req *v1.ConfirmPartnerRequest) (v *v1.PartnerView, err error) {
	note := s.partnered(ctx, "partner.confirm", realm.Clip("fingerprint="+req.GetFingerprint()))
	if _, err := trust.Confirm(ctx, s.Realm, req.GetRealm(), req.GetFingerprint(), note); err != nil {
		return nil, s.told(ctx, "partner.confirm", req.GetRealm(), err)
	}
	return s.ShowPartner(ctx, &v1.NameRequest{Name: req.GetRealm()})
}

// RemovePartner implements AdminService.
func (s *Admin) RemovePartner(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	return s.done(ctx, "partner.remove", req.GetName(), "", func(tx *store.Tx) error { return tx.RemovePartner(req.GetName()) })
}

func (s *Admin) partner(tx *store.Tx, name string) (*v1.PartnerView, error) {
	p, err := tx.Partner(name)
	if err != nil {
		return nil, err
	}
	list, err := tx.Partners()
	if err != nil {
		return nil, err
	}
	return s.partnerView(tx, list, p)
}

func (s *Admin) partnerView(tx *store.Tx, all []store.Partner, p store.Partner) (*v1.PartnerView, error) {
	v := &v1.PartnerView{
		Realm: p.Realm, Urls: p.URLs, RealmKey: hex.EncodeToString(p.Root), Organisation: p.Organisation, Added: timestamppb.New(p.Added),
		Tried: maybeTime(p.Tried), Reached: maybeTime(p.Reached), Fault: p.Fault,
		LooksLike: trust.LooksLike(s.Realm, all, p.Realm, p.URLs), State: "trusts this realm",
	}
	if err := trust.Usable(p, s.Name, s.Now()); err != nil {
		v.State = err.Error()
	}
	people, err := tx.PartnerPeople(p.ID)
	if err != nil {
		return nil, err
	}
	v.People = uint32(people) //nolint:gosec // at most partner.MaxPeople
	alarms, err := tx.PartnerAlarms(p.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range alarms {
		v.Alarms = append(v.Alarms, &v1.PartnerAlarm{Kind: a.Kind, Text: a.Text, Since: timestamppb.New(a.Since), Confirm: trust.Kind(a.Kind).Stays()})
	}
	return v, nil
}

// setOrganisation changes what the realm says of itself.
func setOrganisation(tx *store.Tx, text *string) error {
	if text == nil {
		return nil
	}
	if err := identity.CheckOrganisation(*text); err != nil {
		return fmt.Errorf("%w: %w", realm.ErrInput, err)
	}
	return tx.SetOrganisation(*text)
}
