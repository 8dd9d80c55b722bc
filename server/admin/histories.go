package admin

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// ListHistories implements AdminService.
func (s *Admin) ListHistories(ctx context.Context, _ *v1.ListRequest) (*v1.ListHistoriesResponse, error) {
	resp := &v1.ListHistoriesResponse{}
	err := s.read(ctx, "list", "histories", func(tx *store.Tx) error {
		list, err := tx.Histories()
		if err != nil {
			return err
		}
		for _, h := range list {
			resp.Histories = append(resp.Histories, &v1.History{
				Id: h.ID.String(), Began: timestamppb.New(h.Began), Kind: string(h.Kind), Why: h.Why, Branch: h.Branch, First: h.First,
			})
		}
		ids, err := tx.Reserved()
		for _, r := range ids {
			resp.Reserved = append(resp.Reserved, &v1.ReservedID{
				Id: r.ID, Owner: r.Owner.String(), Name: string(r.Name), Machine: r.Machine, Seen: timestamppb.New(r.Seen),
			})
		}
		return err
	})
	return resp, err
}

// ReleaseID implements AdminService.
func (s *Admin) ReleaseID(ctx context.Context, req *v1.ReleaseIDRequest) (*v1.ReleaseIDResponse, error) {
	id := fmt.Sprint(req.GetId())
	return &v1.ReleaseIDResponse{}, s.change(ctx, "realm.release-id", id, "", func(tx *store.Tx) error { return tx.Release(req.GetId()) })
}
