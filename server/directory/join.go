package directory

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Join implements MachineService.
func (d *Directory) Join(ctx context.Context, req *v1.JoinRequest) (*v1.JoinResponse, error) {
	c := realm.CallerOf(ctx)
	key := ed25519.PublicKey(req.GetPublicKey())
	if c.Key == nil || !c.Key.Equal(key) {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("the key to join with must be that of the TLS client certificate"))
	}
	hash := realm.HashJoinCode(req.GetCode())
	one, many := false, false
	err := d.Store.Read(ctx, func(tx *store.Tx) (err error) {
		one, many, err = tx.IsCode(hash, d.Now())
		return err
	})
	if err != nil {
		return nil, d.Fault(ctx, "join", err)
	}
	if !one && !many {
		return nil, d.refuse(ctx, c)
	}
	name := identity.Name("")
	if many {
		if name, err = identity.ParseShortName(req.GetName()); err != nil {
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("the code is of a join token, so the machine says its name: %w (upgrade sallyport on it if it is older than the server)", err))
		}
	}
	resp := &v1.JoinResponse{Realm: d.Name, IdMin: d.IDs.Min, IdMax: d.IDs.Max}
	err = d.Write(ctx, func(tx *store.Tx) (err error) {
		if resp.KeyList, resp.RealmKey, err = d.KeyList(tx); err != nil {
			return err
		}
		var joined store.Machine
		if many {
			joined, err = tx.JoinByToken(hash, name, key, d.Now())
		} else {
			joined, err = tx.Join(hash, key, d.Now())
		}
		if err != nil {
			return err
		}
		d.streams.forget(joined.UUID)
		resp.MachineUuid, resp.MachineName = joined.UUID.String(), string(joined.Name)
		keys, err := tx.SigningKeys()
		if err != nil {
			return err
		}
		for _, k := range keys {
			resp.SigningKeys = append(resp.SigningKeys, k)
		}
		return tx.Record(store.Entry{Time: d.Now(), Actor: "machine " + string(joined.Name), Action: "machine.join", Subject: string(joined.Name), Detail: strings.TrimSpace("from " + c.Host + " " + byToken(joined))})
	})
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return nil, d.refuse(ctx, c)
	case errors.Is(err, store.ErrExists) && many:
		return nil, connect.NewError(connect.CodeAlreadyExists, fmt.Errorf(
			"a machine called %s is in the realm already: join under another name (--name), or take the old one out with \"sallyport-server machine remove %[1]s\"", name))
	case errors.Is(err, store.ErrExists):
		return nil, connect.NewError(connect.CodeAlreadyExists, errors.New("a machine has joined with this key already"))
	case err != nil:
		return nil, d.Fault(ctx, "join", err)
	}
	return resp, nil
}

func byToken(m store.Machine) string {
	if m.Token == "" {
		return ""
	}
	return "token=" + string(m.Token)
}

// refuse answers a wrong code. Of those each host, and all of them together, have so many a
// minute; a right one is never kept waiting by them.
func (d *Directory) refuse(ctx context.Context, c realm.Caller) error {
	if !d.tries.use(c.Host, d.Now()) {
		return connect.NewError(connect.CodeResourceExhausted, errors.New("too many wrong codes to join with: wait a minute"))
	}
	err := d.Store.Write(ctx, func(tx *store.Tx) error {
		return tx.Record(store.Entry{Time: d.Now(), Actor: "host " + c.Host, Action: "machine.join.refused"})
	})
	if err != nil {
		return d.Fault(ctx, "join", err)
	}
	return connect.NewError(connect.CodePermissionDenied,
		errors.New("the join code is wrong, used or expired: get a new one with \"sallyport-server machine add NAME\""))
}

// quota lets each host, and all of them together, try so often a minute.
type quota struct {
	each, all int

	mu    sync.Mutex
	since time.Time
	total int
	used  map[string]int
}

func newQuota(each, all int) *quota { return &quota{each: each, all: all, used: make(map[string]int)} }

func (q *quota) use(host string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if age := now.Sub(q.since); age >= time.Minute || age < 0 {
		q.since, q.total = now, 0
		clear(q.used)
	}
	if q.total >= q.all || q.used[host] >= q.each {
		return false
	}
	q.total++
	q.used[host]++
	return true
}
