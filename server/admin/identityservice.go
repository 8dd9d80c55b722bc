package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/identityservice/settings"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// inviteLife is for how long somebody may register.
const inviteLife = 24 * time.Hour

// ShowIdentityService implements AdminService.
func (s *Admin) ShowIdentityService(ctx context.Context, _ *v1.ListRequest) (v *v1.IdentityServiceView, err error) {
	err = s.read(ctx, "show", "the identity service", func(tx *store.Tx) error {
		set, err := settings.Read(tx)
		v = identityServiceView(set)
		return err
	})
	return v, err
}

func identityServiceView(set store.IdentityService) *v1.IdentityServiceView {
	return &v1.IdentityServiceView{Enabled: set.Enabled, IdleDays: set.IdleDays, MostDays: set.MostDays, WalletChain: set.WalletChain}
}

// SetIdentityService implements AdminService.
func (s *Admin) SetIdentityService(ctx context.Context, req *v1.SetIdentityServiceRequest) (v *v1.IdentityServiceView, err error) {
	c := settings.Change{Enabled: req.Enabled, IdleDays: req.IdleDays, MostDays: req.MostDays, WalletChain: req.WalletChain} //nolint:protogetter // absent and zero differ
	err = s.change(ctx, "identity.set", s.Name, req.String(), func(tx *store.Tx) error {
		set, err := settings.Set(tx, s.Realm, c)
		v = identityServiceView(set)
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// InviteIdentity implements AdminService.
func (s *Admin) InviteIdentity(ctx context.Context, req *v1.NameRequest) (*v1.InviteIdentityResponse, error) {
	code, until := realm.NewJoinCode(), s.Now().Add(inviteLife).Truncate(time.Second)
	err := s.change(ctx, "identity.invite", req.GetName(), "expires="+until.UTC().Format(time.RFC3339), func(tx *store.Tx) error {
		set, err := settings.Read(tx)
		if err != nil {
			return err
		}
		if !set.Enabled {
			return fmt.Errorf("%w: the identity service is off: \"sallyport-server identity set --enabled yes\" turns it on", realm.ErrInput)
		}
		a, err := tx.AccountByName(identity.Name(req.GetName()))
		if err != nil {
			return err
		}
		return tx.SetIdentityCode(a.UUID, realm.HashJoinCode(code), until)
	})
	if err != nil {
		return nil, err
	}
	return &v1.InviteIdentityResponse{Name: req.GetName(), Code: code, Expires: timestamppb.New(until)}, nil
}

// ListIdentityDevices implements AdminService.
func (s *Admin) ListIdentityDevices(ctx context.Context, req *v1.NameRequest) (resp *v1.ListIdentityDevicesResponse, err error) {
	err = s.read(ctx, "list the devices of", req.GetName(), func(tx *store.Tx) error {
		a, err := tx.AccountByName(identity.Name(req.GetName()))
		if err != nil {
			return err
		}
		resp, err = identityDevices(tx, a)
		return err
	})
	return resp, err
}

func identityDevices(tx *store.Tx, a store.Account) (*v1.ListIdentityDevicesResponse, error) {
	resp := &v1.ListIdentityDevicesResponse{}
	set, err := settings.Read(tx)
	if err != nil {
		return nil, err
	}
	r, err := tx.IdentityRecord(a.UUID)
	if err == nil {
		resp.Registered = timestamppb.New(r.Made)
	} else if !errors.Is(err, identity.ErrNotFound) {
		return nil, err
	}
	list, err := tx.IdentityTokens(a.UUID)
	for _, k := range list {
		resp.Devices = append(resp.Devices, &v1.IdentityDevice{
			Device: k.Device, AuthType: k.AuthType, Created: timestamppb.New(k.Created), Used: timestamppb.New(k.Used),
			Expires: timestamppb.New(settings.Expires(k, set)),
		})
	}
	return resp, err
}

// EndIdentityTokens implements AdminService.
func (s *Admin) EndIdentityTokens(ctx context.Context, req *v1.EndIdentityTokensRequest) (resp *v1.ListIdentityDevicesResponse, err error) {
	err = s.change(ctx, "identity.revoke", req.GetName(), "device="+realm.Clip(req.GetDevice()), func(tx *store.Tx) error {
		a, err := tx.AccountByName(identity.Name(req.GetName()))
		if err != nil {
			return err
		}
		list, err := tx.IdentityTokens(a.UUID)
		if err != nil {
			return err
		}
		ended := req.GetDevice() == ""
		for _, k := range list {
			if req.GetDevice() != "" && k.Device != req.GetDevice() {
				continue
			}
			ended = true
			if err := tx.RemoveIdentityToken(a.UUID, k.Device); err != nil {
				return err
			}
		}
		if !ended {
			return fmt.Errorf("%w: the device %q has no token; \"identity devices\" lists those that do", realm.ErrInput, req.GetDevice())
		}
		resp, err = identityDevices(tx, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// RemoveIdentity implements AdminService.
func (s *Admin) RemoveIdentity(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	err := s.change(ctx, "identity.remove", req.GetName(), "", func(tx *store.Tx) error {
		a, err := tx.AccountByName(identity.Name(req.GetName()))
		if err != nil {
			return err
		}
		return tx.RemoveIdentity(a.UUID)
	})
	if err != nil {
		return nil, err
	}
	return &v1.Done{}, nil
}
