package realm

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// The files of a server that only reads.
func (d Dir) serverKey() string { return filepath.Join(string(d), "server.key") }
func (d Dir) tlsKey() string    { return filepath.Join(string(d), "tls.key") }
func (d Dir) codesKey() string  { return filepath.Join(string(d), "codes.key") }
func (d Dir) memory() string    { return filepath.Join(string(d), "memory.db") }

// readerKeys are its private keys. None of them is in the realm's database.
type readerKeys struct {
	server ed25519.PrivateKey
	tls    *ecdsa.PrivateKey
	codes  *ecdh.PrivateKey
}

func newReaderKeys() (*readerKeys, error) {
	_, server, err1 := ed25519.GenerateKey(rand.Reader)
	tlsKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	codes, err3 := ecdh.P256().GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	return &readerKeys{server, tlsKey, codes}, nil
}

func (k *readerKeys) store(d Dir) error {
	for _, f := range []struct {
		path string
		key  any
	}{{d.serverKey(), k.server}, {d.tlsKey(), k.tls}, {d.codesKey(), k.codes}} {
		der, err := x509.MarshalPKCS8PrivateKey(f.key)
		if err != nil {
			return fmt.Errorf("store a key: %w", err)
		}
		err = WriteNew(f.path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		clear(der)
		if err != nil {
			return err
		}
	}
	return nil
}

// readerKeys reads them.
func (d Dir) readerKeys() (*readerKeys, error) {
	server, err1 := readPrivate[ed25519.PrivateKey](d.serverKey())
	tlsKey, err2 := readPrivate[*ecdsa.PrivateKey](d.tlsKey())
	codes, err3 := readPrivate[*ecdsa.PrivateKey](d.codesKey())
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	k := &readerKeys{server: server, tls: tlsKey}
	var err error
	if k.codes, err = codes.ECDH(); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.codesKey(), err)
	}
	return k, nil
}

func readPrivate[K any](path string) (k K, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return k, fmt.Errorf("read a key: %w", err)
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil {
		return k, fmt.Errorf("read %s: not PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return k, fmt.Errorf("read %s: %w", path, err)
	}
	k, ok := parsed.(K)
	if !ok {
		return k, fmt.Errorf("read %s: not the kind of key that belongs there", path)
	}
	return k, nil
}

// selfSigned is a certificate of a key that machines know by the key list.
func selfSigned(key *ecdsa.PrivateKey, names []string, now time.Time) (*tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "sallyport-server"},
		NotBefore: now.Add(-clockSlack), NotAfter: now.Add(caLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	return certify(t, key.Public(), key)
}

// clientCertificate carries a key in TLS and says nothing else.
func clientCertificate(key ed25519.PrivateKey) (*tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "sallyport server"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return certify(t, key.Public(), key)
}

func certify(t *x509.Certificate, pub, key any) (*tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, t, pub, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// ReaderRequest is what a new server that only reads tells a full one. Nothing in it is
// secret. Whoever carries it compares the fingerprint.
type ReaderRequest struct {
	Realm string            `json:"realm"`
	ID    uuid.UUID         `json:"id"`
	URL   string            `json:"url"`
	Key   []byte            `json:"signing_key"`
	TLS   identity.TLSTrust `json:"tls"`
	Codes []byte            `json:"codes_key"`
}

// Fingerprint is what people compare.
func (q *ReaderRequest) Fingerprint() (string, error) {
	b, err := json.Marshal(q)
	if err != nil {
		return "", fmt.Errorf("request: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b)), nil
}

// ParseReaderRequest reads one, and tells whether it can be admitted to a realm of that name.
func ParseReaderRequest(b []byte, realm string) (*ReaderRequest, error) {
	q := new(ReaderRequest)
	if err := json.Unmarshal(b, q); err != nil {
		return nil, fmt.Errorf("%w: this is no request of a server that only reads: %w", ErrInput, err)
	}
	if q.Realm != realm {
		return nil, fmt.Errorf("%w: the request is for the realm %q, and this is %q", ErrInput, q.Realm, realm)
	}
	if err := identity.CheckServerURL(q.URL); err != nil {
		return nil, fmt.Errorf("%w: the request: %w", ErrInput, err)
	}
	_, err := identity.SealTo(q.Codes, nil, identity.NewSecret([]byte{0}))
	if err != nil || q.ID == uuid.Nil || len(q.Key) != ed25519.PublicKeySize || q.TLS.Kind != identity.TLSServer || len(q.TLS.Key) != sha256.Size || len(q.TLS.Names) == 0 {
		return nil, fmt.Errorf("%w: the request is not whole: make it anew with \"sallyport-server init --read-only\"", ErrInput)
	}
	return q, nil
}

// InitReading makes the folder of a server that only reads, and returns what a full server
// admits it by. It changes nothing in the database.
func InitReading(ctx context.Context, o InitOptions) (*ReaderRequest, error) {
	if o.Database == "" || o.URL == "" {
		return nil, errors.New("a server that only reads needs --database postgres://STANDBY/NAME and --url https://HOST:PORT, at which machines reach it")
	}
	name := o.Realm
	o.Realm, o.IDs = "reading", identity.DefaultIDRange // what the database says holds
	if err := o.check(); err != nil {
		return nil, err
	}
	set, err := o.settings()
	if err != nil {
		return nil, err
	}
	set.ReadOnly, set.MaxLag = true, int64(o.MaxLag/time.Second)
	s, err := store.OpenReading(ctx, o.Database)
	if err != nil {
		return nil, err
	}
	var r store.Realm
	err = s.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = tx.Realm()
		return err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, fmt.Errorf("%w: does the database follow that of a realm?", err)
	}
	if name != "" && name != r.Name {
		return nil, fmt.Errorf("the database holds the realm %q, not %q", r.Name, name)
	}
	d, held, err := o.folder()
	if err != nil {
		return nil, err
	}
	q, err := d.fillReading(ctx, set, r)
	if err != nil {
		for _, f := range []string{d.serverKey(), d.tlsKey(), d.codesKey(), d.serverID(), d.memory()} {
			_ = os.Remove(f) // nothing stands in the way of the next try
		}
	}
	return q, errors.Join(err, held.Close())
}

func (d Dir) fillReading(ctx context.Context, set Settings, r store.Realm) (*ReaderRequest, error) {
	k, err := newReaderKeys()
	if err != nil {
		return nil, err
	}
	q := &ReaderRequest{Realm: r.Name, ID: uuid.New(), URL: set.URL, Key: k.server.Public().(ed25519.PublicKey), Codes: k.codes.PublicKey().Bytes()} //nolint:forcetypeassert // an Ed25519 key has no other
	c, err := (&Realm{Settings: set, Now: time.Now}).ownCertificate(k)
	if err != nil {
		return nil, err
	}
	if q.TLS = c.trust(); set.TLSCert == "" {
		slices.Sort(q.TLS.Names)
	}
	if err := k.store(d); err != nil {
		return nil, err
	}
	if err := WriteNew(d.serverID(), []byte(q.ID.String()+"\n")); err != nil {
		return nil, err
	}
	if err := store.Create(ctx, d.memory(), store.Realm{Name: r.Name, IDs: r.IDs}); err != nil {
		return nil, err
	}
	return q, d.keep(set)
}
