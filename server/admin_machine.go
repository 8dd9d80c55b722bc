package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

func machineView(m store.Machine) *v1.MachineView {
	v := &v1.MachineView{Uuid: m.UUID.String(), Name: string(m.Name), State: "invited", OfflineCodes: m.OfflineCodes}
	if m.SealingKey != nil {
		v.SealingKeyFingerprint = fingerprintOf(m.SealingKey)
	}
	if m.Key != nil {
		sum := sha256.Sum256(m.Key)
		v.State, v.Joined, v.KeyFingerprint = "joined", timestamppb.New(m.Joined), hex.EncodeToString(sum[:])
	}
	return v
}

// AddMachine implements AdminService.
func (s *admin) AddMachine(ctx context.Context, req *v1.NameRequest) (*v1.AddMachineResponse, error) {
	name, err := identity.ParseShortName(req.GetName())
	if err != nil {
		return nil, s.told(ctx, "add machine", req.GetName(), err)
	}
	is := s.list.Load()
	if is.problem != "" {
		return nil, s.told(ctx, "add machine", req.GetName(), refusal(is.problem))
	}
	print := is.fingerprint()
	code, until := newCode(), s.now().Add(codeLife)
	resp := &v1.AddMachineResponse{Code: code, Expires: timestamppb.New(until.Truncate(time.Second)), Fingerprint: hex.EncodeToString(print[:])}
	err = s.change(ctx, "machine.add", req.GetName(), "", func(tx *store.Tx) error {
		m, err := tx.Invite(name, hashCode(code), until)
		resp.Machine = machineView(m)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// ListMachines implements AdminService.
func (s *admin) ListMachines(ctx context.Context, _ *v1.ListRequest) (*v1.ListMachinesResponse, error) {
	resp := &v1.ListMachinesResponse{}
	err := s.read(ctx, "list", "machines", func(tx *store.Tx) error {
		all, err := tx.Machines()
		for _, m := range all {
			resp.Machines = append(resp.Machines, machineView(m))
		}
		return err
	})
	return resp, err
}

// RemoveMachine implements AdminService.
func (s *admin) RemoveMachine(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	return &v1.Done{}, s.change(ctx, "machine.remove", req.GetName(), "", func(tx *store.Tx) error {
		name, err := identity.ParseShortName(req.GetName())
		if err != nil {
			return err
		}
		return tx.RemoveMachine(name)
	})
}

// auditPage is how many rows one answer holds.
const auditPage = 1000

// ListAudit implements AdminService.
func (s *admin) ListAudit(ctx context.Context, req *v1.ListAuditRequest) (*v1.ListAuditResponse, error) {
	var since time.Time
	if req.GetSince() != nil {
		since = req.GetSince().AsTime()
	}
	resp := &v1.ListAuditResponse{}
	err := s.read(ctx, "list", "audit log", func(tx *store.Tx) error {
		return tx.Audit(req.GetAfter(), since, auditPage+1, func(e store.Entry) error {
			if len(resp.Rows) == auditPage {
				resp.More = true
				return nil
			}
			resp.Rows = append(resp.Rows, &v1.AuditRow{
				Id: e.ID, Time: timestamppb.New(e.Time), Actor: e.Actor, Action: e.Action, Subject: e.Subject, Detail: e.Detail,
			})
			return nil
		})
	})
	return resp, err
}
