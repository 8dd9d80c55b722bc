package sallyport

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
	"github.com/sallyport-auth/sallyport/trouble"
)

// meaning turns what the network or the server said into what it means.
func meaning(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", doing, sentinel(err), caused(err))
}

// caused wraps an error in what it came from, where that is known.
func caused(err error) error {
	var doubt *provider.DoubtError
	if errors.As(err, &doubt) {
		return err // it knows more
	}
	err = https.Caused(err, time.Now())
	var known *provider.CauseError
	var e *connect.Error
	if errors.As(err, &known) || !errors.As(err, &e) {
		return err
	}
	switch {
	case !connect.IsWireError(err) && strings.Contains(e.Message(), "content-type"):
		return &provider.CauseError{Cause: trouble.Proxy, Err: err}
	case !connect.IsWireError(err) && (e.Code() == connect.CodeUnauthenticated || e.Code() == connect.CodePermissionDenied || e.Code() == connect.CodeUnimplemented):
		return &provider.CauseError{Cause: trouble.Proxy, Err: err} // of HTTP, and not in the server's own form
	case !connect.IsWireError(err):
		return &provider.CauseError{Cause: trouble.ServerFault, Err: err}
	case e.Code() == connect.CodeUnauthenticated:
		return &provider.CauseError{Cause: trouble.MachineRemoved, Err: err}
	case e.Code() == connect.CodePermissionDenied:
		return &provider.CauseError{Cause: trouble.MachineShutOut, Err: err}
	case hasDetail[*v1.DiskFull](e):
		return &provider.CauseError{Cause: trouble.ServerFull, Err: err}
	case e.Code() == connect.CodeInternal:
		return &provider.CauseError{Cause: trouble.ServerFault, Err: err}
	}
	return err
}

func sentinel(err error) error {
	// Dates that do not fit are no sign of a forger: the key is the server's.
	var cause *provider.CauseError
	if errors.As(err, &cause) && (cause.Cause == trouble.ClockWrong || cause.Cause == trouble.CertExpired || cause.Cause == trouble.CertNotYet) {
		return provider.ErrOffline
	}
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
		if hasDetail[*v1.NoSuchAccount](e) {
			return provider.ErrNotFound
		}
	default:
	}
	return provider.ErrOffline
}

// hasDetail tells whether the server added that to its error.
func hasDetail[T any](e *connect.Error) bool {
	for _, d := range e.Details() {
		if v, err := d.Value(); err == nil {
			if _, ok := v.(T); ok {
				return true
			}
		}
	}
	return false
}
