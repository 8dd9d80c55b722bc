package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// changeBatch is how many changes are read at once.
const changeBatch = 256

// Watch implements DirectoryService.
func (d *Directory) Watch(ctx context.Context, req *v1.WatchRequest, out *connect.ServerStream[v1.WatchResponse]) error {
	w, err := d.watcher(ctx, req, out)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	d.feed.there[w.form].Add(1)
	err = w.run(ctx, end, req)
	d.feed.there[w.form].Add(-1)
	end()
	return err
}

// watcher is a new stream's. It is apart from Watch, which stays on the stack of each
// stream that waits: with all of it there, most stacks are twice as large.
func (d *Directory) watcher(ctx context.Context, req *v1.WatchRequest, out *connect.ServerStream[v1.WatchResponse]) (*watcher, error) {
	history, err := historyOf(req.GetHistory())
	if err != nil {
		return nil, err
	}
	instance, err := historyOf(req.GetInstance())
	if err != nil {
		return nil, err
	}
	d.begun.Do(func() {
		go d.feed.follow(d.ending)
		go d.pulses.run(d.ending)
	})
	w := &watcher{
		Directory: d, out: out, form: formOf(ctx), pulse: d.pulses.of(req.GetPatience()), instance: instance,
		history: history, position: req.GetPosition(), heard: req.GetPosition(),
		version: versionOf(req.GetVersion()), newKeys: d.NewKeys.Next(),
	}
	w.phase = w.pulse.phase()
	return w, nil
}

// run is the whole life of a stream, which end ends.
func (w *watcher) run(ctx context.Context, end context.CancelFunc, req *v1.WatchRequest) error {
	now := w.feed.current.Load() // before anything is read: what comes after that is waited for
	defer func() { w.ClockGoes(w.machine.UUID, w.clock) }()
	does := func() (bool, error) { return w.arrive(ctx, end, req) }
	for {
		if goOn, err := apart(does); err != nil || !goOn {
			return err
		}
		does = func() (bool, error) { return w.follow(ctx, now) }
		if err := w.tellEnded(ctx, now); err != nil {
			return err
		}
		next, err := w.quiet(ctx, now)
		if err != nil {
			return err
		}
		now = next
	}
}

// arrive looks the machine up, and begins.
func (w *watcher) arrive(ctx context.Context, end context.CancelFunc, req *v1.WatchRequest) (bool, error) {
	if err := w.look(ctx, nil); err != nil {
		return false, err
	}
	w.term = w.at.Term
	w.SayTerm(w.out.ResponseHeader()) // as new as what was read
	w.clock = w.ClockComes(w.machine.UUID, timeOf(req.GetMachineTime()))
	two := w.streams.come(w.machine.UUID, w.instance, !w.machine.Duplicated.IsZero(), end)
	two = w.lease(ctx) || two
	return w.begin(ctx, req.GetNewest(), two)
}

// apart runs f on a stack of its own. One that has been deep once, as for reading the
// database, stays large for as long as the stream waits: that is 8 KB for each machine.
func apart(f func() (bool, error)) (goOn bool, err error) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		goOn, err = f()
	}()
	<-done
	if panicked != nil {
		panic(panicked) // which ends this stream alone
	}
	return goOn, err
}

// timeOf is a time that a machine says, zero where it says none.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

// watcher is one change stream.
type watcher struct {
	*Directory
	out     *connect.ServerStream[v1.WatchResponse]
	newKeys <-chan struct{}
	form    int
	pulse   *pulse
	phase   int // of its heartbeats
	version string
	machine store.Machine
	// instance is the machine's, uuid.Nil where it says none, and before the one in its row
	// when the stream began.
	instance uuid.UUID
	before   string
	// at is where the realm stood when the machine's row was read: nothing that is newer is
	// sent by what the row says.
	at    store.Standing
	clock uint64    // of what the machine says of its clock
	term  uint64    // that the machine was told when the stream began
	noted time.Time // when it was last noted that the machine is there
	// duplicated: two live under the machine's name.
	duplicated bool
	history    uuid.UUID // at first the one that was asked for, then the one that is written
	position   uint64    // of the last change that was sent
	heard      uint64    // there are no other changes up to here
	ended      uint64    // which ended grants the machine was told of
	settings   *settings // that the machine was told
}

// settings are what a machine is to go by.
type settings struct {
	certificatesOnly bool
	version          uint64
}

