package realm

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Reader is what a server that only reads has beside the standby: keys of its own, and what
// it has to remember. It never writes to the realm's database, also where that would let it.
type Reader struct {
	ID uuid.UUID
	// Memory is a small database in the folder, for failures, used codes and the audit log.
	Memory *store.Store
	// Left is notified when there is something to report.
	Left *Notifier

	key    ed25519.PrivateKey
	signs  *SigningKey
	codes  *ecdh.PrivateKey
	maxLag time.Duration
	// unfit is why it serves nobody now, as of the last look; nil before the first.
	unfit    atomic.Pointer[error]
	promoted atomic.Bool
}

// DefaultMaxLag is how old what a standby knows may be for logins to go by it. A standby
// cannot tell a primary that is dead from a line that is cut, so it is also how long a branch
// goes on alone.
const DefaultMaxLag = 24 * time.Hour

// Reads is the server's own where it only reads, nil at a full server.
func (r *Realm) Reads() *Reader { return r.reader }

// OnlyReads is what is answered to whatever a server that only reads cannot do. It says
// nothing about a machine or an account, and a machine asks another server.
func OnlyReads(what string) *connect.Error {
	e := connect.NewError(connect.CodeUnavailable, errors.New("this server only reads: "+what))
	if d, err := connect.NewErrorDetail(&v1.OnlyReads{}); err == nil {
		e.AddDetail(d)
	}
	return e
}

// openReading opens the standby, which is only read, and the memory.
func (r *Realm) openReading(ctx context.Context) error {
	k, err := r.Dir.readerKeys()
	if err != nil {
		return err
	}
	if r.self, err = r.Dir.identity(); err != nil {
		return err
	}
	if r.self == uuid.Nil {
		return fmt.Errorf("%s has no server.id: make the folder anew with \"sallyport-server init --read-only\"", r.Dir)
	}
	signer, err := identity.NewSigner(k.server)
	if err != nil {
		return err
	}
	pub := k.server.Public().(ed25519.PublicKey) //nolint:forcetypeassert // an Ed25519 key has no other
	r.reader = &Reader{
		ID: r.self, Left: newNotifier(), key: k.server, codes: k.codes, maxLag: r.Settings.lag(),
		signs: &SigningKey{ID: string(identity.KeyID(pub)), Pub: pub, signer: signer},
	}
	if r.certs, err = r.ownCertificate(k); err != nil {
		return err
	}
	if r.reader.Memory, err = store.Open(ctx, r.Dir.memory()); err != nil {
		return fmt.Errorf("what this server remembers: %w", err)
	}
	if r.Store, err = store.OpenReading(ctx, r.Settings.Database); err != nil {
		return err
	}
	err = r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		r.Realm, err = tx.Realm()
		return err
	})
	if err != nil {
		return err
	}
	if err := r.noticeKeys(ctx); err != nil {
		return err
	}
	return r.knownByKeyList(r.certs.current)
}

// ownCertificate is the one of --tls-cert, or one that the TLS key signs itself: machines
// know the key by the key list.
func (r *Realm) ownCertificate(k *readerKeys) (*certificates, error) {
	if s := r.Settings; s.TLSCert != "" {
		at, err := stampsOf(s.TLSCert, s.TLSKey)
		if err != nil {
			return nil, err
		}
		c, err := readCertificate(s.TLSCert, s.TLSKey)
		return &certificates{current: c, read: at}, err
	}
	c, err := selfSigned(k.tls, r.Settings.ownNames(), r.Now())
	return &certificates{current: c}, err
}

// ownNames are those by which machines reach the server.
func (s Settings) ownNames() []string {
	names := slices.Clone(s.Names)
	if u, err := url.Parse(s.URL); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	return names
}

func (s Settings) lag() time.Duration {
	if s.MaxLag > 0 {
		return time.Duration(s.MaxLag) * time.Second
	}
	return DefaultMaxLag
}

// errNotListed: what it signed, no machine would believe.
var errNotListed = connect.NewError(connect.CodeUnavailable,
	errors.New("this server only reads, and the realm does not list its key: it is not admitted yet, or was removed"))

// signing is the reader's own key, if the realm lists it at the moment of the transaction.
func (d *Reader) signing(r *Realm, tx *store.Tx) (*SigningKey, error) {
	b, err := tx.KeyList()
	if err != nil {
		return nil, fmt.Errorf("key list: %w", err)
	}
	r.noticing.Lock()
	is := r.noticed
	r.noticing.Unlock()
	if is == nil || !bytes.Equal(is.encoded, b) {
		if is, err = r.issued(tx); err != nil {
			return nil, err
		}
	}
	if !is.reads(d.signs.Pub) {
		return nil, errNotListed
	}
	return d.signs, nil
}

