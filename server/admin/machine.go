package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// fullView is machineView with the machine's scope.
func fullView(tx *store.Tx, m store.Machine) (*v1.MachineView, error) {
	v := machineView(m)
	groups, _, err := tx.Scope(m.UUID)
	for _, g := range groups {
		v.Admits = append(v.Admits, string(g))
	}
	if err != nil {
		return v, err
	}
	hosts, err := tx.HostsOf(m.UUID)
	v.HostNames = hosts.Names
	for _, a := range hosts.Addresses {
		v.Addresses = append(v.Addresses, a.String())
	}
	return v, err
}

// stampOf is a time, absent where it is zero.
func stampOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func machineView(m store.Machine) *v1.MachineView {
	v := &v1.MachineView{Uuid: m.UUID.String(), Name: string(m.Name), State: "invited", OfflineCodes: m.OfflineCodes, Scoped: m.Scoped}
	v.Token, v.Tags, v.StoredKeys = string(m.Token), m.Tags.Strings(), string(m.StoredKeys)
	v.LastSeen, v.LastAddress, v.Version = stampOf(m.Seen), m.SeenHost, m.Version
	v.Duplicated, v.Quarantined = stampOf(m.Duplicated), stampOf(m.Quarantined)
	if m.SealingKey != nil {
		sum := sha256.Sum256(m.SealingKey)
		v.SealingKeyFingerprint = hex.EncodeToString(sum[:])
	}
	if m.Key != nil {
		sum := sha256.Sum256(m.Key)
		v.State = "joined"
		if !m.Quarantined.IsZero() {
			v.State = "quarantined"
		}
		v.Joined, v.KeyFingerprint = timestamppb.New(m.Joined), hex.EncodeToString(sum[:])
	}
	return v
}

// AddMachine implements AdminService.
func (s *Admin) AddMachine(ctx context.Context, req *v1.NameRequest) (*v1.AddMachineResponse, error) {
	return s.invite(ctx, "add machine", "machine.add", req.GetName(), (*store.Tx).Invite)
}

// RejoinMachine implements AdminService.
func (s *Admin) RejoinMachine(ctx context.Context, req *v1.NameRequest) (*v1.AddMachineResponse, error) {
	return s.invite(ctx, "let rejoin", "machine.rejoin", req.GetName(), (*store.Tx).Rejoin)
}

// invite makes a code, and stores it as the caller says.
func (s *Admin) invite(ctx context.Context, doing, action, typed string,
	how func(*store.Tx, identity.Name, []byte, time.Time) (store.Machine, error),
) (*v1.AddMachineResponse, error) {
	name, err := identity.ParseShortName(typed)
	if err != nil {
		return nil, s.told(ctx, doing, typed, err)
	}
	code, until := realm.NewJoinCode(), s.Now().Add(realm.JoinCodeLife)
	resp := &v1.AddMachineResponse{Code: code, Expires: timestamppb.New(until.Truncate(time.Second))}
	err = s.change(ctx, action, typed, "", func(tx *store.Tx) error {
		var err error
		if resp.Fingerprint, err = s.fingerprint(tx); err != nil {
			return err
		}
		m, err := how(tx, name, realm.HashJoinCode(code), until)
		resp.Machine = machineView(m)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// fingerprint is what whoever joins a machine compares. There is none while machines may
// refuse this server.
func (s *Admin) fingerprint(tx *store.Tx) (string, error) {
	keys, err := s.KeysView(tx)
	if err != nil {
		return "", err
	}
	if why := keys.GetProblem(); why != "" {
		return "", realm.RefusalError(why)
	}
	return keys.GetFingerprint(), nil
}

// QuarantineMachine implements AdminService.
func (s *Admin) QuarantineMachine(ctx context.Context, req *v1.NameRequest) (*v1.MachineView, error) {
	return s.quarantine(ctx, "machine.quarantine", req.GetName(), s.Now())
}

// ReleaseMachine implements AdminService.
func (s *Admin) ReleaseMachine(ctx context.Context, req *v1.NameRequest) (*v1.MachineView, error) {
	return s.quarantine(ctx, "machine.release", req.GetName(), time.Time{})
}

func (s *Admin) quarantine(ctx context.Context, action, typed string, since time.Time) (*v1.MachineView, error) {
	return s.onMachine(ctx, action, typed, "", func(tx *store.Tx, m store.Machine) error { return tx.Quarantine(m.Name, since) })
}

// onMachine changes one machine and shows it as it is then.
func (s *Admin) onMachine(ctx context.Context, action, typed, detail string, f func(*store.Tx, store.Machine) error) (*v1.MachineView, error) {
	var view *v1.MachineView
	err := s.change(ctx, action, typed, detail, func(tx *store.Tx) error {
		name, err := identity.ParseShortName(typed)
		if err != nil {
			return err
		}
		m, err := tx.MachineByName(name)
		if err != nil {
			return err
		}
		if err := f(tx, m); err != nil {
			return err
		}
		if m, err = tx.MachineByName(name); err != nil {
			return err
		}
		view, err = fullView(tx, m)
		return err
	})
	return view, err
}

// scopeOf finds the groups of a scope; nil is everybody.
func scopeOf(tx *store.Tx, scope *v1.Scope) ([]uuid.UUID, error) {
	if scope.GetEverybody() {
		return nil, nil
	}
	groups := []uuid.UUID{}
	for _, typed := range scope.GetGroups() {
		name, err := identity.ParseShortName(typed)
		if err != nil {
			return nil, err
		}
		g, err := tx.GroupByName(name)
		if err != nil {
			return nil, fmt.Errorf("group %q: %w", typed, err)
		}
		groups = append(groups, g.UUID)
	}
	return groups, nil
}

// ListMachines implements AdminService.
func (s *Admin) ListMachines(ctx context.Context, _ *v1.ListRequest) (*v1.ListMachinesResponse, error) {
	resp := &v1.ListMachinesResponse{}
	err := s.read(ctx, "list", "machines", func(tx *store.Tx) error {
		all, err := tx.Machines()
		for _, m := range all {
			v, err := fullView(tx, m)
			if err != nil {
				return err
			}
			resp.Machines = append(resp.Machines, v)
		}
		return err
	})
	return resp, err
}

// RemoveMachine implements AdminService.
func (s *Admin) RemoveMachine(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
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
func (s *Admin) ListAudit(ctx context.Context, req *v1.ListAuditRequest) (*v1.ListAuditResponse, error) {
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
