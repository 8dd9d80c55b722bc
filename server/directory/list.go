package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	// batchBytes ends a batch of a list; it may be exceeded by one token.
	batchBytes = 256 << 10
	// listAtOnce is how many accounts of a list are read in one turn.
	listAtOnce = 256
)

// ListIDTokens implements DirectoryService. Accounts are named at one moment and
// fetched after it; what changes in between comes again with Watch from the
// position of that moment.
func (d *Directory) ListIDTokens(ctx context.Context, _ *v1.ListIDTokensRequest, out *connect.ServerStream[v1.ListIDTokensResponse]) error {
	m, err := d.Machine(ctx)
	if err != nil {
		return err
	}
	var accounts []store.Account
	var at store.Standing
	err = d.reading(ctx, func(tx *store.Tx) (err error) {
		if at, err = tx.Standing(); err != nil {
			return err
		}
		accounts, err = tx.Accounts()
		return err
	})
	if err != nil {
		return d.Fault(ctx, "list", err)
	}
	batch, size := &v1.ListIDTokensResponse{}, 0
	for some := range slices.Chunk(accounts, listAtOnce) {
		tokens, err := d.tokens(ctx, m, some)
		if err != nil {
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

// tokens are those of the accounts that there still are, of one moment.
func (d *Directory) tokens(ctx context.Context, m store.Machine, some []store.Account) (list [][]byte, err error) {
	err = d.reading(ctx, func(tx *store.Tx) error {
		for _, a := range some {
			signed, err := d.current(ctx, tx, m, a.UUID)
			if errors.Is(err, identity.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			list = append(list, signed)
		}
		return nil
	})
	return list, err
}
