package store

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// VerifyKey is the public half of the key that a person makes sure of others with.
type VerifyKey struct {
	Public []byte
	Made   time.Time
	// Partners: realms that this one is a partner of are told of the account.
	Partners bool
}

// VerifyKey is an account's; identity.ErrNotFound where there is none.
func (t *Tx) VerifyKey(account uuid.UUID) (k VerifyKey, err error) {
	var made int64
	err = t.get([]any{&k.Public, &made, &k.Partners}, `SELECT public_key, made, partners FROM verify_keys WHERE account_uuid = ?`, account)
	k.Made = time.Unix(made, 0)
	return k, err
}

// SetVerifyKey stores one in place of the account's. What partners are told, or were, is a
// change of the account.
func (t *Tx) SetVerifyKey(account uuid.UUID, k VerifyKey) error {
	before, err := t.VerifyKey(account)
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return err
	}
	_, err = t.exec(`INSERT INTO verify_keys (account_uuid, public_key, made, partners) VALUES (?, ?, ?, ?)
		ON CONFLICT (account_uuid) DO UPDATE SET public_key = excluded.public_key, made = excluded.made, partners = excluded.partners`,
		account, k.Public, k.Made.Unix(), k.Partners)
	if err == nil && k.Partners {
		_, err = t.exec(`INSERT INTO partner_told (account_uuid) VALUES (?) ON CONFLICT DO NOTHING`, account)
	}
	if err == nil && (k.Partners || before.Partners) {
		_, err = t.touch(account)
	}
	return err
}

// RemoveVerifyKey forgets it; identity.ErrNotFound where there is none.
func (t *Tx) RemoveVerifyKey(account uuid.UUID) error {
	before, err := t.VerifyKey(account)
	if err != nil {
		return err
	}
	if err := t.one(`DELETE FROM verify_keys WHERE account_uuid = ?`, account); err != nil || !before.Partners {
		return err
	}
	_, err = t.touch(account)
	return err
}
