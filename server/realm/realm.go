package realm

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/sshagent"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Realm is an open realm: what all services work on. Opening it takes the
// folder, so there is one at a time.
type Realm struct {
	store.Realm // as the database has it
	Dir         Dir
	Settings    Settings
	Store       *store.Store
	// Box encrypts secrets for the database.
	Box *Box
	// SSHAgent signs ssh certificates where an ssh-agent keeps their keys.
	SSHAgent sshagent.Agent
	// Changed is notified of every change that machines are to hear of, and NewKeys when the
	// key list is another, so that they ask for it.
	Changed, NewKeys *Notifier
	// Rows bounds what clients write into the audit log.
	Rows *RowBudget
	Log  *slog.Logger
	Now  func() time.Time
	// Servers is used in place of the list that the database gives; for tests.
	Servers ServerSource

	certs   *certificates
	signers signers
	reader  *Reader   // nil at a full server
	self    uuid.UUID // of this server; uuid.Nil before it served
	tokens  *tokenCache
	skew    atomic.Int64 // of the clock, a time.Duration
	terms   terms
	clocks  clocks
	// noticed is the key list that machines were last told of.
	noticing sync.Mutex
	noticed  *issued
	held     *os.File
	mark     markFile
	marked   mark // what was last written there
}

// ServerSource is a list of the realm's servers for machines, signed (identity.ServerList);
// nothing: there is none.
type ServerSource func(tx *store.Tx) ([]byte, error)

// Open opens the realm in d, which no other process may hold. listen, when
// not empty, replaces the address that init was told.
func Open(ctx context.Context, d Dir, listen string, log *slog.Logger, now func() time.Time) (*Realm, error) {
	set, err := d.Load()
	if err != nil {
		return nil, err
	}
	if listen != "" {
		set.Listen = listen
	}
	held, err := d.Lock()
	if err != nil {
		return nil, err
	}
	return openHeld(ctx, d, set, held, log, now)
}

// openHeld opens a folder that held has locked, and closes held where it fails.
func openHeld(ctx context.Context, d Dir, set Settings, held *os.File, log *slog.Logger, now func() time.Time) (*Realm, error) {
	r := &Realm{
		Dir: d, Settings: set, held: held, Log: log, Now: now, Changed: newNotifier(), NewKeys: newNotifier(), tokens: newTokenCache(),
		Rows: newRowBudget(), SSHAgent: sshagent.Agent{Socket: sshagent.DefaultSocket},
	}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Realm) open(ctx context.Context) error {
	var err error
	if r.Settings.ReadOnly {
		return r.openReading(ctx)
	}
	if r.Box, err = r.Dir.OpenBox(); err != nil {
		return err
	}
	if r.self, err = r.Dir.identity(); err != nil {
		return err
	}
	if r.Store, err = store.Open(ctx, r.Dir.DatabaseOf(r.Settings)); err != nil {
		return err
	}
	if err := r.mayWrite(ctx); err != nil {
		return err
	}
	if err := r.adoptFiles(ctx); err != nil {
		return err
	}
	err = r.Store.Read(ctx, func(tx *store.Tx) error {
		if r.Realm, err = tx.Realm(); err != nil {
			return err
		}
		if _, err := r.signing(tx); err != nil {
			return err
		}
		r.certs, err = r.certificates(tx)
		return err
	})
	if err != nil {
		return err
	}
	if err := r.settleKeys(ctx); err != nil {
		return err
	}
	return r.noticeKeys(ctx)
}

// Close lets the folder go.
func (r *Realm) Close() error {
	var err error
	if r.Store != nil {
		err = r.Store.Close()
	}
	if r.reader != nil && r.reader.Memory != nil {
		err = errors.Join(err, r.reader.Memory.Close())
	}
	return errors.Join(err, r.held.Close())
}

// mayWrite refuses a full server on a standby.
func (r *Realm) mayWrite(ctx context.Context) error {
	var is store.Replication
	err := r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		is, err = tx.Replication()
		return err
	})
	if err == nil && is.Standby {
		err = errors.New("the database is a standby, which follows another one: nothing can be changed there. " +
			"Give the primary's address in server.json (several hosts, with target_session_attrs=read-write, if either may be the primary), " +
			"or make a server that only reads with \"sallyport-server init --read-only\"")
	}
	return err
}

// Write runs f in a transaction and then wakes those who watch for changes, at other
// servers of the realm as well.
func (r *Realm) Write(ctx context.Context, f func(*store.Tx) error) error {
	err := r.Store.Write(ctx, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return tx.Announce()
	})
	if err != nil {
		return err
	}
	r.Changed.Notify()
	return nil
}

// Describe implements RealmService.
func (r *Realm) Describe(ctx context.Context, req *v1.DescribeRequest) (*v1.DescribeResponse, error) {
	resp := &v1.DescribeResponse{Realm: r.Name, ServerTime: timestamppb.New(r.Now())}
	err := r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if resp.KeyList, resp.RealmKey, err = r.KeyList(tx); err != nil {
			return err
		}
		if r.reader != nil { // it signs no list of servers
			return r.behindKeys(tx, req.GetKeyListVersion())
		}
		keys, err := tx.SigningKeys()
		for _, k := range keys {
			resp.SigningKeys = append(resp.SigningKeys, k)
		}
		if err != nil {
			return err
		}
		if r.Servers == nil {
			resp.Servers, err = r.serverList(tx)
		} else {
			resp.Servers, err = r.Servers(tx)
		}
		return err
	})
	if err != nil {
		return nil, r.Fault(ctx, "describe", err)
	}
	return resp, nil
}
