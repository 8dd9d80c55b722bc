package admin

import (
	"context"
	"fmt"
	"slices"

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
		if err != nil {
			return err
		}
		readers, err := tx.Readers()
		for _, o := range readers {
			resp.Servers = append(resp.Servers, s.reader(o))
		}
		return err
	})
	return resp, err
}

// reader shows a server that only reads.
func (s *Admin) reader(o store.Reader) *v1.ServerView {
	return &v1.ServerView{
		Id: o.ID.String(), Url: o.URL, Began: stampOf(o.Admitted), LastSeen: stampOf(o.ReportedAt), Here: o.ID == s.Self(), ReadOnly: true, Codes: o.Codes,
	}
}

// AdmitServer implements AdminService.
func (s *Admin) AdmitServer(ctx context.Context, req *v1.AdmitServerRequest) (*v1.ServerView, error) {
	q, err := realm.ParseReaderRequest(req.GetRequest(), s.Name)
	if err != nil {
		return nil, s.told(ctx, "server.admit", "", err)
	}
	keys := s.keys(ctx, "server.admit", q.URL, fmt.Sprintf("id=%s key=%x codes=%t", q.ID, q.Key, req.GetCodes()))
	if _, err := keys.Admit(ctx, q, req.GetCodes(), req.GetRealmKey()); err != nil {
		return nil, s.told(ctx, "server.admit", q.URL, err)
	}
	if err := s.SealCodes(ctx); err != nil {
		s.Log.WarnContext(ctx, "the server has no copy of one-time codes yet", "error", err)
	}
	var view *v1.ServerView
	err = s.read(ctx, "server.admit", q.URL, func(tx *store.Tx) error {
		readers, err := tx.Readers()
		for _, o := range readers {
			if o.ID == q.ID {
				view = s.reader(o)
			}
		}
		return err
	})
	return view, err
}

// RemoveServer implements AdminService.
func (s *Admin) RemoveServer(ctx context.Context, req *v1.RemoveServerRequest) (*v1.Done, error) {
	id, err := uuid.Parse(req.GetName())
	if err != nil {
		return nil, s.told(ctx, "remove server", req.GetName(), fmt.Errorf("%w: %w", realm.ErrInput, err))
	}
	reads := false
	err = s.read(ctx, "server.remove", id.String(), func(tx *store.Tx) error {
		readers, err := tx.Readers()
		reads = slices.ContainsFunc(readers, func(o store.Reader) bool { return o.ID == id })
		return err
	})
	if err != nil {
		return nil, err
	}
	if reads {
		_, err := s.keys(ctx, "server.remove", id.String(), "it only read").Expel(ctx, id, req.GetRealmKey())
		return &v1.Done{}, s.told(ctx, "server.remove", id.String(), err)
	}
	return &v1.Done{}, s.change(ctx, "server.remove", id.String(), "", func(tx *store.Tx) error { return tx.RemoveServer(id, s.Now()) })
}
