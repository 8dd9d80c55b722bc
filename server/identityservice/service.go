package identityservice

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/identityservice/settings"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits. The server's own for requests hold besides: a stream has 10 s and 64 KB.
const (
	mostStreams        = 1000 // registrations and logins under way
	mostMachineStreams = 32   // of them one machine's
	maxDevice          = 128  // bytes of a device's name
	mostDevices        = 64   // of an account
)

// Service implements identitypbconnect.IdentityServiceHandler.
type Service struct {
	*realm.Realm
	auth *auth.Engine

	mu      sync.Mutex
	streams map[uuid.UUID]int // under way, by machine
	all     int
	server  pake.Kept
}

// New is a realm's.
func New(r *realm.Realm, e *auth.Engine) *Service {
	return &Service{Realm: r, auth: e, streams: make(map[uuid.UUID]int)}
}

var (
	errOff  = connect.NewError(connect.CodeUnimplemented, errors.New("this realm has no identity service: its administrator turns it on with \"sallyport-server identity set --enabled yes\""))
	errBusy = connect.NewError(connect.CodeResourceExhausted, errors.New("too many registrations and logins at once: try again in some seconds"))
	errNo   = connect.NewError(connect.CodeUnauthenticated, pake.ErrWrong)
)

// asked is what every call begins with.
type asked struct {
	machine  store.Machine
	settings store.IdentityService
	name     identity.Name
	device   string
}

// begin finds out who calls, and refuses what no account and no device is called.
func (s *Service) begin(ctx context.Context, user, device string) (a asked, err error) {
	if a.machine, err = s.Machine(ctx); err != nil {
		return a, err
	}
	err = s.Store.Once(ctx, func(tx *store.Tx) (err error) {
		a.settings, err = settings.Read(tx)
		return err
	})
	if err != nil {
		return a, s.Fault(ctx, "read the identity service", err)
	}
	if !a.settings.Enabled {
		return a, errOff
	}
	if a.name, err = identity.ParseName(user); err != nil {
		return a, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("userID: %w", err))
	}
	if !isDevice(device) {
		return a, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("deviceID: 1 to %d bytes of text in one line", maxDevice))
	}
	a.device = device
	return a, nil
}

// isDevice: what is shown in a table and in the audit log is one line.
func isDevice(d string) bool {
	return d != "" && len(d) <= maxDevice && utf8.ValidString(d) && !strings.ContainsFunc(d, func(r rune) bool { return r < ' ' || r == 0x7f }) &&
		strings.TrimSpace(d) == d
}

// enter is begin for a stream, which takes a place; the function gives it back.
func (s *Service) enter(ctx context.Context, user, device string) (asked, func(), error) {
	a, err := s.begin(ctx, user, device)
	if err != nil {
		return a, nil, err
	}
	leave, err := s.place(a.machine.UUID)
	return a, leave, err
}

// place takes one of the places of streams; the function gives it back.
func (s *Service) place(machine uuid.UUID) (func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= mostStreams || s.streams[machine] >= mostMachineStreams {
		return nil, errBusy
	}
	s.all++
	s.streams[machine]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.streams[machine]--; s.streams[machine] == 0 {
			delete(s.streams, machine)
		}
	}, nil
}

// pake is the realm's end of OPAQUE, of the keys that are stored.
func (s *Service) pake(set store.IdentityService) (*pake.Server, error) {
	return s.server.Server(pake.ForIdentities, set.Sealed, func([]byte) (identity.Secret, error) { return settings.Keys(s.Realm, set) }) //nolint:wrapcheck // it says what it is about
}

// origin is where a call comes from: the machine's address.
func origin(ctx context.Context) identity.Origin {
	return identity.OriginOfHost(realm.CallerOf(ctx).Host)
}

// record writes a row of the audit log.
func (s *Service) record(tx *store.Tx, a asked, action, detail string) error {
	return tx.Record(store.Entry{Time: s.Now(), Actor: "machine " + string(a.machine.Name), Action: action, Subject: string(a.name), Detail: realm.Clip(detail)})
}
