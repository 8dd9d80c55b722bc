package auth

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// GetVerdict implements MachineService. It only reads.
func (e *Engine) GetVerdict(ctx context.Context, req *v1.GetVerdictRequest) (*v1.GetVerdictResponse, error) {
	caller, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	now := e.Now()
	resp := &v1.GetVerdictResponse{ServerTime: timestamppb.New(now), DiskFull: e.Store.NoSpace(), MachineName: string(caller.Name)}
	name, err := identity.ParseShortName(req.GetName())
	if err != nil {
		return resp, nil //nolint:nilerr // nobody's name, or none was asked about
	}
	err = e.Store.Read(ctx, func(tx *store.Tx) error {
		a, err := tx.AccountFor(caller.UUID, name)
		if errors.Is(err, identity.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		resp.Known, resp.State = true, standingWord(a.StandingAt(now))
		f, err := tx.Failures(name)
		if err != nil {
			return err
		}
		if f, err = e.withHere(ctx, tx, name, f); err != nil {
			return err
		}
		onMachine, _, err := tx.HasSignedIn(a.UUID, caller.UUID, "", now.Add(-placeFor))
		resp.Locks = locksFor(f, caller, onMachine, now)
		return err
	})
	if err != nil {
		return nil, e.Fault(ctx, "explain an account", err)
	}
	return resp, nil
}

// locksFor are the locks that hold for an attempt from that machine. What happened on
// others stays theirs.
func locksFor(all []store.Failures, caller store.Machine, onMachine bool, now time.Time) []*v1.VerdictLock {
	var list []*v1.VerdictLock
	for _, f := range all {
		realm := f.Machine == (store.Machine{}).UUID
		mine := f.Machine == caller.UUID || realm && !onMachine
		if mine && now.Before(f.LockedUntil) {
			list = append(list, &v1.VerdictLock{
				Factor: string(f.Kind), Origin: f.Origin, Realm: realm, Until: timestamppb.New(f.LockedUntil), Failures: f.Count,
			})
		}
	}
	return list
}

// standingWord is the word of the protocol for a standing.
func standingWord(s identity.Standing) string {
	switch s {
	case identity.Good:
		return "good"
	case identity.StandingDisabled:
		return "disabled"
	case identity.NotYetValid:
		return "not-yet-valid"
	case identity.Expired:
		return "expired"
	default:
		return ""
	}
}
