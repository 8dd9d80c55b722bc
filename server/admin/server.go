package admin

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// ListServers implements AdminService.
func (s *Admin) ListServers(ctx context.Context, _ *v1.ListRequest) (*v1.ListServersResponse, error) {
	resp := &v1.ListServersResponse{}
	err := s.read(ctx, "list", "servers", func(tx *store.Tx) error {
		list, err := tx.Servers()
		for _, o := range list {
			resp.Servers = append(resp.Servers, &v1.ServerView{
				Id: o.ID.String(), Url: o.URL, Version: o.Version, Began: stampOf(o.Began), LastSeen: stampOf(o.Seen), Here: o.ID == s.Self(),
			})
		}
		return err
	})
	return resp, err
}

// RemoveServer implements AdminService.
func (s *Admin) RemoveServer(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	id, err := uuid.Parse(req.GetName())
	if err != nil {
		return nil, s.told(ctx, "remove server", req.GetName(), fmt.Errorf("%w: %w", realm.ErrInput, err))
	}
	return &v1.Done{}, s.change(ctx, "server.remove", id.String(), "", func(tx *store.Tx) error { return tx.RemoveServer(id, s.Now()) })
}
