package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

func groupNamed(tx *store.Tx, name string) (identity.Group, error) {
	n, err := identity.ParseName(name)
	if err != nil {
		return identity.Group{}, err
	}
	return tx.GroupByName(n)
}

func groupView(tx *store.Tx, g identity.Group) (*v1.GroupView, error) {
	v := &v1.GroupView{Uuid: g.UUID.String(), Name: string(g.Name), Gid: g.GID, Demands: words(g.Demands)}
	accounts, groups, err := tx.Members(g.UUID)
	for _, n := range accounts {
		v.Accounts = append(v.Accounts, string(n))
	}
	for _, n := range groups {
		v.Groups = append(v.Groups, string(n))
	}
	if err == nil {
		v.OfflineCodes, err = tx.GroupOfflineCodes(g.UUID)
	}
	return v, err
}

// AddGroup implements AdminService.
func (s *admin) AddGroup(ctx context.Context, req *v1.AddGroupRequest) (*v1.GroupView, error) {
	g, err := newGroup(req)
	if err != nil {
		return nil, s.told(ctx, "add group", req.GetName(), err)
	}
	var view *v1.GroupView
	err = s.change(ctx, "group.add", req.GetName(), "", func(tx *store.Tx) error {
		added, err := tx.AddGroup(g)
		if err == nil && req.GetOfflineCodes() {
			err = tx.SetGroupOfflineCodes(added.UUID, true)
		}
		if err == nil {
			view, err = groupView(tx, added)
		}
		return err
	})
	return view, err
}

func newGroup(req *v1.AddGroupRequest) (identity.Group, error) {
	name, err := identity.ParseName(req.GetName())
	if err != nil {
		return identity.Group{}, err
	}
	g := identity.Group{Name: name, GID: req.GetGid()}
	if req.Gid != nil && g.GID == 0 {
		return identity.Group{}, identity.CheckID(0)
	}
	for _, d := range req.GetDemands() {
		k := identity.FactorKind(d)
		if k != identity.Password && k != identity.TOTP {
			return identity.Group{}, fmt.Errorf("%w: a group can demand %q or %q, not %q", errInput, identity.Password, identity.TOTP, d)
		}
		g.Demands = append(g.Demands, k)
	}
	return g, nil
}

// ShowGroup implements AdminService.
func (s *admin) ShowGroup(ctx context.Context, req *v1.NameRequest) (*v1.GroupView, error) {
	var view *v1.GroupView
	err := s.read(ctx, "show group", req.GetName(), func(tx *store.Tx) error {
		g, err := groupNamed(tx, req.GetName())
		if err == nil {
			view, err = groupView(tx, g)
		}
		return err
	})
	return view, err
}

// ListGroups implements AdminService.
func (s *admin) ListGroups(ctx context.Context, _ *v1.ListRequest) (*v1.ListGroupsResponse, error) {
	resp := &v1.ListGroupsResponse{}
	err := s.read(ctx, "list", "groups", func(tx *store.Tx) error {
		all, err := tx.Groups()
		if err != nil {
			return err
		}
		for _, g := range all {
			v, err := groupView(tx, g)
			if err != nil {
				return err
			}
			resp.Groups = append(resp.Groups, v)
		}
		return nil
	})
	return resp, err
}

// RemoveGroup implements AdminService.
func (s *admin) RemoveGroup(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	return &v1.Done{}, s.change(ctx, "group.remove", req.GetName(), "", func(tx *store.Tx) error {
		g, err := groupNamed(tx, req.GetName())
		if err != nil {
			return err
		}
		return tx.RemoveGroup(g)
	})
}

// AddMember implements AdminService.
func (s *admin) AddMember(ctx context.Context, req *v1.MemberRequest) (*v1.GroupView, error) {
	return s.membership(ctx, "group.add-member", req, (*store.Tx).AddAccountTo, (*store.Tx).AddGroupTo)
}

// RemoveMember implements AdminService.
func (s *admin) RemoveMember(ctx context.Context, req *v1.MemberRequest) (*v1.GroupView, error) {
	return s.membership(ctx, "group.remove-member", req, (*store.Tx).RemoveAccountFrom, (*store.Tx).RemoveGroupFrom)
}

func (s *admin) membership(ctx context.Context, action string, req *v1.MemberRequest,
	account, group func(*store.Tx, uuid.UUID, uuid.UUID) error,
) (*v1.GroupView, error) {
	var view *v1.GroupView
	err := s.change(ctx, action, req.GetGroup(), "member="+req.GetMember(), func(tx *store.Tx) error {
		g, err := groupNamed(tx, req.GetGroup())
		if err != nil {
			return err
		}
		a, err := named(tx, req.GetMember())
		switch {
		case err == nil:
			err = account(tx, g.UUID, a.UUID)
		case errors.Is(err, identity.ErrNotFound):
			var child identity.Group
			if child, err = groupNamed(tx, req.GetMember()); err == nil {
				err = group(tx, g.UUID, child.UUID)
			}
		}
		if err != nil {
			return fmt.Errorf("member %s: %w", req.GetMember(), err)
		}
		view, err = groupView(tx, g)
		return err
	})
	return view, err
}
