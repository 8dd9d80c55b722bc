package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// backlog sends every change after the position, from the ring where that has them and
// the machine may know everybody, else from the database. It returns false after a reset,
// which ends the stream.
func (w *watcher) backlog(ctx context.Context) (bool, error) {
	for {
		some, upTo, ok := w.ringed()
		if !ok {
			var reset *v1.Reset
			var err error
			if some, upTo, reset, err = w.stored(ctx); err != nil {
				return false, err
			}
			if reset != nil {
				return false, w.send(ctx, &v1.WatchResponse{Event: &v1.WatchResponse_Reset_{Reset_: reset}})
			}
		}
		for _, k := range some {
			w.position = k.Revision
			if err := w.send(ctx, w.event(k)); err != nil {
				return false, err
			}
		}
		if w.heard = upTo; len(some) < changeBatch {
			return true, nil
		}
	}
}

func (w *watcher) ringed() (some []kept, upTo uint64, ok bool) {
	if w.machine.Scoped || w.position < w.machine.ScopedAt {
		return nil, 0, false
	}
	return w.feed.after(w.history, w.heard, w.at.Revision, w.form)
}

// event is a change as it is sent: an account that there is not, or that the machine may
// not know, is gone.
func (w *watcher) event(k kept) *v1.WatchResponse {
	if k.signed[w.form] == nil {
		return &v1.WatchResponse{Event: &v1.WatchResponse_Gone{Gone: k.Account.String()}}
	}
	return &v1.WatchResponse{Event: &v1.WatchResponse_Changed{Changed: k.signed[w.form]}}
}

// stored reads the next changes from the database, or why there must be a reset.
func (w *watcher) stored(ctx context.Context) (some []kept, upTo uint64, reset *v1.Reset, err error) {
	err = w.look(ctx, func(tx *store.Tx) error {
		changes, ok, err := tx.Changes(w.history, w.heard, changeBatch)
		if err != nil {
			return err
		}
		if !ok || w.position < w.machine.ScopedAt {
			reset = new(v1.Reset)
			err = w.why(tx, reset)
		}
		w.history, upTo = w.at.History, w.at.Revision
		if err != nil || reset != nil {
			return err
		}
		if len(changes) == changeBatch {
			upTo = changes[changeBatch-1].Revision
		}
		for _, c := range changes {
			k := kept{Change: c}
			if !c.Gone {
				k.signed[w.form], err = w.current(ctx, tx, w.machine, c.Account)
			}
			if err != nil && !errors.Is(err, identity.ErrNotFound) {
				return err
			}
			some = append(some, k)
		}
		return nil
	})
	return some, upTo, reset, err
}

// look reads the machine that calls, where the realm stands, and what more says, of one
// moment.
func (w *watcher) look(ctx context.Context, more func(*store.Tx) error) error {
	out := false
	err := w.reading(ctx, func(tx *store.Tx) (err error) {
		if w.at, err = tx.Standing(); err != nil {
			return err
		}
		if err := w.NoteTerm(tx, w.at.Term); err != nil {
			return err
		}
		m, err := tx.MachineByKey(realm.CallerOf(ctx).Key)
		if out = errors.Is(err, identity.ErrNotFound) || !m.Quarantined.IsZero(); out {
			return nil
		}
		if err != nil {
			return err
		}
		w.machine = m
		if more != nil {
			err = more(tx)
		}
		return err
	})
	if err != nil {
		return w.Fault(ctx, "watch", err)
	}
	if !out {
		return nil
	}
	if _, err := w.Machine(ctx); err != nil {
		return err // it says why
	}
	return realm.ErrNotJoined // it was out a moment ago, and may come again
}

// errBehind is said to a machine that has heard more than the standby.
var errBehind = realm.OnlyReads("its standby has not heard yet what the machine knows")

// why fills in a reset: whether what the machine heard was lost, and why that is.
func (w *watcher) why(tx *store.Tx, reset *v1.Reset) error {
	known, err := tx.Knows(w.history, w.position)
	if err != nil || known {
		return err
	}
	if w.Reads() != nil {
		// The machine has heard more than the standby, or of a history that it has not heard
		// of: whether that was lost, a full server says.
		return errBehind
	}
	reset.Lost = true
	loss, err := tx.Loss()
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	reset.Reason = loss.Why
	return err
}

// slow is after how long without taking what was sent a machine is one that does not read.
// Who serves the streams gives each write a deadline that is later.
const slow = 10 * time.Second

func (w *watcher) send(ctx context.Context, m *v1.WatchResponse) error {
	m.Position, m.History, m.ServerTime = w.position, w.history[:], timestamppb.New(w.Now())
	m.Duplicated = w.duplicated
	began := time.Now()
	err := w.out.Send(m)
	if took := time.Since(began); took >= w.slow && (err != nil || ctx.Err() != nil) {
		w.Log.WarnContext(ctx, "a machine does not read its change stream: it is cut off, and may come again",
			"machine", string(w.machine.Name), "host", realm.CallerOf(ctx).Host, "waited", took.Round(time.Millisecond))
		return connect.NewError(connect.CodeDeadlineExceeded, errors.New("the machine does not read its change stream"))
	}
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}
