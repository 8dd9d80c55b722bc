package admin

import (
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// shownPlaces bounds the lists below.
const shownPlaces = 64

// viewPlaces adds where failures come from and what they lock, and where the account
// has signed in.
func (s *Admin) viewPlaces(tx *store.Tx, a store.Account, v *v1.AccountView) error {
	now, err := tx.Seen(s.Now())
	if err != nil {
		return err
	}
	if err := s.viewFailures(tx, a, v, now); err != nil {
		return err
	}
	places, err := tx.Places(a.UUID)
	if err != nil {
		return err
	}
	for _, p := range places {
		if p.Last.After(s.locks.SignedInSince(now)) && len(v.Places) < shownPlaces {
			v.Places = append(v.Places, &v1.PlaceView{Machine: string(p.Machine), Origin: p.Origin, Last: timestamppb.New(p.Last)})
		}
	}
	return nil
}

func (s *Admin) viewFailures(tx *store.Tx, a store.Account, v *v1.AccountView, now time.Time) error {
	failures, err := tx.Failures(a.Name)
	if err != nil || len(failures) == 0 {
		return err
	}
	machines, err := tx.Machines()
	if err != nil {
		return err
	}
	names := map[uuid.UUID]string{uuid.Nil: "", store.ConsoleClient: "the console"}
	for _, m := range machines {
		names[m.UUID] = string(m.Name)
	}
	until := now
	for _, f := range failures {
		f.Tally = s.locks.TallyNow(f, now)
		if f.Count == 0 && !f.Locked(now) {
			continue
		}
		name, here := names[f.Machine]
		if !here {
			name = "a machine that was removed"
		}
		one := &v1.FailureView{Factor: string(f.Kind), Machine: name, Origin: f.Origin, Count: f.Count}
		v.Failures = max(v.Failures, f.Count)
		if f.Locked(now) {
			one.LockedUntil = timestamppb.New(f.LockedUntil)
		}
		if f.LockedUntil.After(until) {
			until = f.LockedUntil
			v.LockedUntil = timestamppb.New(until)
		}
		if len(v.FailuresAt) < shownPlaces {
			v.FailuresAt = append(v.FailuresAt, one)
		}
	}
	return nil
}
