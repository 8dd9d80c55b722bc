package admin

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// SignAudit implements AdminService. A log that does not verify is not signed.
func (s *Admin) SignAudit(ctx context.Context, req *v1.SignAuditRequest) (*v1.SignAuditResponse, error) {
	resp := &v1.SignAuditResponse{}
	err := s.read(ctx, "sign", "audit log", func(tx *store.Tx) error {
		k, err := s.AuditSigner(tx, req.GetRealmKey())
		if err != nil {
			return err
		}
		_, head, err := tx.VerifyAudit()
		if err != nil {
			return err
		}
		resp.Newest, resp.Head = head.ID, hex.EncodeToString(head.Hash)
		resp.Signed, err = k.SignAuditHead(&identity.AuditHead{Realm: s.Name, ID: head.ID, Hash: head.Hash, Time: s.Now().Unix()})
		return err
	})
	return resp, err
}

// VerifyAudit implements AdminService.
func (s *Admin) VerifyAudit(ctx context.Context, req *v1.VerifyAuditRequest) (*v1.VerifyAuditResponse, error) {
	resp := &v1.VerifyAuditResponse{}
	err := s.read(ctx, "verify", "audit log", func(tx *store.Tx) error {
		base, err := tx.AuditBase()
		if err != nil {
			return err
		}
		rows, head, err := tx.VerifyAudit()
		resp.Rows, resp.Head, resp.Newest, resp.PrunedTo = rows, fmt.Sprintf("%x", head.Hash), head.ID, base.ID
		if err != nil || len(req.GetSigned()) == 0 {
			return err
		}
		return s.compareHead(tx, base, req.GetSigned(), resp)
	})
	return resp, err
}

// compareHead holds the log to a row of it that was signed before.
func (s *Admin) compareHead(tx *store.Tx, base store.AuditHead, signed []byte, resp *v1.VerifyAuditResponse) error {
	_, realmKey, err := s.KeyList(tx)
	if err != nil {
		return err
	}
	h, err := identity.OpenAuditHead(realmKey, signed)
	if err != nil {
		return fmt.Errorf("%w: the signed head is not of this realm's present realm key; after a new one, sign the head again: %w", realm.ErrInput, err)
	}
	if h.Realm != s.Name {
		return fmt.Errorf("%w: the signed head is of realm %q", realm.ErrInput, h.Realm)
	}
	if h.ID < base.ID {
		return fmt.Errorf("%w: row %d, which was signed, has been pruned since: sign the head again", realm.ErrInput, h.ID)
	}
	hash, err := tx.AuditHash(h.ID)
	if errors.Is(err, identity.ErrNotFound) || err == nil && !bytes.Equal(hash, h.Hash) {
		return fmt.Errorf("%w: row %d is not the one that was signed: the log was cut short or made anew since", store.ErrAudit, h.ID)
	}
	if err != nil {
		return err
	}
	resp.SignedRow, resp.SignedAt = h.ID, &timestamppb.Timestamp{Seconds: h.Time}
	return nil
}

// PruneAudit implements AdminService. A log that does not verify is left alone: what
// shows the fault must not go.
func (s *Admin) PruneAudit(ctx context.Context, req *v1.PruneAuditRequest) (*v1.PruneAuditResponse, error) {
	before := req.GetBefore()
	if !before.IsValid() || before.AsTime().After(s.Now()) {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("--before takes a time that has passed"))
	}
	resp := &v1.PruneAuditResponse{}
	err := s.told(ctx, "prune", "audit log", s.Write(ctx, func(tx *store.Tx) error {
		if _, _, err := tx.VerifyAudit(); err != nil {
			return err
		}
		rows, last, err := tx.PruneAudit(before.AsTime())
		if err != nil || rows == 0 {
			return err
		}
		resp.Rows, resp.PrunedTo, resp.Hash = rows, last.ID, fmt.Sprintf("%x", last.Hash)
		return tx.Record(store.Entry{
			Time: s.Now(), Actor: actor(ctx), Action: "audit.prune", Subject: "audit log",
			Detail: fmt.Sprintf("rows=%d to=%d hash=%x", rows, last.ID, last.Hash),
		})
	}))
	return resp, err
}