// reads tells whether the list names that key as one of a server that only reads.
func (is *issued) reads(key ed25519.PublicKey) bool {
	return slices.ContainsFunc(is.list.ReadOnly, func(k []byte) bool { return bytes.Equal(k, key) })
}

// judge decides, from what a look has read, whether the server may answer now.
func (d *Reader) judge(ctx context.Context, r *Realm, is store.Replication) {
	lag := r.Now().Sub(is.Heard)
	var why error
	r.noticing.Lock()
	listed := r.noticed != nil && r.noticed.reads(d.signs.Pub)
	r.noticing.Unlock()
	switch {
	case !listed:
		why = errNotListed
	case is.Standby && lag > d.maxLag:
		why = connect.NewError(connect.CodeUnavailable, fmt.Errorf("this server only reads, and its standby has heard nothing of its primary since %s: nobody is let in by what is older than %s",
			Day(is.Heard), d.maxLag))
	}
	was := d.unfit.Swap(&why)
	switch {
	case why != nil && (was == nil || *was == nil):
		r.Log.ErrorContext(ctx, "requests are refused", "reason", why)
	case why == nil && (was == nil || *was != nil):
		r.Log.InfoContext(ctx, "this server serves logins and lists, and changes nothing")
	}
	if !is.Standby && !d.promoted.Swap(true) {
		r.Log.WarnContext(ctx, "the database of this server, which only reads, is no standby: if it took its primary's place, this server goes on and still changes nothing. For changes, point a full server at that database: docs/fleet.md")
	}
	if is.Standby {
		d.promoted.Store(false)
	}
}

// fit is why it serves nobody now. Before the first look nobody knows.
func (d *Reader) fit() error {
	why := d.unfit.Load()
	if why == nil {
		return connect.NewError(connect.CodeUnavailable, errors.New("this server only reads, and has not looked at its standby yet"))
	}
	return *why
}

// KnowsServer tells whether a chain is that of a server of the realm at that host.
func (r *Realm) KnowsServer(chain []*x509.Certificate, host string) error {
	r.noticing.Lock()
	is := r.noticed
	r.noticing.Unlock()
	if is == nil {
		return errors.New("no key list is known yet")
	}
	return is.list.VerifyTLS(chain, host, r.Now())
}

// ClientCertificate proves in TLS to be this server.
func (d *Reader) ClientCertificate() (*tls.Certificate, error) { return clientCertificate(d.key) }

// errNoCode: the secret of the account's codes is not here.
var errNoCode = OnlyReads("it does not hold the secret of that one-time code, so a full server has to check it")

// CodeSecret is the secret of an account's one-time codes. At a server that only reads it is
// the copy that was sealed to it.
func (r *Realm) CodeSecret(ctx context.Context, account uuid.UUID, held store.TOTP) (identity.Secret, error) {
	d := r.reader
	if d == nil {
		return r.Box.Open(account, held.Sealed)
	}
	var sealed []byte
	err := r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		sealed, err = tx.CodeFor(d.ID, account, held.Epoch)
		return err
	})
	if errors.Is(err, identity.ErrNotFound) {
		return identity.Secret{}, errNoCode
	}
	if err != nil {
		return identity.Secret{}, err
	}
	key, err := hpke.NewDHKEMPrivateKey(d.codes)
	if err != nil {
		return identity.Secret{}, fmt.Errorf("key of one-time codes: %w", err)
	}
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), identity.SealInfo(r.Name, d.ID, account, identity.TOTP, held.Epoch), sealed)
	if err != nil {
		return identity.Secret{}, fmt.Errorf("the secret of one-time codes of %s: %w", account, err)
	}
	return identity.NewSecret(plain), nil
}

// behindKeys refuses a machine that knows a newer key list than the standby: it is no forger
// who has an older one.
func (r *Realm) behindKeys(tx *store.Tx, known uint64) error {
	is, err := r.issued(tx)
	if err != nil {
		return err
	}
	if is.list.Version < known {
		return OnlyReads("its standby has not heard of the newest key list yet")
	}
	return nil
}

// lookAtStandby finds out whether this server may answer now.
func (r *Realm) lookAtStandby(ctx context.Context) error {
	var is store.Replication
	err := r.Store.Read(ctx, func(tx *store.Tx) (err error) {
		is, err = tx.Replication()
		return err
	})
	if err == nil {
		r.reader.judge(ctx, r, is)
	}
	return err
}
