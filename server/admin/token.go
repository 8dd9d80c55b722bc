package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of a join token.
const (
	maxTokenCount = 100_000
	maxTokenLife  = 31 * 24 * time.Hour
)

// AddToken implements AdminService.
func (s *Admin) AddToken(ctx context.Context, req *v1.AddTokenRequest) (*v1.AddTokenResponse, error) {
	const doing = "add token"
	name, err := identity.ParseShortName(req.GetName())
	life := time.Duration(req.GetSeconds()) * time.Second
	switch {
	case err != nil:
	case req.GetCount() == 0 || req.GetCount() > maxTokenCount:
		err = fmt.Errorf("%w: %d machines: from 1 to %d may join with one token", realm.ErrInput, req.GetCount(), maxTokenCount)
	case life <= 0 || life > maxTokenLife:
		err = fmt.Errorf("%w: a token lives at most %d days", realm.ErrInput, maxTokenLife/(24*time.Hour))
	}
	if err != nil {
		return nil, s.told(ctx, doing, req.GetName(), err)
	}
	tags, err := store.ParseTags(req.GetTags().GetWords())
	if err != nil {
		return nil, s.told(ctx, doing, req.GetName(), err)
	}
	code := realm.NewJoinCode()
	j := store.JoinToken{Name: name, Remaining: req.GetCount(), Expires: s.Now().Add(life), Scoped: req.GetScope() != nil && !req.GetScope().GetEverybody(), Tags: tags}
	resp := &v1.AddTokenResponse{Code: code}
	detail := fmt.Sprintf("count=%d expires=%s admits=%q tags=%q", j.Remaining, j.Expires.UTC().Format(time.RFC3339),
		strings.Join(req.GetScope().GetGroups(), " "), strings.Join(tags.Strings(), " "))
	err = s.change(ctx, "token.add", req.GetName(), detail, func(tx *store.Tx) error {
		var err error
		if resp.Fingerprint, err = s.fingerprint(tx); err != nil {
			return err
		}
		if j.Scoped {
			if j.Admits, err = scopeOf(tx, req.GetScope()); err != nil {
				return err
			}
		}
		if err := tx.AddToken(j, realm.HashJoinCode(code)); err != nil {
			return err
		}
		resp.Token, err = tokenView(tx, j)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func tokenView(tx *store.Tx, j store.JoinToken) (*v1.TokenView, error) {
	v := &v1.TokenView{Name: string(j.Name), Remaining: j.Remaining, Expires: timestamppb.New(j.Expires.Truncate(time.Second)), Scoped: j.Scoped, Tags: j.Tags.Strings()}
	groups, err := tx.Groups()
	if err != nil {
		return nil, err
	}
	for _, id := range j.Admits {
		for _, g := range groups {
			if g.UUID == id {
				v.Admits = append(v.Admits, string(g.Name))
			}
		}
	}
	return v, nil
}

// ListTokens implements AdminService.
func (s *Admin) ListTokens(ctx context.Context, _ *v1.ListRequest) (*v1.ListTokensResponse, error) {
	resp := &v1.ListTokensResponse{}
	err := s.read(ctx, "list", "tokens", func(tx *store.Tx) error {
		list, err := tx.Tokens()
		if err != nil {
			return err
		}
		for _, j := range list {
			v, err := tokenView(tx, j)
			if err != nil {
				return err
			}
			resp.Tokens = append(resp.Tokens, v)
		}
		return nil
	})
	return resp, err
}

// RemoveToken implements AdminService.
func (s *Admin) RemoveToken(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	name, err := identity.ParseShortName(req.GetName())
	if err != nil {
		return nil, s.told(ctx, "remove token", req.GetName(), err)
	}
	return &v1.Done{}, s.change(ctx, "token.remove", req.GetName(), "", func(tx *store.Tx) error { return tx.RemoveToken(name) })
}
