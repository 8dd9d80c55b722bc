package server

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
	// batchBytes ends a batch of a list; it may be exceeded by one token.
	batchBytes = 256 << 10
	// changeBatch is how many changes are read at once.
	changeBatch = 256
)

// directory implements DirectoryService.
type directory struct {
	*realm
	// ending is closed when the server stops, so that streams do not hold it up.
	ending <-chan struct{}
}

// GetIDToken implements DirectoryService.
func (d *directory) GetIDToken(ctx context.Context, req *v1.GetIDTokenRequest) (*v1.GetIDTokenResponse, error) {
	if _, err := d.machine(ctx); err != nil {
		return nil, err
	}
	var signed []byte
	err := d.store.Read(ctx, func(tx *store.Tx) error {
		a, err := find(tx, req)
		if err == nil {
			signed, err = d.idToken(tx, a)
		}
		return err
	})
	if errors.Is(err, identity.ErrNotFound) {
		return nil, d.noSuchAccount()
	}
	if err != nil {
		return nil, d.fault(ctx, "get id token", err)
	}
	return &v1.GetIDTokenResponse{IdToken: signed, ServerTime: timestamppb.New(d.now())}, nil
}

func find(tx *store.Tx, req *v1.GetIDTokenRequest) (store.Account, error) {
	switch by := req.GetBy().(type) {
	case *v1.GetIDTokenRequest_Name:
		return tx.AccountByName(identity.Name(by.Name))
	case *v1.GetIDTokenRequest_Uid:
		return tx.AccountByUID(by.Uid)
	case *v1.GetIDTokenRequest_Uuid:
		id, err := uuid.Parse(by.Uuid)
		if err != nil {
			return store.Account{}, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("uuid: %w", err))
		}
		return tx.Account(id)
	default:
		return store.Account{}, connect.NewError(connect.CodeInvalidArgument, errors.New("say by name, uid or uuid"))
	}
}

func (d *directory) noSuchAccount() error {
	e := connect.NewError(connect.CodeNotFound, errors.New("no such account"))
	if detail, err := connect.NewErrorDetail(&v1.NoSuchAccount{Realm: d.Name}); err == nil {
		e.AddDetail(detail)
	}
	return e
}

// ListIDTokens implements DirectoryService. Accounts are named at one moment and
// fetched after it; what changes in between comes again with Watch from the
// position of that moment.
func (d *directory) ListIDTokens(ctx context.Context, _ *v1.ListIDTokensRequest, out *connect.ServerStream[v1.ListIDTokensResponse]) error {
	if _, err := d.machine(ctx); err != nil {
		return err
	}
	var accounts []store.Account
	var position uint64
	err := d.store.Read(ctx, func(tx *store.Tx) (err error) {
		if position, err = tx.Position(); err != nil {
			return err
		}
		accounts, err = tx.Accounts()
		return err
	})
	if err != nil {
		return d.fault(ctx, "list", err)
	}
	batch, size := &v1.ListIDTokensResponse{}, 0
	for _, a := range accounts {
		signed, err := d.current(ctx, a.UUID)
		if errors.Is(err, identity.ErrNotFound) {
			continue
		}
		if err != nil {
			return d.fault(ctx, "list", err)
		}
		batch.IdTokens = append(batch.IdTokens, signed)
		if size += len(signed); size >= batchBytes {
			if err := out.Send(batch); err != nil {
				return fmt.Errorf("list: %w", err)
			}
			batch, size = &v1.ListIDTokensResponse{}, 0
		}
	}
	batch.Done, batch.Position = true, position
	if err := out.Send(batch); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return nil
}

func (d *directory) current(ctx context.Context, account uuid.UUID) (signed []byte, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		a, err := tx.Account(account)
		if err == nil {
			signed, err = d.idToken(tx, a)
		}
		return err
	})
	return signed, err
}

// Watch implements DirectoryService.
func (d *directory) Watch(ctx context.Context, req *v1.WatchRequest, out *connect.ServerStream[v1.WatchResponse]) error {
	w := watcher{directory: d, out: out, position: req.GetPosition()}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	newKeys := d.newKeys.next()
	for first := true; ; first = false {
		rung := d.changed.next()
		// Looked up each time: a machine that was removed hears nothing more.
		if _, err := d.machine(ctx); err != nil {
			return err
		}
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
		select {
		case <-rung:
		case <-beat.C:
			if err := w.send(&v1.WatchResponse{Event: &v1.WatchResponse_Alive{Alive: &v1.Alive{}}}); err != nil {
				return err
			}
		case <-newKeys: // whoever comes back asks for the key list first
			return connect.NewError(connect.CodeUnavailable, errors.New("the realm's key list has changed: ask for it"))
		case <-d.ending:
			return connect.NewError(connect.CodeUnavailable, errors.New("the server is stopping"))
		case <-ctx.Done():
			return connect.NewError(connect.CodeCanceled, ctx.Err())
		}
	}
}

// watcher is one change stream.
type watcher struct {
	*directory
	out      *connect.ServerStream[v1.WatchResponse]
	position uint64
}

func (w *watcher) send(m *v1.WatchResponse) error {
	m.Position, m.ServerTime = w.position, timestamppb.New(w.now())
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
		err := w.store.Read(ctx, func(tx *store.Tx) (err error) {
			changes, ok, err = tx.Changes(w.position, changeBatch)
			return err
		})
		if err != nil {
			return false, w.fault(ctx, "watch", err)
		}
		if !ok {
			return false, w.send(&v1.WatchResponse{Event: &v1.WatchResponse_Reset_{Reset_: &v1.Reset{}}})
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

func (w *watcher) sendChange(ctx context.Context, c store.Change) error {
	m := &v1.WatchResponse{Event: &v1.WatchResponse_Gone{Gone: c.Account.String()}}
	if !c.Gone {
		signed, err := w.current(ctx, c.Account)
		if err != nil && !errors.Is(err, identity.ErrNotFound) {
			return w.fault(ctx, "watch", err)
		}
		if err == nil {
			m.Event = &v1.WatchResponse_Changed{Changed: signed}
		}
	}
	w.position = c.Revision
	return w.send(m)
}
