package daemon

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/hops"
	"github.com/sallyport-auth/sallyport/identity"
)

// KeysFor returns the ssh keys that may log in as name, none when the account
// may not log in here: the rules are those of the account phase. The keys come
// from the token as it was signed, which is verified again. Any peer may ask: it
// learns public halves, and sshd asks as a user without rights. A local name is
// identity.ErrNotFound. There are none where sshd here is to accept certificates only.
func (d *Gate) KeysFor(ctx context.Context, _ identity.Peer, name string) ([]identity.SSHKey, error) {
	q, err := d.mayBeServed(ctx, name)
	if err != nil || q == nil || q.Entry.Keys() == 0 {
		return nil, err
	}
	if d.certificatesOnly() {
		d.log.InfoContext(ctx, "no ssh keys that are stored are accepted: the realm has sshd here accept certificates only, as \"sallyport ssh\" shows", "account", name)
		return nil, nil
	}
	t, err := d.SignedToken(ctx, q.Entry)
	if err != nil {
		return nil, fmt.Errorf("%w: keys: %w", identity.ErrUnavailable, err)
	}
	return slices.Clone(t.SSHKeys), nil
}

// certificatesOnly tells whether the realm has sshd here accept no keys that it has stored.
func (d *Gate) certificatesOnly() bool {
	t := d.o.Provider.SSHTrust
	return t != nil && t.CertificatesOnly()
}

// mayBeServed finds the account that sshd asks for; nil where it may not log in here.
func (d *Gate) mayBeServed(ctx context.Context, name string) (*checks.Question, error) {
	q := &checks.Question{Typed: name}
	switch r := d.checks.Run(ctx, checks.Account(), q, nil); r.Code {
	case identity.Granted:
		return q, nil
	case identity.Unavailable:
		return nil, fmt.Errorf("%w: %s", identity.ErrUnavailable, r.Detail)
	case identity.NotOurs, identity.UnknownUser:
		return nil, fmt.Errorf("%w: %s", identity.ErrNotFound, r.Detail)
	default:
		return nil, nil //nolint:nilnil // nobody is served
	}
}

// CertificateFor are the lines of authorized_keys(5) by which an ssh certificate, in base64,
// lets somebody in as that account, by the rules of [Gate.KeysFor]: the realm's own by what
// it says, and one that a stored cert-authority key signed by that. One that lets nobody in
// has none, and the log says why.
func (d *Gate) CertificateFor(ctx context.Context, peer identity.Peer, name, certificate string) ([]string, error) {
	blob, err := base64.StdEncoding.DecodeString(certificate)
	if err != nil {
		return nil, nil //nolint:nilerr // it is none
	}
	q, err := d.mayBeServed(ctx, name)
	if err != nil || q == nil {
		return nil, err
	}
	line, err := d.hops.Line(q.Entry.Account().UUID, blob)
	no := new(hops.RefusedError)
	switch {
	case err == nil:
		return []string{line}, nil
	case errors.As(err, &no):
		d.log.WarnContext(ctx, "an ssh certificate is refused", "account", name, "certificate", no.KeyID, "why", no.Why)
		return nil, nil
	}
	keys, err := d.KeysFor(ctx, peer, name)
	return hops.Stored(keys, blob), err
}
