package admin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

func groupNamed(tx *store.Tx, name string) (identity.Group, error) {
	n, err := identity.ParseShortName(name)
	if err != nil {
		return identity.Group{}, err
	}
	return tx.GroupByName(n)
}

func groupView(tx *store.Tx, g identity.Group) (*v1.GroupView, error) {
	v := &v1.GroupView{Uuid: g.UUID.String(), Name: string(g.Name), Gid: g.GID, Demands: realm.Words(g.Demands), Points: uint32(g.Points), Earned: g.Earned}
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
func (s *Admin) AddGroup(ctx context.Context, req *v1.AddGroupRequest) (*v1.GroupView, error) {
	g, err := newGroup(req)
	if err == nil {
		err = s.mayAdd(g.Name, g.GID)
	}
	if err != nil {
		return nil, s.told(ctx, "add group", req.GetName(), err)
	}
	var view *v1.GroupView
	detail := fmt.Sprintf("offline_codes=%t demands=%q points=%d earned=%t", req.GetOfflineCodes(), strings.Join(realm.Words(g.Demands), " "), g.Points, g.Earned)
	err = s.change(ctx, "group.add", req.GetName(), detail, func(tx *store.Tx) error {
		if err := attainable(tx, &g); err != nil {
			return err
		}
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
	name, err := identity.ParseShortName(req.GetName())
	if err != nil {
		return identity.Group{}, err
	}
	g := identity.Group{Name: name, GID: req.GetGid()}
	if req.Gid != nil && g.GID == 0 {
		return identity.Group{}, identity.CheckID(0)
	}
	g.Earned = req.GetEarned()
	if g.Points, err = groupPoints(req.GetPoints()); err != nil {
		return identity.Group{}, err
	}
	g.Demands, err = demanded(req.GetDemands())
	return g, err
}

func demanded(list []string) ([]identity.FactorKind, error) {
	var kinds []identity.FactorKind
	for _, d := range list {
		k, err := identity.ParseFactorKind(d)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", realm.ErrInput, err)
		}
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds, nil
}

func groupPoints(n uint32) (uint16, error) {
	if n > math.MaxUint16 {
		return 0, fmt.Errorf("%w: nobody can reach %d points", realm.ErrInput, n)
	}
	return uint16(n), nil
}

// SetGroup implements AdminService.
func (s *Admin) SetGroup(ctx context.Context, req *v1.SetGroupRequest) (*v1.GroupView, error) {
	var view *v1.GroupView
	err := s.change(ctx, "group.set", req.GetName(), groupDetail(req), func(tx *store.Tx) error {
		g, err := groupNamed(tx, req.GetName())
		if err != nil {
			return err
		}
		if req.OfflineCodes != nil {
			if err := tx.SetGroupOfflineCodes(g.UUID, req.GetOfflineCodes()); err != nil {
				return err
			}
		}
		if req.Points != nil || req.Earned != nil || req.GetDemands() != nil {
			if err := setDemand(tx, &g, req); err != nil {
				return err
			}
		}
		if req.NewName != nil {
			name, err := s.newName(req.GetNewName())
			if err != nil {
				return err
			}
			if err := tx.RenameGroup(g, name); err != nil {
				return err
			}
			g.Name = name
		}
		view, err = groupView(tx, g)
		return err
	})
	return view, err
}

func groupDetail(req *v1.SetGroupRequest) string {
	var detail []string
	if req.NewName != nil {
		detail = append(detail, fmt.Sprintf("name=%q", req.GetNewName()))
	}
	if req.OfflineCodes != nil {
		detail = append(detail, fmt.Sprintf("offline_codes=%t", req.GetOfflineCodes()))
	}
	if req.GetDemands() != nil {
		detail = append(detail, fmt.Sprintf("demands=%q", strings.Join(req.GetDemands().GetKinds(), " ")))
	}
	if req.Points != nil {
		detail = append(detail, fmt.Sprintf("points=%d", req.GetPoints()))
	}
	if req.Earned != nil {
		detail = append(detail, fmt.Sprintf("earned=%t", req.GetEarned()))
	}
	return strings.Join(detail, " ")
}

// setDemand changes what the group demands and whether it is earned.
func setDemand(tx *store.Tx, g *identity.Group, req *v1.SetGroupRequest) (err error) {
	if req.GetDemands() != nil {
		if g.Demands, err = demanded(req.GetDemands().GetKinds()); err != nil {
			return err
		}
	}
	if req.Points != nil {
		if g.Points, err = groupPoints(req.GetPoints()); err != nil {
			return err
		}
	}
	if req.Earned != nil {
		g.Earned = req.GetEarned()
	}
	if err := attainable(tx, g); err != nil {
		return err
	}
	return tx.SetGroupDemand(*g)
}

// ShowGroup implements AdminService.
func (s *Admin) ShowGroup(ctx context.Context, req *v1.NameRequest) (*v1.GroupView, error) {
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
func (s *Admin) ListGroups(ctx context.Context, _ *v1.ListRequest) (*v1.ListGroupsResponse, error) {
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
func (s *Admin) RemoveGroup(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	return &v1.Done{}, s.change(ctx, "group.remove", req.GetName(), "", func(tx *store.Tx) error {
		g, err := groupNamed(tx, req.GetName())
		if err != nil {
			return err
		}
		return tx.RemoveGroup(g)
	})
}

// AddMember implements AdminService.
func (s *Admin) AddMember(ctx context.Context, req *v1.MemberRequest) (*v1.GroupView, error) {
	return s.membership(ctx, "group.add-member", req, (*store.Tx).AddAccountTo, (*store.Tx).AddGroupTo)
}

// RemoveMember implements AdminService.
func (s *Admin) RemoveMember(ctx context.Context, req *v1.MemberRequest) (*v1.GroupView, error) {
	return s.membership(ctx, "group.remove-member", req, (*store.Tx).RemoveAccountFrom, (*store.Tx).RemoveGroupFrom)
}

func (s *Admin) membership(ctx context.Context, action string, req *v1.MemberRequest,
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
