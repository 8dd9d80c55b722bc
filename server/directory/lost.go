package directory

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// proof looks at the newest token that a machine shows. One that this realm signed, of
// changes that the database does not have, proves that they were lost. Whoever has none
// can bring nothing about, and each lost history counts once.
func (d *Directory) proof(ctx context.Context, m store.Machine, newest []byte) error {
	if len(newest) == 0 || d.Reads() != nil { // what a standby does not have yet is not lost
		return nil
	}
	var t *identity.IDToken
	known := true
	err := d.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if t, err = d.SignedHere(tx, newest); err != nil || t.History == uuid.Nil {
			return err
		}
		if known, err = tx.Knows(t.History, t.Revision); err != nil || known {
			return err
		}
		known, err = tx.IsLost(t.History)
		return err
	})
	if errors.Is(err, identity.ErrToken) {
		return nil // it proves nothing
	}
	if err != nil || known {
		return err
	}
	return d.Write(ctx, func(tx *store.Tx) error { return d.Lost(tx, m.Name, t) })
}

// maxReported bounds one report of lost accounts.
const maxReported = 256

// ReportLost implements DirectoryService.
func (d *Directory) ReportLost(ctx context.Context, req *v1.ReportLostRequest) (*v1.ReportLostResponse, error) {
	m, err := d.Machine(ctx)
	if err != nil {
		return nil, err
	}
	if len(req.GetIdTokens()) > maxReported {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("at most %d tokens in one report", maxReported))
	}
	resp := &v1.ReportLostResponse{}
	err = d.Store.Write(ctx, func(tx *store.Tx) error {
		for _, signed := range req.GetIdTokens() {
			n, err := d.reserve(tx, m, signed)
			if err != nil {
				return err
			}
			resp.Reserved += n
		}
		return nil
	})
	if err != nil {
		return nil, d.Fault(ctx, "report lost accounts", err)
	}
	return resp, nil
}

// reserve keeps the ids of one lost account and its groups. A token that is not this
// realm's, or of an account that is known, reserves nothing.
func (d *Directory) reserve(tx *store.Tx, m store.Machine, signed []byte) (n uint32, err error) {
	t, err := d.SignedHere(tx, signed)
	if errors.Is(err, identity.ErrToken) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	owners := []store.ReservedID{{ID: t.Account.UID, Owner: t.Account.UUID, Name: t.Account.Name}}
	for _, g := range t.Groups {
		owners = append(owners, store.ReservedID{ID: g.GID, Owner: g.UUID, Name: g.Name})
	}
	for _, o := range owners {
		o.Machine, o.Seen = string(m.Name), d.Now()
		fresh, err := tx.Reserve(o)
		if err != nil {
			return n, err
		}
		if fresh {
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	return n, tx.Record(store.Entry{
		Time: d.Now(), Actor: "machine " + string(m.Name), Action: "realm.reserve-ids", Subject: string(t.Account.Name),
		Detail: fmt.Sprintf("uid=%d account=%s, which this server does not know; ids kept: %d", t.Account.UID, t.Account.UUID, n),
	})
}
