package directory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Directory implements DirectoryService, and of MachineService what does not ask about an
// authentication.
type Directory struct {
	*realm.Realm
	streams   *streams
	tries     *quota
	feed      *feed
	pulses    pulses
	begun     sync.Once // feed and pulses, with the first stream
	gate      gate
	sightings *sightings
	slow      time.Duration
	// ending is closed when the server stops, so that streams do not hold it up.
	ending <-chan struct{}
}

// New serves a realm until ending is closed.
func New(r *realm.Realm, ending <-chan struct{}) *Directory {
	return &Directory{
		Realm: r, streams: newStreams(), tries: newQuota(10, 200), ending: ending,
		feed: newFeed(r), pulses: newPulses(), gate: newGate(), sightings: newSightings(r, ending), slow: slow,
	}
}

// GetIDToken implements DirectoryService. A token that was signed before, for a machine that
// may have it, is found by one query; whatever is not so is looked at step by step.
func (d *Directory) GetIDToken(ctx context.Context, req *v1.GetIDTokenRequest) (*v1.GetIDTokenResponse, error) {
	by, err := accountBy(req)
	if err != nil {
		if _, out := d.Machine(ctx); out != nil {
			return nil, out
		}
		return nil, err
	}
	signed, err := d.kept(ctx, by)
	if err == nil && signed == nil {
		signed, err = d.token(ctx, by)
	}
	if errors.Is(err, identity.ErrNotFound) {
		return nil, d.noSuchAccount()
	}
	if err != nil {
		return nil, d.Fault(ctx, "get id token", err)
	}
	return &v1.GetIDTokenResponse{IdToken: signed, ServerTime: timestamppb.New(d.Now())}, nil
}

// kept is a token that was signed before, nil where there is none for whoever calls.
func (d *Directory) kept(ctx context.Context, by store.By) ([]byte, error) {
	key := realm.CallerOf(ctx).Key
	if key == nil {
		return nil, nil
	}
	a, signs, err := d.Store.AccountForKey(ctx, key, by)
	if errors.Is(err, identity.ErrNotFound) {
		return nil, nil // token tells why
	}
	if err != nil {
		return nil, err
	}
	signed, _ := d.KeptToken(ctx, a, signs)
	return signed, nil
}

// token looks the machine up, and the account, and signs.
func (d *Directory) token(ctx context.Context, by store.By) (signed []byte, err error) {
	m, err := d.Machine(ctx)
	if err != nil {
		return nil, err
	}
	err = d.Store.Read(ctx, func(tx *store.Tx) error {
		a, err := tx.AccountBy(by)
		if err == nil {
			err = admitted(tx, m, a.UUID)
		}
		if err == nil {
			signed, err = d.IDToken(ctx, tx, a)
		}
		return err
	})
	return signed, err
}

func accountBy(req *v1.GetIDTokenRequest) (store.By, error) {
	switch by := req.GetBy().(type) {
	case *v1.GetIDTokenRequest_Name:
		return store.ByName(identity.Name(by.Name)), nil
	case *v1.GetIDTokenRequest_Uid:
		return store.ByUID(by.Uid), nil
	case *v1.GetIDTokenRequest_Uuid:
		id, err := uuid.Parse(by.Uuid)
		if err != nil {
			return store.By{}, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("uuid: %w", err))
		}
		return store.ByUUID(id), nil
	default:
		return store.By{}, connect.NewError(connect.CodeInvalidArgument, errors.New("say by name, uid or uuid"))
	}
}

func (d *Directory) noSuchAccount() error {
	e := connect.NewError(connect.CodeNotFound, errors.New("no such account"))
	if detail, err := connect.NewErrorDetail(&v1.NoSuchAccount{Realm: d.Name}); err == nil {
		e.AddDetail(detail)
	}
	return e
}

// admitted is identity.ErrNotFound for an account beyond the machine's scope.
func admitted(tx *store.Tx, m store.Machine, account uuid.UUID) error {
	if !m.Scoped {
		return nil
	}
	yes, err := tx.Admits(m.UUID, account)
	if err == nil && !yes {
		err = fmt.Errorf("%w: beyond the machine's scope", identity.ErrNotFound)
	}
	return err
}

// current is the account's token for that machine, identity.ErrNotFound where there is
// no such account for it.
func (d *Directory) current(ctx context.Context, tx *store.Tx, m store.Machine, account uuid.UUID) ([]byte, error) {
	a, err := tx.Account(account)
	if err == nil {
		err = admitted(tx, m, account)
	}
	if err != nil {
		return nil, err
	}
	return d.IDToken(ctx, tx, a)
}
