package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// IdentityWallet is a wallet with which an account may log in to the identity service.
type IdentityWallet struct {
	Address []byte
	Added   time.Time
}

// IdentityWalletOf is the account whose wallet that is; identity.ErrNotFound where it is
// nobody's.
func (t *Tx) IdentityWalletOf(address []byte) (account uuid.UUID, err error) {
	err = t.get([]any{&account}, `SELECT account_uuid FROM identity_wallets WHERE address = ?`, address)
	return account, err
}

// IdentityWallets lists those of an account, the oldest first.
func (t *Tx) IdentityWallets(account uuid.UUID) (list []IdentityWallet, err error) {
	err = t.each(func(row *sql.Rows) error {
		var w IdentityWallet
		var added int64
		err := row.Scan(&w.Address, &added)
		w.Added = time.Unix(added, 0)
		list = append(list, w)
		return err
	}, `SELECT address, added FROM identity_wallets WHERE account_uuid = ? ORDER BY added, address`, account)
	return list, err
}

// AddIdentityWallet stores one, which must be nobody's.
func (t *Tx) AddIdentityWallet(account uuid.UUID, w IdentityWallet) error {
	_, err := t.exec(`INSERT INTO identity_wallets (address, account_uuid, added) VALUES (?, ?, ?)`, w.Address, account, w.Added.Unix())
	return err
}

// RemoveIdentityWallet forgets one of an account's, and ends the tokens that it gave;
// identity.ErrNotFound where it is not that account's.
func (t *Tx) RemoveIdentityWallet(account uuid.UUID, address []byte) error {
	if _, err := t.exec(`DELETE FROM identity_tokens WHERE account_uuid = ? AND wallet = ?`, account, address); err != nil {
		return err
	}
	return t.one(`DELETE FROM identity_wallets WHERE account_uuid = ? AND address = ?`, account, address)
}

// ErrNonceUsed says that a message was used already.
var ErrNonceUsed = errors.New("used already")

// UseIdentityNonce takes the nonce of a wallet's message, once until the message is over;
// ErrNonceUsed where it was taken. Those of messages that are over are forgotten. now must be
// [Tx.Clock]'s, which never goes back.
func (t *Tx) UseIdentityNonce(address []byte, nonce string, until, now time.Time) error {
	if _, err := t.exec(`DELETE FROM identity_nonces WHERE expires <= ?`, now.Unix()); err != nil {
		return err
	}
	err := t.one(`INSERT INTO identity_nonces (wallet, nonce, expires) VALUES (?, ?, ?) ON CONFLICT (wallet, nonce) DO NOTHING`,
		address, nonce, until.Add(time.Second).Unix()) // whole seconds, never too few
	if errors.Is(err, identity.ErrNotFound) {
		return ErrNonceUsed
	}
	return err
}
