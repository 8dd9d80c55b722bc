// Package servertest is a realm for the tests of the server's rooms: without sockets, with
// a clock that the test sets, and a few people and one machine in it.
package servertest

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/admin"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/server/sshca"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// Right is alice's password and dora's, and TOTPKey a secret of one-time codes.
const (
	Right   = "correct horse battery"
	TOTPKey = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

// Bench is an open realm with alice and dora, who have passwords, carol, who has none, and
// the machine box. Dora is disabled.
type Bench struct {
	*realm.Realm
	T        testing.TB
	Engine   *auth.Engine
	Admin    *admin.Admin
	Requests *request.Engine
	Unix     atomic.Int64 // the clock
	Box      store.Machine
	box      context.Context
}

// shared is PostgreSQL while a package's tests are run on it; nil: they are run on SQLite.
var shared *postgres.Server //nolint:gochecknoglobals // set by OnEach alone, before the tests

// OnEach is for TestMain: the package's tests are run on each database.
func OnEach(m *testing.M) int {
	return postgres.OnEach(m, func(s *postgres.Server) { shared = s })
}

// OnPostgres runs a package's tests on PostgreSQL alone: those of several servers.
func OnPostgres(m *testing.M) int {
	s, err := postgres.Start(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = s
	code := m.Run()
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Postgres is the database server that the tests run on.
func Postgres() *postgres.Server { return shared }

// Another is another server of the same realm, with a clock and caller of its own.
func (b *Bench) Another() *Bench {
	b.T.Helper()
	o := &Bench{T: b.T, Box: b.Box, box: b.box}
	o.Unix.Store(b.Unix.Load())
	folder := filepath.Join(b.T.TempDir(), "another")
	b.Must(nil, realm.InitAnother(b.T.Context(), realm.InitOptions{
		Dir: folder, Listen: "127.0.0.1:0", Database: b.Settings.Database, SealKey: filepath.Join(string(b.Dir), "seal.key"),
	}))
	o.Open(folder)
	return o
}

// Call is the context of a call of the box.
func (b *Bench) Call() context.Context { return b.box }

// New makes one.
func New(t testing.TB) *Bench {
	t.Helper()
	return On(t, shared.Realm(t))
}

// On makes one in the database of that address; "": in a file of its folder.
func On(t testing.TB, database string) *Bench {
	t.Helper()
	b := of(t, "example.org", database)
	b.Password("alice", Right)
	b.Password("dora", Right)
	b.Must(b.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "dora", Disabled: true}))
	return b
}

// Of makes one of a realm of that name, in which nobody has a password and dora is not disabled.
func Of(t testing.TB, name string) *Bench {
	t.Helper()
	return of(t, name, shared.Realm(t))
}

// OfFile is [Of] in a file, whatever the tests are run on.
func OfFile(t testing.TB, name string) *Bench {
	t.Helper()
	return of(t, name, "")
}

func of(t testing.TB, name, database string) *Bench {
	t.Helper()
	b := &Bench{T: t}
	b.Unix.Store(1_800_000_000)
	folder := filepath.Join(t.TempDir(), "realm")
	b.Must(nil, realm.Init(t.Context(), realm.InitOptions{Dir: folder, Realm: name, Listen: "127.0.0.1:0", OfflineDays: 14, Database: database}))
	b.Open(folder)
	b.Box, b.box = b.Machine("box")
	for _, who := range []string{"alice", "carol", "dora"} {
		b.Must(b.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: who}))
	}
	return b
}

// Open opens a realm in place of the one that is open, which is closed.
func (b *Bench) Open(folder string) {
	b.T.Helper()
	r, err := realm.Open(b.T.Context(), realm.Dir(folder), "", slog.New(slog.DiscardHandler), func() time.Time { return time.Unix(b.Unix.Load(), 0) })
	b.Must(nil, err)
	b.T.Cleanup(func() { _ = r.Close() })
	b.Realm, b.Engine, b.Requests = r, auth.New(r, time.Minute), request.New(r, nil, sshca.Kind{})
	b.Admin = admin.New(r, b.Engine, b.Engine, b.Requests)
}

