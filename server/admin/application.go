package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/application/settings"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// mostJobs are listed: the newest.
const mostJobs = 1000

// ShowApplications implements AdminService.
func (s *Admin) ShowApplications(ctx context.Context, _ *v1.ListRequest) (v *v1.ApplicationsView, err error) {
	err = s.read(ctx, "show", "applications", func(tx *store.Tx) error {
		set, err := settings.Read(tx)
		if err == nil {
			v, err = s.applicationsView(tx, set)
		}
		return err
	})
	return v, err
}

func (s *Admin) applicationsView(tx *store.Tx, set store.ApplicationService) (*v1.ApplicationsView, error) {
	v := &v1.ApplicationsView{Enabled: set.Enabled, SkewSeconds: set.SkewSeconds, ResultSeconds: set.ResultSeconds}
	if len(settings.Keys(set, s.Now())) > 1 {
		v.PreviousUntil = timestamppb.New(set.PreviousUntil)
	}
	groups, err := tx.Groups()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.UUID == set.SelfGroup {
			v.SelfRegistration = string(g.Name)
		}
	}
	if set.PublicKey == nil {
		return v, nil
	}
	k, err := settings.PublicKey(s.Realm, set)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	v.Fingerprint = k.Fingerprint()
	v.PublicKey, err = k.ArmoredPublic()
	return v, err //nolint:wrapcheck // likewise
}

