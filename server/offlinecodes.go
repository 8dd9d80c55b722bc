package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// sealedFactor is a factor's secret that only one client can read.
type sealedFactor struct {
	kind     identity.FactorKind
	epoch    uint64
	blob     []byte
	lastStep int64
	key      []byte // SHA-256 of what it was sealed to
}

// sealFactors seals what the client may hold of the factors that were proved on it.
func (e *engine) sealFactors(tx *store.Tx, s *session, a store.Account) ([]sealedFactor, error) {
	var all []sealedFactor
	for _, f := range e.factors {
		by, ok := f.(sealer)
		if !ok {
			continue
		}
		sealed, err := by.seal(e, tx, s, a)
		if err != nil {
			return nil, err
		}
		all = append(all, sealed...)
	}
	return all, nil
}

func fingerprintOf(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// SetSealingKey implements MachineService.
func (m *machines) SetSealingKey(ctx context.Context, req *v1.SetSealingKeyRequest) (*v1.SetSealingKeyResponse, error) {
	caller, err := m.machine(ctx)
	if err != nil {
		return nil, err
	}
	key := req.GetSealingKey()
	// Sealing something is the whole proof that one can seal to it.
	if _, err := identity.SealTo(key, nil, identity.NewSecret([]byte{0})); err != nil || len(key) != identity.SealingKeyLen {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("the sealing key is not an uncompressed point of P-256"))
	}
	if !bytes.Equal(caller.SealingKey, key) && !m.rows.note(caller.UUID, "machine "+string(caller.Name), rowKey, m.now()) {
		return nil, connect.NewError(connect.CodeResourceExhausted, errors.New("the sealing key of this machine changes too often: wait a minute"))
	}
	err = m.store.Write(ctx, func(tx *store.Tx) error {
		changed, err := tx.SetSealingKey(caller.UUID, key)
		if err != nil || !changed {
			return err
		}
		detail := "key=" + fingerprintOf(key)
		if caller.SealingKey != nil {
			detail += " before=" + fingerprintOf(caller.SealingKey)
			m.log.ErrorContext(ctx, "ALARM: a machine has another sealing key than before: its seal was lost or replaced, or it is a copy", "machine", string(caller.Name))
		}
		return tx.Record(store.Entry{
			Time: m.now(), Actor: "machine " + string(caller.Name), Action: "machine.sealing-key", Subject: string(caller.Name), Detail: detail,
		})
	})
	if err != nil {
		return nil, m.fault(ctx, "set the sealing key", err)
	}
	return &v1.SetSealingKeyResponse{}, nil
}
