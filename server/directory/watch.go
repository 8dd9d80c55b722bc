package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	heartbeat = 2 * time.Second
	// changeBatch is how many changes are read at once.
	changeBatch = 256
)

// Watch implements DirectoryService.
func (d *Directory) Watch(ctx context.Context, req *v1.WatchRequest, out *connect.ServerStream[v1.WatchResponse]) error {
	history, err := historyOf(req.GetHistory())
	if err != nil {
		return err
	}
	instance, err := historyOf(req.GetInstance())
	if err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	m, err := d.Machine(ctx)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	two := d.streams.come(m.UUID, instance, !m.Duplicated.IsZero(), end)
	version := versionOf(req.GetVersion())
	w := watcher{Directory: d, out: out, history: history, position: req.GetPosition()}
	if err := d.proof(ctx, m, req.GetNewest()); err != nil {
		return d.Fault(ctx, "proof of a loss", err)
	}
	newKeys := d.NewKeys.Next()
	for first := true; ; first = false {
		changed := d.Changed.Next()
		// Looked up at each change: a machine that was removed hears nothing more.
		looked := d.Now()
		if w.machine, err = d.Machine(ctx); err != nil {
			return err
		}
		if err := d.saw(ctx, w.machine, version, two); err != nil {
			return d.Fault(ctx, "note a machine", err)
		}
		w.duplicated, two = two || !w.machine.Duplicated.IsZero(), false
		goOn, err := w.backlog(ctx)
		if err != nil || !goOn {
			return err
		}
		if first {
			err = w.send(&v1.WatchResponse{Event: &v1.WatchResponse_CaughtUp{CaughtUp: &v1.CaughtUp{}}})
		}
		if err != nil {
			return err
		}
		if err := w.quiet(ctx, beat.C, looked, changed, newKeys); err != nil {
			return err
		}
	}
}

// quiet says that the server is there until something has changed, or it is time to store
// that the machine is there. Nothing is read for it.
func (w *watcher) quiet(ctx context.Context, beat <-chan time.Time, looked time.Time, changed, newKeys <-chan struct{}) error {
	for {
		select {
		case <-changed:
			return nil
		case <-beat:
			if err := w.send(&v1.WatchResponse{Event: &v1.WatchResponse_Alive{Alive: &v1.Alive{}}}); err != nil {
				return err
			}
			if age := w.Now().Sub(looked); age >= sawEvery || age < 0 {
				return nil
			}
		case <-newKeys: // whoever comes back asks for the key list first
			return connect.NewError(connect.CodeUnavailable, errors.New("the realm's key list has changed: ask for it"))
		case <-w.ending:
			return connect.NewError(connect.CodeUnavailable, errors.New("the server is stopping"))
		case <-ctx.Done():
			return connect.NewError(connect.CodeCanceled, ctx.Err())
		}
	}
}

// watcher is one change stream.
type watcher struct {
	*Directory
	out     *connect.ServerStream[v1.WatchResponse]
	machine store.Machine
	// duplicated: two live under the machine's name.
	duplicated bool
	history    uuid.UUID // at first the one that was asked for, then the one that is written
	position   uint64
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

func (w *watcher) send(m *v1.WatchResponse) error {
	m.Position, m.History, m.ServerTime = w.position, w.history[:], timestamppb.New(w.Now())
	m.Duplicated = w.duplicated
	if err := w.out.Send(m); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

// backlog sends every change after the position. It returns false after a reset,
// which ends the stream.
func (w *watcher) backlog(ctx context.Context) (bool, error) {
	for {
		var changes []store.Change
		var ok bool
		var reset v1.Reset
		err := w.Store.Read(ctx, func(tx *store.Tx) (err error) {
			if changes, ok, err = tx.Changes(w.history, w.position, changeBatch); err != nil {
				return err
			}
			ok = ok && w.position >= w.machine.ScopedAt
			if !ok {
				if err := w.why(tx, &reset); err != nil {
					return err
				}
			}
			now, err := tx.History()
			w.history = now.ID
			return err
		})
		if err != nil {
			return false, w.Fault(ctx, "watch", err)
		}
		if !ok {
			return false, w.send(&v1.WatchResponse{Event: &v1.WatchResponse_Reset_{Reset_: &reset}})
		}
		for _, c := range changes {
			if err := w.sendChange(ctx, c); err != nil {
				return false, err
			}
		}
		if len(changes) < changeBatch {
			return true, nil
		}
	}
}

// why fills in a reset: whether what the machine heard was lost, and why that is.
func (w *watcher) why(tx *store.Tx, reset *v1.Reset) error {
	known, err := tx.Knows(w.history, w.position)
	if err != nil || known {
		return err
	}
	reset.Lost = true
	loss, err := tx.Loss()
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	reset.Reason = loss.Why
	return err
}

func (w *watcher) sendChange(ctx context.Context, c store.Change) error {
	m := &v1.WatchResponse{Event: &v1.WatchResponse_Gone{Gone: c.Account.String()}}
	if !c.Gone {
		signed, err := w.current(ctx, w.machine, c.Account)
		if err != nil && !errors.Is(err, identity.ErrNotFound) {
			return w.Fault(ctx, "watch", err)
		}
		if err == nil {
			m.Event = &v1.WatchResponse_Changed{Changed: signed}
		}
	}
	w.position = c.Revision
	return w.send(m)
}
