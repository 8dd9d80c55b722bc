package realm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Admit lists the key of a server that only reads, in the key list and in the list of
// servers. codes lets it hold the secrets of one-time codes.
func (k Keys) Admit(ctx context.Context, q *ReaderRequest, codes bool, realmKey []byte) (*v1.KeysView, error) {
	trust, err := json.Marshal(q.TLS)
	if err != nil {
		return nil, fmt.Errorf("admit a server: %w", err)
	}
	return k.change(ctx, func(tx *store.Tx) error {
		if k.Settings.Database == "" {
			return RefusalError("a realm in a file has no standby: \"sallyport-server move\" takes it into PostgreSQL")
		}
		readers, err := tx.Readers()
		if err != nil {
			return err
		}
		trusts, err := k.trusts(tx)
		if err != nil {
			return err
		}
		if len(readers) >= identity.MaxReadOnly || len(trusts) >= maxTrusts {
			return RefusalError(fmt.Sprintf("the key list has no room for another server that only reads: there are %d, and %d keys for TLS of at most %d. Remove one that is gone with \"sallyport-server server remove\"",
				len(readers), len(trusts), maxTrusts))
		}
		if err := tx.AddReader(store.Reader{ID: q.ID, URL: q.URL, TLS: trust, Key: q.Key, CodesKey: q.Codes, Codes: codes, Admitted: k.Now()}); err != nil {
			return err
		}
		_, err = k.reissue(tx, realmKey, nil)
		return err
	})
}

// Expel takes the key of a server that only reads out of both lists: what it signed, nobody
// believes any more who has the new one.
func (k Keys) Expel(ctx context.Context, id uuid.UUID, realmKey []byte) (*v1.KeysView, error) {
	return k.change(ctx, func(tx *store.Tx) error {
		if err := tx.RemoveReader(id, k.Now()); err != nil {
			return err
		}
		_, err := k.reissue(tx, realmKey, nil)
		return err
	})
}

// sealAtOnce bounds the secrets that are sealed in one transaction.
const sealAtOnce = 256

// SealCodes gives the servers that only read, and may check one-time codes, their copies of
// secrets that are new.
func (r *Realm) SealCodes(ctx context.Context) error {
	if r.reader != nil {
		return nil
	}
	for {
		more := false
		missing := func(tx *store.Tx, each func(store.Reader, []store.SealedCode) error) error {
			readers, err := tx.Readers()
			for _, d := range readers {
				if !d.Codes {
					continue
				}
				list, err := tx.CodesToSeal(d.ID, sealAtOnce)
				if err == nil && len(list) > 0 {
					more = true
					err = each(d, list)
				}
				if err != nil {
					return err
				}
			}
			return err
		}
		err := r.Store.Read(ctx, func(tx *store.Tx) error {
			return missing(tx, func(store.Reader, []store.SealedCode) error { return nil })
		})
		if err != nil || !more {
			return err
		}
		err = r.Store.Write(ctx, func(tx *store.Tx) error {
			return missing(tx, func(d store.Reader, list []store.SealedCode) error { return r.sealTo(tx, d, list) })
		})
		if err != nil {
			return err
		}
	}
}

func (r *Realm) sealTo(tx *store.Tx, d store.Reader, list []store.SealedCode) error {
	for _, c := range list {
		secret, err := r.Box.Open(c.Account, c.Sealed)
		if err != nil {
			return err
		}
		c.Sealed, err = identity.SealTo(d.CodesKey, identity.SealInfo(r.Name, d.ID, c.Account, identity.TOTP, c.Epoch), secret)
		secret.Wipe()
		if err != nil {
			return fmt.Errorf("seal for server %s: %w", d.ID, err)
		}
		if err := tx.SealCode(d.ID, c); err != nil {
			return err
		}
	}
	return nil
}
