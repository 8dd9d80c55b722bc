package realm

import (
	"bytes"
	"context"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// noticeKeys takes up the keys that the database has now, whichever server changed them: it
// serves certificates of the authority that there is, and has machines ask for a list that
// takes something away from what they know.
func (r *Realm) noticeKeys(ctx context.Context) error {
	r.noticing.Lock()
	defer r.noticing.Unlock()
	var is *issued
	var ca []byte
	err := r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		_, term, err := tx.Term()
		if err != nil {
			return err
		}
		if err := r.NoteTerm(tx, term); err != nil { // by the key that signs now
			return err
		}
		if is, err = r.issued(tx); err != nil || r.Settings.TLSCert != "" || r.reader != nil {
			return err
		}
		ca, _, err = tx.Authority()
		return err
	})
	if err != nil {
		return err
	}
	if ca != nil && !bytes.Equal(ca, r.certs.authority()) {
		if err := r.takeAuthority(ctx); err != nil {
			return err
		}
	}
	if was := r.noticed; was != nil && !adds(was, is) {
		r.NewKeys.Notify()
	}
	r.noticed = is
	return nil
}

// adds tells whether a machine that knows a list can go on with it until it meets a key
// that is new to it: nothing that it names is gone. A key of ssh certificates is not met: a
// machine knows it or refuses what it signed.
func adds(was, is *issued) bool {
	return bytes.Equal(was.bundle.RealmKey, is.bundle.RealmKey) &&
		!slices.ContainsFunc(was.list.Keys, func(k []byte) bool {
			return len(is.list.Keys) < identity.MaxListKeys && !slices.ContainsFunc(is.list.Keys, func(n []byte) bool { return bytes.Equal(k, n) })
		}) &&
		!slices.ContainsFunc(was.list.ReadOnly, func(k []byte) bool { return !is.reads(k) }) &&
		slices.EqualFunc(was.list.TLS, is.list.TLS, identity.TLSTrust.Equal) &&
		slices.EqualFunc(was.list.SSHUsers, is.list.SSHUsers, bytes.Equal) && slices.EqualFunc(was.list.SSHHosts, is.list.SSHHosts, bytes.Equal)
}

// takeAuthority serves certificates of the authority in the database.
func (r *Realm) takeAuthority(ctx context.Context) error {
	return r.Store.Read(ctx, func(tx *store.Tx) error {
		ca, err := r.Box.authority(tx)
		if err != nil {
			return err
		}
		if err := r.certs.replace(ca); err != nil {
			return err
		}
		return r.Dir.showAuthority(ca)
	})
}