// SetApplications implements AdminService.
func (s *Admin) SetApplications(ctx context.Context, req *v1.SetApplicationsRequest) (v *v1.ApplicationsView, err error) {
	c := settings.Change{Enabled: req.Enabled, SkewSeconds: req.SkewSeconds, ResultSeconds: req.ResultSeconds, SelfRegistration: req.SelfRegistration} //nolint:protogetter // absent and zero differ
	err = s.change(ctx, "application.set", s.Name, req.String(), func(tx *store.Tx) error {
		set, err := settings.Set(tx, s.Realm, c)
		if err == nil {
			v, err = s.applicationsView(tx, set)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// RotateApplicationKey implements AdminService.
func (s *Admin) RotateApplicationKey(ctx context.Context, req *v1.RotateApplicationKeyRequest) (v *v1.ApplicationsView, err error) {
	err = s.change(ctx, "application.rotate-key", s.Name, req.String(), func(tx *store.Tx) error {
		set, err := settings.Rotate(tx, s.Realm, req.GetKeepDays())
		if err == nil {
			v, err = s.applicationsView(tx, set)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// AddApplication implements AdminService.
func (s *Admin) AddApplication(ctx context.Context, req *v1.NameRequest) (resp *v1.AddApplicationResponse, err error) {
	err = s.change(ctx, "application.add", req.GetName(), "", func(tx *store.Tx) error {
		a, k, err := settings.Add(tx, s.Realm, req.GetName())
		if err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
		defer k.Wipe()
		resp = &v1.AddApplicationResponse{Application: applicationView(a)}
		if resp.PrivateKey, err = k.ArmoredPrivate(nil); err != nil {
			return err //nolint:wrapcheck // likewise
		}
		set, err := settings.Read(tx)
		if err != nil {
			return err //nolint:wrapcheck // likewise
		}
		public, err := settings.PublicKey(s.Realm, set)
		if err == nil {
			resp.RealmPublicKey, err = public.ArmoredPublic()
		}
		return err //nolint:wrapcheck // likewise
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func applicationView(a store.Application) *v1.ApplicationView {
	return &v1.ApplicationView{Name: a.Name, Fingerprint: a.Fingerprint, Disabled: a.Disabled, Instances: a.Instances, Created: timestamppb.New(a.Created)}
}

// ListApplications implements AdminService.
func (s *Admin) ListApplications(ctx context.Context, _ *v1.ListRequest) (*v1.ListApplicationsResponse, error) {
	resp := &v1.ListApplicationsResponse{}
	err := s.read(ctx, "list", "applications", func(tx *store.Tx) error {
		list, err := tx.Applications()
		for _, a := range list {
			resp.Applications = append(resp.Applications, applicationView(a))
		}
		return err
	})
	return resp, err
}

// done runs a change that has nothing to show.
func (s *Admin) done(ctx context.Context, action, subject, detail string, f func(*store.Tx) error) (*v1.Done, error) {
	if err := s.change(ctx, action, subject, detail, f); err != nil {
		return nil, err
	}
	return &v1.Done{}, nil
}

// SetApplicationState implements AdminService.
func (s *Admin) SetApplicationState(ctx context.Context, req *v1.SetApplicationStateRequest) (*v1.Done, error) {
	action := map[bool]string{true: "application.disable", false: "application.enable"}[req.GetDisabled()]
	return s.done(ctx, action, req.GetName(), "", func(tx *store.Tx) error { return tx.SetApplicationState(req.GetName(), req.GetDisabled()) })
}

// RemoveApplication implements AdminService.
func (s *Admin) RemoveApplication(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	return s.done(ctx, "application.remove", req.GetName(), "", func(tx *store.Tx) error { return tx.RemoveApplication(req.GetName()) })
}

// ListInstances implements AdminService.
func (s *Admin) ListInstances(ctx context.Context, req *v1.NameRequest) (*v1.ListInstancesResponse, error) {
	resp := &v1.ListInstancesResponse{}
	err := s.read(ctx, "list the instances of", req.GetName(), func(tx *store.Tx) error {
		list, err := tx.Instances(req.GetName())
		for _, i := range list {
			resp.Instances = append(resp.Instances, &v1.InstanceView{
				Fingerprint: i.Fingerprint, Application: i.Application.Name, Created: timestamppb.New(i.Created), Revoked: maybeTime(i.Revoked), People: i.People,
			})
		}
		return err
	})
	return resp, err
}

func maybeTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// RevokeInstance implements AdminService.
func (s *Admin) RevokeInstance(ctx context.Context, req *v1.FingerprintRequest) (*v1.Done, error) {
	f := strings.ToUpper(req.GetFingerprint())
	return s.done(ctx, "application.revoke", f, "", func(tx *store.Tx) error { return tx.RevokeInstance(f, s.Now()) })
}

// InvitePerson implements AdminService.
func (s *Admin) InvitePerson(ctx context.Context, req *v1.NameRequest) (*v1.InvitePersonResponse, error) {
	code, until := realm.NewJoinCode(), s.Now().Add(settings.InvitationLife).Truncate(time.Second)
	err := s.change(ctx, "application.invite", req.GetName(), "expires="+until.UTC().Format(time.RFC3339), func(tx *store.Tx) error {
		if _, err := settings.On(tx); err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
		a, err := named(tx, req.GetName())
		if err != nil {
			return err
		}
		return tx.SetApplicationInvitation(a.UUID, realm.HashJoinCode(code), until)
	})
	if err != nil {
		return nil, err
	}
	return &v1.InvitePersonResponse{Name: req.GetName(), Code: code, Expires: timestamppb.New(until)}, nil
}

// ListPersonKeys implements AdminService.
func (s *Admin) ListPersonKeys(ctx context.Context, req *v1.NameRequest) (*v1.ListPersonKeysResponse, error) {
	resp := &v1.ListPersonKeysResponse{}
	err := s.read(ctx, "list the keys of", req.GetName(), func(tx *store.Tx) error {
		list, err := tx.PersonKeys(req.GetName())
		for _, k := range list {
			resp.Keys = append(resp.Keys, &v1.PersonKeyView{
				Fingerprint: k.Fingerprint, Account: k.Name, Instance: k.Instance, Application: k.Application, Created: timestamppb.New(k.Created), Revoked: maybeTime(k.Revoked),
			})
		}
		return err
	})
	return resp, err
}

// RevokePersonKey implements AdminService.
func (s *Admin) RevokePersonKey(ctx context.Context, req *v1.FingerprintRequest) (*v1.Done, error) {
	f := strings.ToUpper(req.GetFingerprint())
	return s.done(ctx, "application.revoke-key", f, "", func(tx *store.Tx) error {
		n, err := tx.RevokePersonKey(f, s.Now())
		if err == nil && n == 0 {
			err = identity.ErrNotFound
		}
		return err
	})
}

// ListJobs implements AdminService.
func (s *Admin) ListJobs(ctx context.Context, _ *v1.ListRequest) (*v1.ListJobsResponse, error) {
	resp := &v1.ListJobsResponse{}
	err := s.read(ctx, "list", "jobs", func(tx *store.Tx) error {
		list, err := tx.Jobs(mostJobs)
		for _, j := range list {
			resp.Jobs = append(resp.Jobs, &v1.JobView{
				Id: j.UUID.String(), Account: j.Account, Application: j.Application, Instance: j.Instance,
				Operation: j.Operation, Resource: j.Resource, State: j.State, Time: timestamppb.New(j.Made),
			})
		}
		return err
	})
	return resp, err
}

// GrantResource implements AdminService.
func (s *Admin) GrantResource(ctx context.Context, req *v1.GrantResourceRequest) (resp *v1.ResourceGrant, err error) {
	err = s.change(ctx, "resource.grant", req.GetSpace(), "group="+realm.Clip(req.GetGroup())+" operations="+strings.Join(req.GetOperations(), ","), func(tx *store.Tx) error {
		letters, err := settings.Letters(req.GetOperations())
		if err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
		if !settings.IsWord(req.GetSpace()) {
			return fmt.Errorf("%w: a space is called by 1 to 64 small letters, digits, dots, dashes and underscores", realm.ErrInput)
		}
		g, err := tx.GroupByName(identity.Name(req.GetGroup()))
		if err != nil {
			return err
		}
		if g.Earned {
			return fmt.Errorf("%w: the group %s is earned by a login, and nobody logs in for a job; grant to another group", realm.ErrInput, g.Name)
		}
		resp = &v1.ResourceGrant{Space: req.GetSpace(), Group: string(g.Name), Operations: settings.Operations(letters)}
		return tx.SetResourceGrant(store.ResourceGrant{Space: req.GetSpace(), Group: g.UUID, Operations: letters})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// RevokeResource implements AdminService.
func (s *Admin) RevokeResource(ctx context.Context, req *v1.GrantResourceRequest) (*v1.Done, error) {
	return s.done(ctx, "resource.revoke", req.GetSpace(), "group="+realm.Clip(req.GetGroup()), func(tx *store.Tx) error {
		g, err := tx.GroupByName(identity.Name(req.GetGroup()))
		if err != nil {
			return err
		}
		return tx.RemoveResourceGrant(req.GetSpace(), g.UUID)
	})
}

// ListResourceGrants implements AdminService.
func (s *Admin) ListResourceGrants(ctx context.Context, _ *v1.ListRequest) (*v1.ListResourceGrantsResponse, error) {
	resp := &v1.ListResourceGrantsResponse{}
	err := s.read(ctx, "list", "grants", func(tx *store.Tx) error {
		list, err := tx.ResourceGrants("")
		for _, g := range list {
			resp.Grants = append(resp.Grants, &v1.ResourceGrant{Space: g.Space, Group: g.GroupName, Operations: settings.Operations(g.Operations)})
		}
		return err
	})
	return resp, err
}
