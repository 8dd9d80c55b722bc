package realm

import (
	"context"
	"crypto/tls"
	"fmt"
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
	r.certs.take(c)
	r.Log.InfoContext(ctx, "the certificate was read anew", "file", s.TLSCert, "until", c.Leaf.NotAfter)
	if err := r.bringUpToDate(ctx); err != nil {
		r.Log.ErrorContext(ctx, "the key list does not name the new certificate", "error", err)
	}
}

// take serves another certificate from now on.
func (c *certificates) take(other *tls.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = other
}
