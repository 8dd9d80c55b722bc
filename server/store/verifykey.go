package store

import (
	"time"

	"github.com/google/uuid"
)

// VerifyKey is the public half of the key that a person makes sure of others with.
type VerifyKey struct {
	Public []byte
	Made   time.Time
}

// VerifyKey is an account's; identity.ErrNotFound where there is none.
func (t *Tx) VerifyKey(account uuid.UUID) (k VerifyKey, err error) {
	var made int64
	err = t.get([]any{&k.Public, &made}, `SELECT public_key, made FROM verify_keys WHERE account_uuid = ?`, account)
	k.Made = time.Unix(made, 0)
	return k, err
}

// SetVerifyKey stores one in place of the account's.
func (t *Tx) SetVerifyKey(account uuid.UUID, k VerifyKey) error {
	_, err := t.exec(`INSERT INTO verify_keys (account_uuid, public_key, made) VALUES (?, ?, ?)
		ON CONFLICT (account_uuid) DO UPDATE SET public_key = excluded.public_key, made = excluded.made`, account, k.Public, k.Made.Unix())
	return err
}

// RemoveVerifyKey forgets it; identity.ErrNotFound where there is none.
func (t *Tx) RemoveVerifyKey(account uuid.UUID) error {
	return t.one(`DELETE FROM verify_keys WHERE account_uuid = ?`, account)
}
