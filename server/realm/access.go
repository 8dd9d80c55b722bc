package realm

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"net/http"
	"strconv"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Caller is what the transport proves about a request: the key of the TLS client
// certificate, and where it came from.
type Caller struct {
	Key  ed25519.PublicKey // nil without a certificate
	Host string
	// Forms is the newest form of tokens that the caller understands.
	Forms int
}

// FormsHeader says which forms of tokens a caller understands. A machine of the last
// release says nothing and refuses fields that it does not know, so it is given none.
const (
	FormsHeader  = "Sallyport-Forms"
	formsHistory = 2 // ID tokens with their history
)

type callerKey struct{}

// WithCallers notes who calls. A client certificate is only a carrier for its
// key: the handshake proved that the caller holds it, and whether it has joined
// is looked up for each request, so a machine that was removed is out at once.
func WithCallers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c Caller
		c.Host, _, _ = net.SplitHostPort(r.RemoteAddr)
		c.Forms, _ = strconv.Atoi(r.Header.Get(FormsHeader)) // absent or nonsense is 0
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			c.Key, _ = r.TLS.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
		}
		next.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), c)))
	})
}

// WithCaller is the context of a call of that caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is who calls; the zero value where nobody is known.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// ErrNotJoined is what a caller is told that is no machine of the realm.
var ErrNotJoined = connect.NewError(connect.CodeUnauthenticated,
	errors.New("this machine has not joined the realm, or was removed from it"))

var errQuarantined = connect.NewError(connect.CodePermissionDenied,
	errors.New("this machine is in quarantine: the administrators of the realm have shut it out for now"))

// Machine is the joined machine that calls, or ErrNotJoined, or errQuarantined.
func (r *Realm) Machine(ctx context.Context) (store.Machine, error) {
	key := CallerOf(ctx).Key
	if key == nil {
		return store.Machine{}, ErrNotJoined
	}
	m, err := r.Store.MachineForKey(ctx, key)
	if errors.Is(err, identity.ErrNotFound) {
		return store.Machine{}, ErrNotJoined
	}
	if err != nil {
		return store.Machine{}, r.Fault(ctx, "look the machine up", err)
	}
	if !m.Quarantined.IsZero() {
		return store.Machine{}, errQuarantined
	}
	return m, nil
}

// ErrTooMany refuses what would take more than its share.
var ErrTooMany = errors.New("too many authentications at once")

// Fault logs what went wrong here and tells the caller only that it did.
func (r *Realm) Fault(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return connect.NewError(connect.CodeCanceled, ctx.Err())
	}
	var told *connect.Error
	if errors.As(err, &told) {
		return told
	}
	if errors.Is(err, ErrTooMany) {
		return connect.NewError(connect.CodeResourceExhausted, ErrTooMany)
	}
	if errors.Is(err, store.ErrReadOnly) {
		return OnlyReads("a full server of the realm makes changes")
	}
	r.Log.ErrorContext(ctx, "request failed", "doing", doing, "error", err)
	if errors.Is(err, store.ErrNoSpace) {
		return diskFull()
	}
	return connect.NewError(connect.CodeInternal, errors.New("internal error; the server's log has more"))
}

// diskFull is the one fault of the server that machines are told the nature of.
func diskFull() error {
	e := connect.NewError(connect.CodeUnavailable, errors.New("the server's disk is full"))
	if d, err := connect.NewErrorDetail(&v1.DiskFull{}); err == nil {
		e.AddDetail(d)
	}
	return e
}