// tellSettings says what the machine is to go by, where that is news. To a machine that does
// not know them the message says no more than that the server is there.
func (w *watcher) tellSettings(ctx context.Context) error {
	is := settings{!w.machine.AcceptsKeys(), w.machine.StoredKeysAt}
	if w.settings != nil && *w.settings == is {
		return nil
	}
	w.settings = &is
	return w.send(ctx, &v1.WatchResponse{Settings: &v1.MachineSettings{CertificatesOnly: is.certificatesOnly, Version: is.version}})
}

// tellEnded says which grants were ended early, where that is news.
func (w *watcher) tellEnded(ctx context.Context, now *view) error {
	if now.standing.Ended == w.ended { // also where nothing could be read
		return nil
	}
	w.ended = now.standing.Ended
	return w.send(ctx, &v1.WatchResponse{
		Event: &v1.WatchResponse_Alive{Alive: &v1.Alive{}}, Ended: &v1.EndedGrants{Requests: now.ended},
	})
}

// begin sends what the machine has not heard yet, and that it has caught up.
func (w *watcher) begin(ctx context.Context, newest []byte, two bool) (bool, error) {
	if err := w.proof(ctx, w.machine, newest); err != nil {
		return false, w.Fault(ctx, "proof of a loss", err)
	}
	w.duplicated = two || !w.machine.Duplicated.IsZero()
	if two {
		if err := w.duplicate(ctx); err != nil {
			return false, w.Fault(ctx, "note a copy", err)
		}
		w.noted = w.Now()
	} else {
		w.saw(ctx)
	}
	if err := w.tellSettings(ctx); err != nil { // before the machine goes by what it hears
		return false, err
	}
	goOn, err := w.backlog(ctx)
	if err != nil || !goOn {
		return false, err
	}
	return true, w.send(ctx, &v1.WatchResponse{Event: &v1.WatchResponse_CaughtUp{CaughtUp: &v1.CaughtUp{}}})
}

// quiet says that the server is there until the feed has read something. Nothing is read
// for it.
func (w *watcher) quiet(ctx context.Context, now *view) (*view, error) {
	for {
		select {
		case <-now.next:
			return w.feed.current.Load(), nil
		case <-w.pulse.next(w.phase):
			if err := w.send(ctx, &v1.WatchResponse{Event: &v1.WatchResponse_Alive{Alive: &v1.Alive{}}}); err != nil {
				return nil, err
			}
			if age := w.Now().Sub(w.noted); age >= sawEvery || age < 0 {
				w.saw(ctx)
			}
		case <-w.newKeys: // whoever comes back asks for the key list first
			return nil, connect.NewError(connect.CodeUnavailable, errors.New("the realm's key list has changed: ask for it"))
		case <-w.ending:
			return nil, connect.NewError(connect.CodeUnavailable, errors.New("the server is stopping"))
		case <-ctx.Done():
			return nil, connect.NewError(connect.CodeCanceled, ctx.Err())
		}
	}
}

// follow does what the newest view asks for. It returns false after a reset, which ends
// the stream.
func (w *watcher) follow(ctx context.Context, now *view) (bool, error) {
	if now.err != nil {
		return false, now.err
	}
	if now.standing.Term > w.term { // whoever comes back is told it
		return false, connect.NewError(connect.CodeUnavailable, errors.New("the server has another copy of the database now: ask again"))
	}
	// A machine that was removed hears nothing more. The feed's word counts where it is as
	// new as this stream's own, and lets the machine go on; else the database is asked.
	m, known := now.machines[w.machine.UUID]
	if known && now.standing.History == w.at.History && now.standing.Machines >= w.at.Machines &&
		m.Key.Equal(w.machine.Key) && m.Quarantined.IsZero() {
		w.machine, w.at = m, now.standing
	} else if err := w.look(ctx, nil); err != nil {
		return false, err
	}
	if w.displaced() {
		return false, connect.NewError(connect.CodeUnavailable, errors.New("another daemon of this machine has come: if this one lives, it comes again"))
	}
	w.duplicated = !w.machine.Duplicated.IsZero()
	if err := w.tellSettings(ctx); err != nil { // before the machine goes by what it hears
		return false, err
	}
	if now.standing.History == w.history && now.standing.Revision <= w.heard && w.position >= w.machine.ScopedAt {
		return true, nil // it was news for others
	}
	return w.backlog(ctx)
}

// historyOf reads a history from the wire; none is uuid.Nil.
func historyOf(b []byte) (uuid.UUID, error) {
	if len(b) == 0 {
		return uuid.Nil, nil
	}
	h, err := uuid.FromBytes(b)
	if err != nil {
		return uuid.Nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("history: %w", err))
	}
	return h, nil
}
