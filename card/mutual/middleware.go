package mutual

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Limits of the card service.
const (
	// exchangeLife is how long an exchange that was begun waits for its end.
	exchangeLife = time.Minute
	// environmentLife is how long a card may be used after it.
	environmentLife = 5 * time.Minute
	// maxExchanges and maxEnvironments bound each, the oldest goes.
	maxExchanges = 256
)

// Options of a Middleware. All are needed but Now.
type Options struct {
	Key crypto.Signer
	// Index is the place of the key's public half in the server's list.
	Index uint32
	// Roots are the authorities that may certify a server for card services.
	Roots *x509.CertPool
	// Realm is what the certificate must name.
	Realm string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Middleware is the card service's side. It is safe for concurrent use.
type Middleware struct {
	o Options

	mu           sync.Mutex
	exchanges    map[string]exchange
	environments map[string]time.Time // until when
}

type exchange struct {
	identity.CardServiceExchange
	server crypto.PublicKey
	until  time.Time
}

// NewMiddleware makes one.
func NewMiddleware(o Options) *Middleware {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Middleware{o: o, exchanges: make(map[string]exchange), environments: make(map[string]time.Time)}
}

// Begin checks the server's certificate and answers the challenge. Handle is for
// Finish.
func (m *Middleware) Begin(certificate, challenge []byte) (claim identity.CardServiceClaim, handle string, err error) {
	server, err := m.certified(certificate)
	if err != nil {
		return identity.CardServiceClaim{}, "", err
	}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails, see crypto/rand
	x := identity.CardServiceExchange{Challenge: bytes.Clone(challenge), ServerChallenge: fresh}
	sig, err := x.Sign(identity.MiddlewareSide, m.o.Key)
	if err != nil {
		return identity.CardServiceClaim{}, "", err //nolint:wrapcheck // it says what it is about
	}
	handle = rand.Text()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Now()
	drop(m.exchanges, func(x exchange) time.Time { return x.until }, now)
	m.exchanges[handle] = exchange{x, server, now.Add(exchangeLife)}
	return identity.CardServiceClaim{CardServiceExchange: x, Signature: sig, KeyIndex: m.o.Index}, handle, nil
}

// drop makes room: what is over goes, and the oldest when there are too many.
func drop[T any](all map[string]T, until func(T) time.Time, now time.Time) {
	oldest, when := "", time.Time{}
	for k, v := range all {
		switch u := until(v); {
		case !now.Before(u):
			delete(all, k)
		case oldest == "" || u.Before(when):
			oldest, when = k, u
		}
	}
	if len(all) >= maxExchanges {
		delete(all, oldest)
	}
}

// certified reads the certificate: base64 of X.509 in DER, of an authority that this
// card service trusts, with the realm's name as its common name.
func (m *Middleware) certified(blob []byte) (crypto.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(blob)))
	if err != nil {
		return nil, fmt.Errorf("%w: the server's certificate: %w", identity.ErrCardServiceProof, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the server's certificate: %w", identity.ErrCardServiceProof, err)
	}
	_, err = cert.Verify(x509.VerifyOptions{
		Roots: m.o.Roots, Intermediates: x509.NewCertPool(), CurrentTime: m.o.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: the server's certificate: %w", identity.ErrCardServiceProof, err)
	}
	if m.o.Realm == "" || cert.Subject.CommonName != m.o.Realm {
		return nil, fmt.Errorf("%w: the certificate is of %q, not of the realm %q", identity.ErrCardServiceProof, cert.Subject.CommonName, m.o.Realm)
	}
	return cert.PublicKey, nil
}

// Finish checks the server's half and opens an environment, in which a card may be
// used for 5 minutes.
func (m *Middleware) Finish(handle string, signature []byte) (environment string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Now()
	x, ok := m.exchanges[handle]
	delete(m.exchanges, handle)
	if !ok || !now.Before(x.until) {
		return "", fmt.Errorf("%w: no such exchange, or it took too long", identity.ErrCardServiceProof)
	}
	if err := x.Verify(identity.ServerSide, x.server, signature); err != nil {
		return "", err //nolint:wrapcheck // it says what it is about
	}
	environment = rand.Text()
	drop(m.environments, func(t time.Time) time.Time { return t }, now)
	m.environments[environment] = now.Add(environmentLife)
	return environment, nil
}

// Open tells whether the environment may still be used.
func (m *Middleware) Open(environment string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	until, ok := m.environments[environment]
	return ok && m.o.Now().Before(until)
}
