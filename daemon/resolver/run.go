package resolver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/provider"
)

// Reasons to end a change stream ourselves.
var (
	errSilent = errors.New("the change stream fell silent")
	errRelist = errors.New("the list must be read again")
)

// keepClockEvery is how often the high-water mark and the contact are stored: a
// crash sets them back by no more.
const keepClockEvery = time.Minute

// Run follows the server until ctx ends, and returns nil then. It never gives up.
func (d *Resolver) Run(ctx context.Context) error {
	defer d.stop()
	var wg sync.WaitGroup
	wg.Go(func() { d.keepTime(ctx) })
	wg.Go(func() { d.follow(ctx) })
	wg.Go(func() { d.followLocal(ctx) })
	wg.Wait()
	return nil
}

func (d *Resolver) keepTime(ctx context.Context) {
	tick := time.NewTicker(keepClockEvery)
	defer tick.Stop()
	for {
		if err := d.clock.Keep(d.base); err != nil {
			d.log.WarnContext(ctx, "the clock's mark is not stored", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Note applies an event to the link and logs what changed.
func (d *Resolver) Note(e Event, err error) {
	if lost := new(provider.AnewError); e == Failed && errors.As(err, &lost) {
		return // one server of several: another may answer
	}
	before, after := d.link.note(e, err)
	if !d.link.watches && e == Answered {
		d.contactAt.Store(d.clock.Now().UnixNano())
	}
	defer d.restand()
	if errors.Is(err, provider.ErrUntrusted) {
		what, mend := alarmed(err)
		d.log.Error("ALARM: "+what+" "+mend, "error", err)
	}
	if before != after {
		d.log.Info("link to the server", "was", before.String(), "is", after.String(), "reason", err)
	}
}

// follow connects, and connects again.
func (d *Resolver) follow(ctx context.Context) {
	wait := d.p.BackoffMin
	for {
		lived, err := d.once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errHistory):
			d.Note(Broken, err)
			d.log.InfoContext(ctx, "asking the server where it stands", "reason", err)
			continue
		case errors.Is(err, errRelist):
			d.listDue.Store(true)
			d.log.InfoContext(ctx, "reading the whole list again", "reason", err)
		case err == nil: // a provider without a change stream
			if !pause(ctx, d.LookEvery(), d.refreshNow) {
				return
			}
			continue
		case lived:
			d.Note(Broken, err)
		default:
			d.Note(Failed, err)
		}
		if lived {
			wait = d.p.BackoffMin
		}
		// Jitter, so that a thousand machines do not return as one.
		if !pause(ctx, wait/2+rand.N(wait/2+1), nil) { //nolint:gosec // no secret
			return
		}
		wait = min(2*wait, d.p.BackoffMax)
	}
}

// pause waits for so long, or until it is woken; false when ctx has ended.
func pause(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-woken:
		return true
	case <-ctx.Done():
		return false
	}
}

// once lists when that is due, and follows changes until the stream ends. Lived
// tells whether the server was there.
func (d *Resolver) once(ctx context.Context) (lived bool, err error) {
	lists, watches := d.Capable()
	k := d.kept.Load()
	unstored := d.TakeUnstored()
	if lists && (!watches || !k.Complete || k.Position == 0 || unstored || d.listDue.Load()) {
		if err := d.List(ctx, d.o.Provider.Lister); err != nil {
			return false, err
		}
		lived = true
	}
	d.o.BeforeWatch(ctx)
	if !watches {
		if !lists {
			return true, d.Refresh(ctx)
		}
		d.Note(Answered, nil)
		return true, nil
	}
	saw, err := d.watch(ctx)
	return lived || saw, err
}

// batchSize bounds the memory that a list takes on its way to the cache.
const batchSize = 256

// List reads every account, and forgets those that are not in a whole list.
func (d *Resolver) List(ctx context.Context, l provider.Lister) error {
	// One that is not open vouches for nothing yet, and disowns nothing.
	if err := d.o.Provider.Unready(); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if err := d.Disown(ctx); err != nil {
		return err
	}
	list := d.index.BeginList()
	was := d.kept.Load()
	var batch []provider.Record
	seen := make(map[uuid.UUID]bool)
	position, err := l.List(ctx, func(r provider.Record) error {
		if r.Token == nil {
			return fmt.Errorf("%w: the list has an empty record", provider.ErrOffline)
		}
		seen[r.Token.Account.UUID] = true
		if batch = append(batch, r); len(batch) == batchSize {
			_ = d.Apply(ctx, Update{Records: batch, List: list}) // logged there; the position waits
			batch = batch[:0]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	n := Update{Records: batch, List: list, After: was, Contact: &cache.Contact{
		Position: position.Revision, History: position.History, Complete: true, At: d.clock.Now(), LostAt: was.LostAt, LostWhy: was.LostWhy,
	}}
	d.index.Moved(was.History, position.History)
	d.heard.set(position)
	for _, p := range d.index.All() {
		// What came meanwhile by another way may be newer than the list.
		if !seen[p.UUID()] && !list.Since(p) {
			n.Gone = append(n.Gone, p.UUID())
		}
	}
	if was.Disowned {
		d.reportLost(ctx, n.Gone)
	}
	n.Gone = append(n.Gone, d.refused.only(seen)...)
	if err := d.Apply(ctx, n); err != nil || d.Unstored() {
		// The list is whole in memory; on disk it is asked for again next time.
		d.kept.CompareAndSwap(was, n.Contact)
		d.restand()
	}
	if d.kept.Load() != n.Contact {
		return errRelist // the cache was cleared meanwhile
	}
	d.index.EndDisown()
	d.listDue.Store(false)
	if len(n.Gone) > 0 {
		d.askAgain()
	}
	// A list passes through far more memory than it leaves in use, and is rare.
	go debug.FreeOSMemory()
	return nil
}

// watch follows one change stream to its end.
func (d *Resolver) watch(ctx context.Context) (saw bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.relist.Store(&cancel)
	defer d.relist.Store(nil)
	silence := time.AfterFunc(d.p.WatchSilence, func() { cancel(errSilent) })
	defer silence.Stop()
	s := stream{d: d}
	err = d.o.Provider.Watcher.Watch(ctx, d.position(), d.newest(ctx), func(e provider.Event) error {
		silence.Reset(d.p.WatchSilence)
		saw = true
		return s.event(ctx, e)
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err == nil {
		err = fmt.Errorf("%w: the change stream ended", provider.ErrOffline)
	}
	return saw, err
}

func (d *Resolver) position() provider.Position {
	k := d.kept.Load()
	return provider.Position{History: k.History, Revision: k.Position}
}

// stream is where one change stream stands.
type stream struct {
	d      *Resolver
	caught bool
}

func (s *stream) event(ctx context.Context, e provider.Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("change stream: %w", err)
	}
	d := s.d
	d.clock.Contact(e.ServerTime)
	if d.twin.Swap(e.Duplicated) != e.Duplicated && e.Duplicated {
		d.log.ErrorContext(ctx, "ALARM: the server sees two machines under this one's name: one of them is a copy")
	}
	was := d.kept.Load()
	k := *was
	if e.Kind == provider.Reset {
		return d.Reset(ctx, e)
	}
	moved := e.Position.History != k.History
	if moved {
		d.index.Moved(k.History, e.Position.History)
		k.History = e.Position.History
		d.log.InfoContext(ctx, "the server goes on in another history, and nothing was lost", "history", k.History)
	}
	k.Position = max(k.Position, e.Position.Revision)
	d.heard.stream(provider.Position{History: k.History, Revision: k.Position})
	if s.caught || e.Kind == provider.CaughtUp {
		k.At = d.clock.Now()
		d.contactAt.Store(k.At.UnixNano())
	}
	n := Update{Contact: &k, After: was}
	switch e.Kind {
	case provider.Changed:
		n.Records = []provider.Record{e.Record}
	case provider.Gone:
		n.Gone = []uuid.UUID{e.UUID}
	case provider.CaughtUp:
		s.caught = true
		_ = d.Apply(ctx, n)
		d.o.OnContact(true)
		d.Note(CaughtUp, nil)
		return nil
	case provider.Alive:
		if !s.caught {
			return nil
		}
		d.o.OnContact(false)
		d.Note(Alive, nil)
		if k.At.Sub(was.At) < keepClockEvery && !moved {
			return nil
		}
	default:
		return fmt.Errorf("%w: event of kind %d", provider.ErrOffline, e.Kind)
	}
	_ = d.Apply(ctx, n) // logged there; a failure holds the kept position back
	if e.Kind == provider.Gone {
		d.askAgain()
	}
	return nil
}

// askAgain fetches the accounts that were refused because another held what is
// theirs, now that one has gone.
func (d *Resolver) askAgain() {
	for _, r := range d.refused.held() {
		go func() { _ = d.FetchName(d.base, r) }() // a no stays a refusal
	}
}
