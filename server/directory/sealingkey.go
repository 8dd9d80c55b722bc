package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// SetSealingKey implements MachineService.
func (d *Directory) SetSealingKey(ctx context.Context, req *v1.SetSealingKeyRequest) (*v1.SetSealingKeyResponse, error) {
	caller, err := d.Machine(ctx)
	if err != nil {
		return nil, err
	}
	key := req.GetSealingKey()
	// Sealing something is the whole proof that one can seal to it.
	if _, err := identity.SealTo(key, nil, identity.NewSecret([]byte{0})); err != nil || len(key) != identity.SealingKeyLen {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("the sealing key is not an uncompressed point of P-256"))
	}
	if !bytes.Equal(caller.SealingKey, key) && !d.Rows.Note(caller.UUID, "machine "+string(caller.Name), realm.RowKey, d.Now()) {
		return nil, connect.NewError(connect.CodeResourceExhausted, errors.New("the sealing key of this machine changes too often: wait a minute"))
	}
	err = d.Store.Write(ctx, func(tx *store.Tx) error {
		changed, err := tx.SetSealingKey(caller.UUID, key)
		if err != nil || !changed {
			return err
		}
		detail := "key=" + fingerprint(key)
		if caller.SealingKey != nil {
			detail += " before=" + fingerprint(caller.SealingKey)
			d.Log.ErrorContext(ctx, "ALARM: a machine has another sealing key than before: its seal was lost or replaced, or it is a copy", "machine", string(caller.Name))
		}
		return tx.Record(store.Entry{
			Time: d.Now(), Actor: "machine " + string(caller.Name), Action: "machine.sealing-key", Subject: string(caller.Name), Detail: detail,
		})
	})
	if err != nil {
		return nil, d.Fault(ctx, "set the sealing key", err)
	}
	return &v1.SetSealingKeyResponse{}, nil
}

func fingerprint(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}
