package sallyport

import (
	"context"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// settingsKey is where it is kept what this machine is to go by: also without the network,
// and after a restart.
const settingsKey = "sallyport machine settings"

// settings are what administrators of the realm set for this machine. A change stream says
// them over this machine's own connection. They are closed until something else is known:
//
//	was said, or is remembered          sshd accepts
//	nothing, of a realm that says none  keys and certificates
//	keys too                            keys and certificates
//	certificates only                   certificates, until a full server says otherwise that
//	                                    has heard no less than has been said here
//	what cannot be read                 certificates
type settings struct {
	// AcceptsKeys is false where it is not known.
	AcceptsKeys bool   `cbor:"1,keyasint"`
	Version     uint64 `cbor:"2,keyasint"`
}

// takeSettings takes over what the server says, and remembers it. A server that only reads,
// or has heard less than was said here, closes and does not open.
func (p *Provider) takeSettings(ctx context.Context, said *v1.MachineSettings, reads bool) error {
	is := settings{AcceptsKeys: !said.GetCertificatesOnly(), Version: said.GetVersion()}
	if reads {
		is.Version = 0 // its word on that is none
	}
	was := p.settings.Load()
	switch {
	case reads && is.AcceptsKeys:
		return nil
	case was != nil && *was == is, was != nil && is.AcceptsKeys && is.Version < was.Version:
		return nil
	case was != nil:
		is.Version = max(is.Version, was.Version)
	}
	p.settings.Store(&is)
	ctx, cancel := context.WithTimeout(ctx, recallTimeout)
	defer cancel()
	b, err := cbor.Marshal(is)
	if err == nil {
		err = p.o.Memory.Remember(ctx, settingsKey, b)
	}
	if err != nil {
		return fmt.Errorf("remember what this machine is to go by: %w", err)
	}
	return nil
}

// recallSettings takes up what was remembered. What makes no sense accepts no keys.
func (p *Provider) recallSettings(ctx context.Context) error {
	b, err := p.o.Memory.Recall(ctx, settingsKey)
	is := settings{AcceptsKeys: errors.Is(err, identity.ErrNotFound)}
	switch {
	case is.AcceptsKeys:
	case err != nil:
		return fmt.Errorf("recall %s: %w", settingsKey, err)
	default:
		if cbor.Unmarshal(b, &is) != nil {
			is = settings{}
		}
	}
	p.settings.Store(&is)
	return nil
}

// CertificatesOnly implements provider.SSHTrust.
func (p *Provider) CertificatesOnly() bool {
	is := p.settings.Load()
	return is == nil || !is.AcceptsKeys
}
