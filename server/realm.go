package server

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// realm is an open realm: what all services work on. Opening it takes the
// folder, so there is one at a time.
type realm struct {
	store.Realm
	dir      dir
	settings settings
	store    *store.Store
	certs    *certificates
	box      *box
	signing  atomic.Pointer[signingKey]
	list     atomic.Pointer[issued]
	tokens   *tokenCache
	changed  *notifier
	rows     *rowBudget
	newKeys  *notifier // the key list is another, and machines must ask for it
	log      *slog.Logger
	now      func() time.Time
	held     *os.File
	mark     markFile
	marked   mark // what was last written there
}

// openRealm opens the realm in d, which no other process may hold. listen, when
// not empty, replaces the address that init was told.
func openRealm(ctx context.Context, d dir, listen string, log *slog.Logger, now func() time.Time) (*realm, error) {
	set, err := d.load()
	if err != nil {
		return nil, err
	}
	if listen != "" {
		set.Listen = listen
	}
	held, err := d.lock()
	if err != nil {
		return nil, err
	}
	return openHeld(ctx, d, set, held, log, now)
}

// openHeld opens a folder that held has locked, and closes held where it fails.
func openHeld(ctx context.Context, d dir, set settings, held *os.File, log *slog.Logger, now func() time.Time) (*realm, error) {
	r := &realm{
		dir: d, settings: set, held: held, log: log, now: now, changed: newNotifier(), newKeys: newNotifier(), tokens: newTokenCache(),
		rows: newRowBudget(),
	}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *realm) open(ctx context.Context) error {
	var err error
	if r.certs, err = r.dir.certificates(r.settings, r.now); err != nil {
		return err
	}
	if r.box, err = r.dir.openBox(); err != nil {
		return err
	}
	if r.store, err = store.Open(ctx, r.dir.database()); err != nil {
		return err
	}
	var keys []ed25519.PublicKey
	err = r.store.Read(ctx, func(tx *store.Tx) error {
		if r.Realm, err = tx.Realm(); err != nil {
			return err
		}
		keys, err = tx.SigningKeys()
		return err
	})
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fmt.Errorf("the realm in %s has no signing key", r.dir)
	}
	key, err := r.dir.loadSigningKey(keys[0])
	if err != nil {
		return err
	}
	r.signing.Store(key)
	return r.openList(ctx, keys)
}

// Close lets the folder go.
func (r *realm) Close() error {
	var err error
	if r.store != nil {
		err = r.store.Close()
	}
	return errors.Join(err, r.held.Close())
}

// write runs f in a transaction and then wakes those who watch for changes.
func (r *realm) write(ctx context.Context, f func(*store.Tx) error) error {
	if err := r.store.Write(ctx, f); err != nil {
		return err
	}
	r.changed.notify()
	return nil
}

// Describe implements RealmService.
func (r *realm) Describe(ctx context.Context, _ *v1.DescribeRequest) (*v1.DescribeResponse, error) {
	is := r.list.Load()
	resp := &v1.DescribeResponse{Realm: r.Name, ServerTime: timestamppb.New(r.now()), KeyList: is.encoded, RealmKey: is.bundle.RealmKey}
	err := r.store.Read(ctx, func(tx *store.Tx) error {
		keys, err := tx.SigningKeys()
		for _, k := range keys {
			resp.SigningKeys = append(resp.SigningKeys, k)
		}
		return err
	})
	if err != nil {
		return nil, r.fault(ctx, "describe", err)
	}
	return resp, nil
}
