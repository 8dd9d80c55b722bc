package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// IdentityService is how the identity service is set.
type IdentityService struct {
	Enabled bool
	// Sealed are its OPAQUE keys, encrypted.
	Sealed []byte
	// IdleDays is for how many days a token is good without being used, MostDays at most.
	IdleDays, MostDays uint32
	// WalletChain is the chain that messages of wallets are for.
	WalletChain uint64
}

// IdentityService reads it; identity.ErrNotFound where it was never switched on.
func (t *Tx) IdentityService() (s IdentityService, err error) {
	err = t.get([]any{&s.Enabled, &s.Sealed, &s.IdleDays, &s.MostDays, &s.WalletChain}, `SELECT enabled, sealed, idle_days, most_days, wallet_chain FROM identity_service`)
	return s, err
}

// SetIdentityService stores it in place of the one before.
func (t *Tx) SetIdentityService(s IdentityService) error {
	_, err := t.exec(`INSERT INTO identity_service (one, enabled, sealed, idle_days, most_days, wallet_chain) VALUES (1, ?, ?, ?, ?, ?)
		ON CONFLICT (one) DO UPDATE SET enabled = excluded.enabled, sealed = excluded.sealed, idle_days = excluded.idle_days, most_days = excluded.most_days,
		wallet_chain = excluded.wallet_chain`,
		s.Enabled, s.Sealed, s.IdleDays, s.MostDays, int64(s.WalletChain)) //nolint:gosec // of 63 bits
	return err
}

// IdentityRecord is what an account has registered by OPAQUE.
type IdentityRecord struct {
	Credential, Record []byte
	Made               time.Time
}

// IdentityRecord reads it; identity.ErrNotFound where the account has none.
func (t *Tx) IdentityRecord(account uuid.UUID) (r IdentityRecord, err error) {
	var made int64
	err = t.get([]any{&r.Credential, &r.Record, &made}, `SELECT credential, record, made FROM identity_records WHERE account_uuid = ?`, account)
	r.Made = time.Unix(made, 0)
	return r, err
}

// SetIdentityRecord stores it in place of the one before, whose tokens end.
func (t *Tx) SetIdentityRecord(account uuid.UUID, r IdentityRecord) error {
	if _, err := t.exec(`DELETE FROM identity_tokens WHERE account_uuid = ?`, account); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO identity_records (account_uuid, credential, record, made) VALUES (?, ?, ?, ?)
		ON CONFLICT (account_uuid) DO UPDATE SET credential = excluded.credential, record = excluded.record, made = excluded.made`,
		account, r.Credential, r.Record, r.Made.Unix())
	return err
}

// SetIdentityCode stores the code with which an account may register, in place of the one
// before.
func (t *Tx) SetIdentityCode(account uuid.UUID, hash []byte, expires time.Time) error {
	_, err := t.exec(`INSERT INTO identity_codes (account_uuid, code_hash, expires) VALUES (?, ?, ?)
		ON CONFLICT (account_uuid) DO UPDATE SET code_hash = excluded.code_hash, expires = excluded.expires`, account, hash, expires.Unix())
	return err
}

// IdentityCode is the account whose code that is, and is not over; identity.ErrNotFound where
// there is none.
func (t *Tx) IdentityCode(hash []byte, now time.Time) (account uuid.UUID, err error) {
	err = t.get([]any{&account}, `SELECT account_uuid FROM identity_codes WHERE code_hash = ? AND expires > ?`, hash, now.Unix())
	return account, err
}

// UseIdentityCode takes a code away; identity.ErrNotFound where it was taken, or is over.
func (t *Tx) UseIdentityCode(account uuid.UUID, hash []byte, now time.Time) error {
	return t.one(`DELETE FROM identity_codes WHERE account_uuid = ? AND code_hash = ? AND expires > ?`, account, hash, now.Unix())
}

// IdentityToken is what is kept of a token of a device.
type IdentityToken struct {
	Device   string
	Hash     []byte
	AuthType string
	// Wallet is the address that it was given for; nil: none.
	Wallet        []byte
	Created, Used time.Time
}

const identityTokenColumns = `device, token_hash, auth_type, wallet, created, used`

func scanIdentityToken(scan func(...any) error) (k IdentityToken, err error) {
	var created, used int64
	err = scan(&k.Device, &k.Hash, &k.AuthType, &k.Wallet, &created, &used)
	k.Created, k.Used = time.Unix(created, 0), time.Unix(used, 0)
	return k, err
}

// IdentityToken reads the one of a device; identity.ErrNotFound where it has none.
func (t *Tx) IdentityToken(account uuid.UUID, device string) (IdentityToken, error) {
	return scanIdentityToken(func(into ...any) error {
		return t.get(into, `SELECT `+identityTokenColumns+` FROM identity_tokens WHERE account_uuid = ? AND device = ?`, account, device)
	})
}

// IdentityTokens lists those of an account, by device.
func (t *Tx) IdentityTokens(account uuid.UUID) (list []IdentityToken, err error) {
	err = t.each(func(row *sql.Rows) error {
		k, err := scanIdentityToken(row.Scan)
		list = append(list, k)
		return err
	}, `SELECT `+identityTokenColumns+` FROM identity_tokens WHERE account_uuid = ? ORDER BY device`, account)
	return list, err
}

// SetIdentityToken stores the one of a device in place of the one before. An account has so
// many at most: the one that was used least lately makes room.
func (t *Tx) SetIdentityToken(account uuid.UUID, k IdentityToken, most int) error {
	_, err := t.exec(`INSERT INTO identity_tokens (account_uuid, `+identityTokenColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account_uuid, device) DO UPDATE SET token_hash = excluded.token_hash, auth_type = excluded.auth_type, wallet = excluded.wallet, created = excluded.created, used = excluded.used`,
		account, k.Device, k.Hash, k.AuthType, k.Wallet, k.Created.Unix(), k.Used.Unix())
	if err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM identity_tokens WHERE account_uuid = ? AND device <> ? AND device NOT IN (
		SELECT device FROM identity_tokens WHERE account_uuid = ? AND device <> ? ORDER BY used DESC, device LIMIT ?)`, account, k.Device, account, k.Device, most-1)
	return err
}

// UsedIdentityToken notes that a token was used, if it is still the one.
func (t *Tx) UsedIdentityToken(account uuid.UUID, device string, hash []byte, now time.Time) error {
	_, err := t.exec(`UPDATE identity_tokens SET used = ? WHERE account_uuid = ? AND device = ? AND token_hash = ?`, now.Unix(), account, device, hash)
	return err
}

// RemoveIdentityToken ends the token of a device; identity.ErrNotFound where it has none.
func (t *Tx) RemoveIdentityToken(account uuid.UUID, device string) error {
	return t.one(`DELETE FROM identity_tokens WHERE account_uuid = ? AND device = ?`, account, device)
}

// RemoveIdentity takes away what an account has registered, with its wallets, its tokens and
// its code; identity.ErrNotFound where it had neither a password nor a wallet.
func (t *Tx) RemoveIdentity(account uuid.UUID) error {
	wallets, err := t.exec(`DELETE FROM identity_wallets WHERE account_uuid = ?`, account)
	if err != nil {
		return err
	}
	for _, table := range []string{`identity_tokens`, `identity_codes`} {
		if _, err := t.exec(`DELETE FROM `+table+` WHERE account_uuid = ?`, account); err != nil {
			return err
		}
	}
	err = t.one(`DELETE FROM identity_records WHERE account_uuid = ?`, account)
	if wallets > 0 && errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	return err
}
