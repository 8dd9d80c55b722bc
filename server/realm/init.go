package realm

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// InitOptions describe a new realm.
type InitOptions struct {
	Dir    string // made if missing; must hold no realm yet
	Realm  string
	Listen string // host:port
	// TLSNames are further names and addresses for the certificate.
	TLSNames []string
	// TLSCert and TLSKey are PEM files to serve instead of a certificate from
	// the realm's own CA.
	TLSCert, TLSKey string
	// IDs is where ids are allotted from; the zero value means
	// identity.DefaultIDRange.
	IDs identity.IDRange
	// Database is the address of a PostgreSQL database; "": a file in the folder.
	Database string
	// Owner is the address by which the role that owns the tables signs in to that database;
	// "": the one that serves owns them.
	Owner string
	// SealKey is the file seal.key of a server of the realm that the database holds, for
	// InitAnother.
	SealKey string
	// URL is where machines reach this server; "": they are not told.
	URL string
	// OfflineDays is for how many days machines may go on without contact.
	OfflineDays uint32
	// MaxLag is for InitReading: how old what the standby knows may be; 0: DefaultMaxLag.
	MaxLag time.Duration
}

// Init makes a realm: folder, keys, certificate authority and database. The
// settings file is written last but for the realm key, so a folder without one is no
// realm; whoever opens a realm without a realm key makes it.
func Init(ctx context.Context, o InitOptions) error {
	if o.IDs == (identity.IDRange{}) {
		o.IDs = identity.DefaultIDRange
	}
	if err := o.check(); err != nil {
		return err
	}
	d, held, err := o.folder()
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }()
	if err := d.fill(ctx, o); err != nil {
		return err
	}
	return d.firstOpening(ctx, held)
}

// folder makes the folder, where there is none, and takes it. It must hold no realm.
func (o InitOptions) folder() (Dir, *os.File, error) {
	d := Dir(o.Dir)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return d, nil, fmt.Errorf("make folder: %w", err)
	}
	if err := os.Chmod(o.Dir, 0o700); err != nil { //nolint:gosec // a folder
		return d, nil, fmt.Errorf("make folder: %w", err)
	}
	held, err := d.Lock()
	if err != nil {
		return d, nil, err
	}
	_, err1 := os.Stat(d.Database())
	_, err2 := os.Stat(d.settings())
	if err1 == nil || err2 == nil {
		return d, nil, errors.Join(fmt.Errorf("%s holds a realm already: choose another --dir", d), held.Close())
	}
	return d, held, nil
}

// firstOpening makes the realm key and the first key list.
func (d Dir) firstOpening(ctx context.Context, held *os.File) error {
	set, err := d.Load()
	if err != nil {
		return err
	}
	r, err := openHeld(ctx, d, set, held, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return err
	}
	if ca := r.certs.ca; ca != nil {
		err = d.showAuthority(ca)
	}
	return errors.Join(err, r.Store.Close())
}

func (o InitOptions) check() error {
	if o.Realm == "" {
		return errors.New("a realm needs a name: --realm NAME")
	}
	if err := identity.CheckText(o.Realm, identity.MaxRealmLen); err != nil {
		return fmt.Errorf("realm name: %w", err)
	}
	if _, _, err := net.SplitHostPort(o.Listen); err != nil {
		return fmt.Errorf("--listen wants HOST:PORT: %w", err)
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key come together")
	}
	if o.Database != "" {
		if err := store.CheckAddress(o.Database); err != nil {
			return fmt.Errorf("--database: %w", err)
		}
	}
	if o.Owner != "" && o.Database == "" {
		return errors.New("--owner goes with --database")
	}
	if o.URL != "" {
		if err := identity.CheckServerURL(o.URL); err != nil {
			return fmt.Errorf("--url: %w", err)
		}
	}
	if err := o.IDs.Validate(); err != nil {
		return fmt.Errorf("--id-range: %w", err)
	}
	if o.OfflineDays > 3650 {
		return fmt.Errorf("--offline-days %d: at most 3650", o.OfflineDays)
	}
	return nil
}

func (d Dir) fill(ctx context.Context, o InitOptions) error {
	set, err := o.settings()
	if err != nil {
		return err
	}
	seal := make([]byte, sealKeyLen)
	if _, err := rand.Read(seal); err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	if err := WriteNew(d.sealKey(), seal); err != nil {
		return err
	}
	if err := d.found(ctx, o, set); err != nil {
		// Nothing stands in the way of the next try.
		return errors.Join(err, os.Remove(d.sealKey()))
	}
	return d.keep(set)
}

// found makes the realm in its database, with its first keys.
func (d Dir) found(ctx context.Context, o InitOptions, set Settings) error {
	if set.Database != "" {
		if err := store.Migrate(ctx, cmp.Or(o.Owner, set.Database), set.Database); err != nil {
			return err
		}
	}
	r := store.Realm{Name: o.Realm, IDs: o.IDs, OfflineFor: o.OfflineDays * 24 * 60 * 60}
	if err := store.Create(ctx, d.DatabaseOf(set), r); err != nil {
		return err
	}
	s, err := store.Open(ctx, d.DatabaseOf(set))
	if err != nil {
		return err
	}
	return errors.Join(d.firstKeys(ctx, s, o), s.Close())
}

// settings are what the server is to go by.
func (o InitOptions) settings() (Settings, error) {
	set := Settings{Listen: o.Listen, Names: o.TLSNames, Database: o.Database, URL: o.URL}
	if o.TLSCert == "" {
		return set, nil
	}
	cert, err1 := filepath.Abs(o.TLSCert)
	key, err2 := filepath.Abs(o.TLSKey)
	if err := errors.Join(err1, err2); err != nil {
		return set, fmt.Errorf("certificate: %w", err)
	}
	set.TLSCert, set.TLSKey = cert, key
	_, err := readCertificate(cert, key)
	return set, err
}

// keep writes the settings, with which the folder is one of a realm.
func (d Dir) keep(set Settings) error {
	b, err := set.Encode()
	if err != nil {
		return err
	}
	return WriteNew(d.settings(), b)
}

func (d Dir) firstKeys(ctx context.Context, s *store.Store, o InitOptions) error {
	box, err := d.OpenBox()
	if err != nil {
		return err
	}
	return s.Write(ctx, func(tx *store.Tx) error {
		now := time.Now()
		if _, err := box.addSigningKey(tx, now); err != nil {
			return err
		}
		if o.TLSCert == "" {
			if err := box.newAuthority(tx, o.Realm, now); err != nil {
				return err
			}
		}
		return tx.Record(store.Entry{Time: now, Actor: LocalActor(), Action: "realm.init"})
	})
}

// LocalActor is who runs this process, as the audit log writes it.
func LocalActor() string { return fmt.Sprintf("uid %d", os.Getuid()) }
