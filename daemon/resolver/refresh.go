package resolver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"golang.org/x/sync/errgroup"
)

// Where the server tells of no change, each entry is fetched anew before it is older
// than policy's RefreshEvery. The entries are looked at a number of times in that
// span, and what would be too old at the next look is fetched at this one: so nothing
// that the server answers for gets older than the span and the time of one fetch.
const (
	looks = 16 // in RefreshEvery
	// giveUp is how many entries in a row the server may have no answer for before the
	// rest wait for the next look; their order is another each time.
	giveUp = 3
	// atOnce is how many are fetched at a time.
	atOnce = 8
)

// LookEvery is the time from one look to the next. A list is all of it at once.
func (d *Resolver) LookEvery() time.Duration {
	if lists, _ := d.Capable(); lists {
		return d.p.RefreshEvery
	}
	return max(d.p.RefreshEvery/looks, time.Millisecond)
}

// IsOld tells whether what was fetched then has to be fetched now.
func (d *Resolver) IsOld(fetched time.Time) bool {
	now, forced := d.clock.Now(), time.Unix(0, d.forced.Load())
	// One that lies ahead is of a clock that was wrong.
	if fetched.Before(forced) && !forced.After(now.Add(time.Second)) {
		return true
	}
	return now.Sub(fetched) >= d.p.RefreshEvery-d.LookEvery()
}

// unmoved are accounts whose newer state was fetched and refused here, and when: they
// stay old, and are asked for as often as others all the same.
type unmoved map[uuid.UUID]time.Time

// Refresh fetches what is old, accounts and groups. One goroutine calls it.
func (d *Resolver) Refresh(ctx context.Context) error {
	var due []func() error
	var mu sync.Mutex // guards still while entries are fetched
	still := unmoved{}
	for _, p := range d.index.All() {
		if at, is := d.unmoved[p.UUID()]; is && !d.IsOld(at) {
			still[p.UUID()] = at
		} else if d.IsOld(p.FetchedAt()) {
			due = append(due, func() error {
				begun := d.clock.Now()
				moved, err := d.refetch(ctx, p)
				if err == nil && !moved {
					mu.Lock()
					defer mu.Unlock()
					still[p.UUID()] = begun
				}
				return err
			})
		}
	}
	for _, g := range d.index.OnDemand() {
		if d.IsOld(g.Fetched()) {
			due = append(due, func() error { return d.refreshGroup(ctx, g) })
		}
	}
	rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] }) //nolint:gosec // no secret
	err := fetchAll(ctx, due)
	d.unmoved = still
	return err
}

// fetchAll fetches several at a time, and stops at giveUp. Its error is that of the
// last fetch, if that had no answer.
func fetchAll(ctx context.Context, due []func() error) error {
	var mu sync.Mutex // guards failed and row
	var failed error
	row := 0
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return row >= giveUp || ctx.Err() != nil
	}
	var fetches errgroup.Group
	fetches.SetLimit(atOnce)
	for _, fetch := range due {
		fetches.Go(func() error {
			if enough() {
				return nil
			}
			err := fetch()
			mu.Lock()
			defer mu.Unlock()
			if err == nil || errors.Is(err, provider.ErrNotFound) {
				row, failed = 0, nil // it is there
				return nil
			}
			row, failed = row+1, err
			return nil
		})
	}
	_ = fetches.Wait() // none of them returns an error
	return failed
}

// refetch fetches one account anew by its name. When another has that now, its number
// tells whether it is gone or is called otherwise. It tells whether the account is another
// here since: as the server has it, or gone. It is not when what the server has is refused.
func (d *Resolver) refetch(ctx context.Context, p *directory.Packed) (moved bool, err error) {
	for _, fetch := range []func() error{
		func() error { return d.FetchName(ctx, p.Name()) },
		func() error { return d.fetchUID(ctx, p.UID()) },
	} {
		if err := fetch(); err != nil {
			return false, err
		}
		now := d.index.WithUUID(p.UUID())
		if now == nil || !now.Unchanged(p) {
			return true, nil
		}
		if now.Blocked() != "" {
			break // it was answered for: renumbered, it is not to be taken for gone
		}
	}
	return false, nil
}

// ForceRefresh makes everything old that the server does not tell of, and has it fetched now.
func (d *Resolver) ForceRefresh() report.Refreshed {
	if lists, _ := d.Capable(); lists {
		return report.Refreshed{Told: true}
	}
	// Moments are kept in whole seconds: what was fetched in this one counts as older.
	d.absent.clear()
	d.forced.Store(d.clock.Now().Truncate(time.Second).Add(time.Second).UnixNano())
	select {
	case d.refreshNow <- struct{}{}:
	default: // one is waiting to be read
	}
	return report.Refreshed{Accounts: len(d.index.All()), Groups: d.index.CountOnDemand()}
}

// RefreshAccount fetches one account anew.
func (d *Resolver) RefreshAccount(ctx context.Context, e *directory.Entry) (report.Refreshed, error) {
	moved, err := d.refetch(ctx, e.Packed())
	if err != nil && !errors.Is(err, provider.ErrNotFound) {
		return report.Refreshed{}, fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	if why := d.refused.named(e.Account().Name); why != "" {
		return report.Refreshed{}, fmt.Errorf("%w here: this machine refuses what the server has: %s", identity.ErrNotFound, why)
	}
	if err == nil && !moved {
		d.endStream(errRelist)
		return report.Refreshed{}, fmt.Errorf("%w: the server's state of the account is older than the one that this machine holds. "+
			"The machine reads the whole list of the realm now, and the list counts; see \"sallyport status\"", identity.ErrUnavailable)
	}
	if d.index.WithUUID(e.Account().UUID) == nil {
		return report.Refreshed{Gone: true}, nil
	}
	return report.Refreshed{Accounts: 1}, nil
}
