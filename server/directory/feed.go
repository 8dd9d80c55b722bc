package directory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Forms of tokens that callers understand: see package realm.
const (
	formOld = iota // of the last release
	formNow
	forms
)

// callerForms is what a caller of each form says.
func callerForms(form int) int { return 2 * form }

func formOf(ctx context.Context) int {
	if realm.CallerOf(ctx).Forms < callerForms(formNow) {
		return formOld
	}
	return formNow
}

const (
	// lookTimeout bounds one look of the feed at the database, lookAgain is when it looks
	// again where it could not read.
	lookTimeout = 5 * time.Second
	lookAgain   = time.Second
	// A look is followed by a rest of so many times as long, so that what comes in a crowd
	// is read together. No change waits longer than maxRest.
	restTimes = 9
	minRest   = 5 * time.Millisecond
	maxRest   = 300 * time.Millisecond
)

// feed reads the change log for all streams of this server, and keeps the newest of it in a
// ring.
type feed struct {
	*realm.Realm
	current atomic.Pointer[view]
	// there counts the streams of each form: what nobody understands is not signed.
	there [forms]atomic.Int64

	mu   sync.RWMutex
	ring *ring
	// keys is closed when the tokens in the ring may be signed with a key of before.
	keys <-chan struct{}
}

// view is one moment, as the feed read it. It is not changed any more.
type view struct {
	// next is closed when there is a newer one.
	next chan struct{}
	// err is why nothing could be read, as machines are told.
	err error
	// standing is of the same moment as machines, which is by uuid.
	standing store.Standing
	machines map[uuid.UUID]store.Machine
	// ended are the grants that were ended early, of the same moment.
	ended [][]byte
	// more: there are changes that are not in the ring yet.
	more bool
}

func newFeed(r *realm.Realm) *feed {
	f := &feed{Realm: r, ring: newRing()}
	f.current.Store(&view{next: make(chan struct{})})
	return f
}

// follow goes on until ending is closed.
func (f *feed) follow(ending <-chan struct{}) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go func() {
		select {
		case <-ending:
			end()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		changed := f.Changed.Next()
		began := time.Now()
		v, err := f.look(ctx)
		rest := min(max(restTimes*time.Since(began), minRest), maxRest)
		if err != nil {
			v, rest = &view{err: f.Fault(ctx, "follow the change log", err)}, lookAgain
		}
		f.publish(v)
		if !v.more && v.err == nil {
			wait(ctx, changed)
		}
		wait(ctx, time.After(rest))
	}
}

// wait returns when there is something, or ctx ends.
func wait[T any](ctx context.Context, c <-chan T) {
	select {
	case <-c:
	case <-ctx.Done():
	}
}

func (f *feed) publish(v *view) {
	v.next = make(chan struct{})
	close(f.current.Swap(v).next)
}

// look reads where the realm stands, the next changes with a token of each account, and the
// machines where their standing moved: all of one moment.
func (f *feed) look(ctx context.Context) (*view, error) {
	ctx, end := context.WithTimeout(ctx, lookTimeout)
	defer end()
	was, v := f.current.Load(), &view{}
	var fresh []*kept
	begins, keys := f.stale(), f.NewKeys.Next()
	err := f.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if v.standing, err = tx.Standing(); err != nil {
			return err
		}
		s := v.standing
		if err := f.NoteTerm(tx, s.Term); err != nil {
			return err
		}
		v.machines = was.machines
		if v.machines == nil || s.History != was.standing.History || s.Machines != was.standing.Machines {
			if v.machines, err = machines(tx); err != nil {
				return err
			}
		}
		v.ended = was.ended
		if was.standing.History == uuid.Nil || s.Ended != was.standing.Ended {
			if v.ended, err = endedGrants(tx, f.Now()); err != nil {
				return err
			}
		}
		if begins = begins || s.History != f.ring.history || s.Revision < f.ring.upTo; begins || s.Revision == f.ring.upTo {
			return nil
		}
		var ok bool
		fresh, ok, err = f.changes(ctx, tx)
		begins = !ok
		return err
	})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if begins {
		f.ring.begin(v.standing.History, v.standing.Revision)
		f.keys = keys
		return v, nil
	}
	for _, k := range fresh {
		f.ring.add(k)
	}
	if v.more = len(fresh) == changeBatch; !v.more {
		f.ring.upTo = v.standing.Revision
	}
	return v, nil
}

func endedGrants(tx *store.Tx, now time.Time) (list [][]byte, err error) {
	ended, err := tx.EndedGrants(now)
	for _, id := range ended.IDs {
		list = append(list, id[:])
	}
	return list, err
}

func machines(tx *store.Tx) (map[uuid.UUID]store.Machine, error) {
	all, err := tx.Machines()
	m := make(map[uuid.UUID]store.Machine, len(all))
	for _, one := range all {
		if one.Key != nil {
			m[one.UUID] = one
		}
	}
	return m, err
}

// changes reads the next batch after what is in the ring.
func (f *feed) changes(ctx context.Context, tx *store.Tx) (list []*kept, ok bool, err error) {
	batch, ok, err := tx.Changes(f.ring.history, f.ring.upTo, changeBatch)
	for _, c := range batch {
		k := &kept{Change: c, made: f.Now()}
		if !c.Gone {
			if err := f.sign(ctx, tx, k); err != nil {
				return nil, false, err
			}
		}
		list = append(list, k)
	}
	return list, ok, err
}

// sign makes the account's token in each form that somebody is there for.
func (f *feed) sign(ctx context.Context, tx *store.Tx, k *kept) error {
	a, err := tx.Account(k.Account)
	if errors.Is(err, identity.ErrNotFound) {
		k.Gone = true // as for a stream that reads for itself
		return nil
	}
	for form := 0; form < forms && err == nil; form++ {
		if f.there[form].Load() > 0 {
			k.signed[form], err = f.IDToken(realm.WithCaller(ctx, realm.Caller{Forms: callerForms(form)}), tx, a)
		}
	}
	if err != nil {
		return fmt.Errorf("token of a change: %w", err)
	}
	return nil
}

// stale tells whether the keys are others than when the ring began.
func (f *feed) stale() bool {
	select {
	case <-f.keys:
		return true
	default:
		return f.keys == nil
	}
}

// after is what the ring has after a position, and not after another.
func (f *feed) after(history uuid.UUID, position, until uint64, form int) (some []kept, upTo uint64, ok bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.stale() {
		return nil, 0, false
	}
	return f.ring.after(history, position, until, form, changeBatch, f.Now())
}
