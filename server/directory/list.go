package directory

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	// batchBytes ends a batch of a list; it may be exceeded by one token.
	batchBytes = 256 << 10
	// listAtOnce is how many accounts of a list are read in one turn.
	listAtOnce = 256
)

// ListIDTokens implements DirectoryService. Accounts are read one part after the other, by
// their names; what changes in between comes again with Watch from the position of before.
func (d *Directory) ListIDTokens(ctx context.Context, req *v1.ListIDTokensRequest, out *connect.ServerStream[v1.ListIDTokensResponse]) error {
	m, err := d.Machine(ctx)
	if err != nil {
		return err
	}
	var at store.Standing
	err = d.reading(ctx, func(tx *store.Tx) (err error) {
		if err := d.heardOf(tx, req); err != nil {
			return err
		}
		at, err = tx.Standing()
		return err
	})
	if err != nil {
		return d.Fault(ctx, "list", err)
	}
	batch, size := &v1.ListIDTokensResponse{}, 0
	for after, more := identity.Name(""), true; more; {
		var tokens [][]byte
		if tokens, after, more, err = d.tokens(ctx, m, after); err != nil {
			return d.Fault(ctx, "list", err)
		}
		for _, signed := range tokens {
			batch.IdTokens = append(batch.IdTokens, signed)
			if size += len(signed); size >= batchBytes {
				if err := out.Send(batch); err != nil {
					return fmt.Errorf("list: %w", err)
				}
				batch, size = &v1.ListIDTokensResponse{}, 0
			}
		}
	}
	batch.Done, batch.Position, batch.History = true, at.Revision, at.History[:]
	if err := out.Send(batch); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return nil
}

// heardOf is where a server that only reads stops whose standby is behind what the machine
// holds already.
func (d *Directory) heardOf(tx *store.Tx, by *v1.ListIDTokensRequest) error {
	if d.Reads() == nil {
		return nil
	}
	history, err := historyOf(by.GetHistory())
	if err != nil {
		return err
	}
	known, err := tx.Knows(history, by.GetPosition())
	if err == nil && !known {
		err = errBehind
	}
	return err
}

// tokens are those of the next accounts after that name, of one moment, and more tells
// whether there are others behind.
func (d *Directory) tokens(ctx context.Context, m store.Machine, after identity.Name) (list [][]byte, last identity.Name, more bool, err error) {
	err = d.reading(ctx, func(tx *store.Tx) error {
		some, err := tx.AccountsFor(m.UUID, after, listAtOnce)
		if errors.Is(err, identity.ErrNotFound) {
			return realm.ErrNotJoined // any more
		}
		if err != nil || len(some) == 0 {
			return err
		}
		tokens, err := d.Tokens(ctx, tx)
		if err != nil {
			return err
		}
		for _, a := range some {
			signed, err := tokens.Of(a)
			if err != nil {
				return err
			}
			list = append(list, signed)
		}
		last, more = some[len(some)-1].Name, len(some) == listAtOnce
		return nil
	})
	return list, last, more, err
}