// Must ends the test where there is an error.
func (b *Bench) Must(_ any, err error) {
	b.T.Helper()
	if err != nil {
		b.T.Fatal(err)
	}
}

// Machine joins a machine, and returns the context of its calls.
func (b *Bench) Machine(name identity.Name) (m store.Machine, calls context.Context) {
	b.T.Helper()
	pub, _, err := ed25519.GenerateKey(nil)
	b.Must(nil, err)
	b.Must(nil, b.Store.Write(b.T.Context(), func(tx *store.Tx) (err error) {
		if _, err = tx.Invite(name, []byte(name), b.Now().Add(time.Hour)); err == nil {
			m, err = tx.Join([]byte(name), pub, b.Now())
		}
		return err
	}))
	return m, realm.WithCaller(b.T.Context(), realm.Caller{Key: pub})
}

// Account is somebody's.
func (b *Bench) Account(name string) (a store.Account) {
	b.T.Helper()
	b.Must(nil, b.Store.Read(b.T.Context(), func(tx *store.Tx) (err error) {
		a, err = tx.AccountByName(identity.Name(name))
		return err
	}))
	return a
}

// Proved is the session token of somebody who has just proved a password at the box, for that.
func (b *Bench) Proved(name, purpose string) identity.SessionToken {
	b.T.Helper()
	return identity.SessionToken{
		Realm: b.Name, ID: uuid.New(), Account: b.Account(name).UUID, Machine: b.Box.UUID, Methods: []identity.FactorKind{identity.Password},
		AuthenticatedAt: b.Now().Unix(), ExpiresAt: b.Now().Add(8 * time.Hour).Unix(), Purpose: purpose,
	}
}

// Signed is a session token that the realm signed.
func (b *Bench) Signed(t identity.SessionToken) []byte {
	b.T.Helper()
	var signed []byte
	b.Must(nil, b.Store.Read(b.T.Context(), func(tx *store.Tx) error {
		signer, err := b.Signer(tx)
		if err == nil {
			signed, err = signer.SignSessionToken(&t)
		}
		return err
	}))
	return signed
}

// Password gives somebody a password.
func (b *Bench) Password(name, p string) {
	b.T.Helper()
	b.Must(b.Admin.SetPassword(b.T.Context(), &v1.SetPasswordRequest{Name: name, Password: []byte(p)}))
}

// TOTP gives alice one-time codes.
func (b *Bench) TOTP() {
	b.T.Helper()
	b.Must(b.Admin.AddTOTP(b.T.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(TOTPKey)}))
}

// Begin begins a login on the box.
func (b *Bench) Begin(name string) (session string) {
	b.T.Helper()
	resp, err := b.Engine.Begin(b.box, &v1.BeginRequest{Name: name, Service: "test", Origin: "host 192.0.2.1"})
	b.Must(nil, err)
	return resp.GetSession()
}

// Answer tells whether that password ends a login well.
func (b *Bench) Answer(session, password string) bool {
	b.T.Helper()
	resp, err := b.Engine.Step(b.box, &v1.StepRequest{Session: session, Kind: string(identity.Password), Credential: []byte(password)})
	b.Must(nil, err)
	return resp.GetOutcome() == v1.Outcome_OUTCOME_ALLOW
}

// LogsIn tells whether somebody gets in on the box by that password.
func (b *Bench) LogsIn(name, password string) bool {
	b.T.Helper()
	return b.Answer(b.Begin(name), password)
}

// Keys are the realm's as administrators see them.
func (b *Bench) Keys() *v1.KeysView {
	b.T.Helper()
	v, err := b.Admin.ShowKeys(b.T.Context(), &v1.ShowKeysRequest{})
	b.Must(nil, err)
	return v
}

// Histories counts those of that kind.
func (b *Bench) Histories(kind store.HistoryKind) (n int) {
	b.T.Helper()
	b.Must(nil, b.Store.Read(b.T.Context(), func(tx *store.Tx) error {
		list, err := tx.Histories()
		for _, h := range list {
			if h.Kind == kind {
				n++
			}
		}
		return err
	}))
	return n
}

// Named is a request for that name.
func Named(name string) *v1.NameRequest { return &v1.NameRequest{Name: name} }
