package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

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

// sealFactors seals the TOTP secret of an account to the machine on which it has
// just been proved, if the realm's policy lets that machine hold it.
func (r *realm) sealFactors(tx *store.Tx, s *session, a store.Account) ([]sealedFactor, error) {
	if s.client.sealTo == nil || !slices.Contains(s.methods(), identity.TOTP) {
		return nil, nil
	}
	if may, err := tx.MayHoldCodes(s.client.id, a.UUID); err != nil || !may {
		return nil, err
	}
	held, err := tx.TOTP(a.UUID)
	if errors.Is(err, identity.ErrNotFound) {
		return nil, nil // taken away just now
	}
	if err != nil {
		return nil, err
	}
	secret, err := r.box.open(a.UUID, held.Sealed)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	blob, err := identity.SealTo(s.client.sealTo, identity.SealInfo(r.Name, s.client.id, a.UUID, identity.TOTP, held.Epoch), secret)
	if err != nil {
		return nil, fmt.Errorf("seal for %s: %w", s.client.actor(), err)
	}
	err = tx.Record(store.Entry{
		Time: r.now(), Actor: s.client.actor(), Action: "totp.seal", Subject: string(a.Name),
		Detail: fmt.Sprintf("epoch=%d key=%s", held.Epoch, fingerprintOf(s.client.sealTo)),
	})
	sum := sha256.Sum256(s.client.sealTo)
	return []sealedFactor{{identity.TOTP, held.Epoch, blob, held.LastStep, sum[:]}}, err
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
