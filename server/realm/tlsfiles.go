package realm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"
)

// stamp tells one content of a file from another, without reading it.
type stamp struct {
	changed time.Time
	size    int64
}

func stampsOf(files ...string) ([]stamp, error) {
	var all []stamp
	for _, f := range files {
		i, err := os.Stat(f)
		if err != nil {
			return nil, fmt.Errorf("look at a certificate: %w", err)
		}
		all = append(all, stamp{i.ModTime(), i.Size()})
	}
	return all, nil
}

// RenewCertificate serves the certificate of --tls-cert from its files again where they have
// changed, and signs a key list that names it. Files that do not fit together, as while
// only one of the two has been replaced, change nothing.
func (r *Realm) RenewCertificate(ctx context.Context) {
	s := r.Settings
	if s.TLSCert == "" {
		return
	}
	now, err := stampsOf(s.TLSCert, s.TLSKey)
	if err == nil && slices.Equal(now, r.certs.read) {
		return
	}
	r.certs.read = now // a fault is said once
	var c *tls.Certificate
	if err == nil {
		c, err = readCertificate(s.TLSCert, s.TLSKey)
	}
	if err != nil {
		r.Log.WarnContext(ctx, "the certificate has changed and cannot be served, so the old one is", "error", err)
		return
	}
	if err := r.knownByKeyList(c); err != nil {
		r.Log.ErrorContext(ctx, "the certificate has changed and is not served, so the old one is", "error", err)
		return
	}
	r.certs.take(c)
	r.Log.InfoContext(ctx, "the certificate was read anew", "file", s.TLSCert, "until", c.Leaf.NotAfter)
	if r.reader != nil {
		return
	}
	if err := r.bringUpToDate(ctx); err != nil {
		r.Log.ErrorContext(ctx, "the key list does not name the new certificate", "error", err)
	}
}

// knownByKeyList tells why machines would take a server that only reads for another one, by
// that certificate: it signs no key list. While its own key is not listed nobody believes it
// anything, and a request for it may be on its way.
func (r *Realm) knownByKeyList(c *tls.Certificate) error {
	if r.reader == nil || r.Settings.TLSCert == "" {
		return nil
	}
	u, err := url.Parse(r.Settings.URL)
	if err != nil {
		return fmt.Errorf("the URL of this server: %w", err)
	}
	r.noticing.Lock()
	is := r.noticed
	r.noticing.Unlock()
	if is == nil || !is.reads(r.reader.signs.Pub) {
		return nil
	}
	if err := is.list.VerifyTLS([]*x509.Certificate{c.Leaf}, u.Hostname(), r.Now()); err != nil {
		return fmt.Errorf("machines do not know this server, which only reads, by the certificate in %s: %w. Keep the certificate's key when you renew it; with another key, make the server anew with \"init --read-only\" and admit it at a full server",
			r.Settings.TLSCert, err)
	}
	return nil
}

// take serves another certificate from now on.
func (c *certificates) take(other *tls.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = other
}
