package sallyport

import (
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
)

// meaning turns what the network or the server said into what it means.
func meaning(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", doing, sentinel(err), err)
}

func sentinel(err error) error {
	for _, known := range []error{provider.ErrUntrusted, provider.ErrNewer, provider.ErrOffline, provider.ErrNotFound, provider.ErrRefusedMachine} {
		if errors.Is(err, known) {
			return known
		}
	}
	if errors.Is(err, identity.ErrNewer) {
		return provider.ErrNewer
	}
	if https.Distrusted(err) || errors.Is(err, identity.ErrToken) {
		return provider.ErrUntrusted
	}
	var e *connect.Error
	if !errors.As(err, &e) || !connect.IsWireError(err) {
		return provider.ErrOffline
	}
	switch e.Code() {
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		return provider.ErrRefusedMachine
	case connect.CodeNotFound:
		for _, d := range e.Details() {
			if v, err := d.Value(); err == nil {
				if _, ok := v.(*v1.NoSuchAccount); ok {
					return provider.ErrNotFound
				}
			}
		}
	default:
	}
	return provider.ErrOffline
}
