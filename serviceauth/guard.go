package serviceauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"connectrpc.com/connect"
)

// Guard stands before a service, and lets nobody through whom the realm does not vouch for. It
// has a [Verifier], and without one it lets nobody through.
type Guard struct {
	Verifier Verifier
	// Log is told why the realm could not be asked; nil: nobody is.
	Log *slog.Logger
}

// What callers are told.
var (
	errNo   = errors.New("who are you? Send a good token: Authorization: Bearer TOKEN")
	errAway = errors.New("the realm cannot be asked now who you are: try again later")
)

type personKey struct{}

// From is who calls, in a service behind a [Guard]; false where nobody stood before it.
func From(ctx context.Context) (Person, bool) {
	p, is := ctx.Value(personKey{}).(Person)
	return p, is
}

// admit is the decision: the context of whoever may go on, or why not.
func (g Guard) admit(ctx context.Context, h http.Header) (context.Context, error) {
	given := h.Values("Authorization")
	if len(given) != 1 {
		return nil, errNo
	}
	scheme, text, _ := strings.Cut(given[0], " ")
	t, err := ParseBearer(text)
	if !strings.EqualFold(scheme, "Bearer") || err != nil {
		return nil, errNo
	}
	if g.Verifier == nil {
		return nil, errAway
	}
	valid, err := g.Verifier.Verify(ctx, t)
	if err != nil {
		if g.Log != nil {
			g.Log.ErrorContext(ctx, "cannot ask the realm about a token", "user", t.User, "error", err)
		}
		return nil, errAway
	}
	if !valid {
		return nil, errNo
	}
	return context.WithValue(ctx, personKey{}, t.Person), nil
}

// Handler is next behind the guard.
func (g Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := g.admit(r.Context(), r.Header)
		switch {
		case errors.Is(err, errNo):
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, err.Error(), http.StatusUnauthorized)
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		default:
			next.ServeHTTP(w, r.WithContext(ctx))
		}
	})
}

// Interceptor is the same for handlers of connect, which serve gRPC too.
func (g Guard) Interceptor() connect.Interceptor { return interceptor{g} }

type interceptor struct{ g Guard }

func (i interceptor) admit(ctx context.Context, h http.Header) (context.Context, error) {
	ctx, err := i.g.admit(ctx, h)
	switch {
	case errors.Is(err, errNo):
		return nil, connect.NewError(connect.CodeUnauthenticated, err)
	case err != nil:
		return nil, connect.NewError(connect.CodeUnavailable, err)
	}
	return ctx, nil
}

// WrapUnary implements connect.Interceptor.
func (i interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if req.Spec().IsClient {
			return next(ctx, req)
		}
		ctx, err := i.admit(ctx, req.Header())
		if err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// WrapStreamingClient implements connect.Interceptor. Clients are let be.
func (i interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (i interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, s connect.StreamingHandlerConn) error {
		ctx, err := i.admit(ctx, s.RequestHeader())
		if err != nil {
			return err
		}
		return next(ctx, s)
	}
}
