package auth

import (
	"log/slog"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/admin"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	right   = "correct horse battery"
	totpKey = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

// bench is a realm without sockets, with a clock that the test sets.
type bench struct {
	*Engine
	t     testing.TB
	admin *admin.Admin
	unix  atomic.Int64
	box   store.Machine
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t}
	b.unix.Store(1_800_000_000)
	folder := filepath.Join(t.TempDir(), "realm")
	if err := realm.Init(t.Context(), realm.InitOptions{Dir: folder, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14, Database: shared.Realm(t)}); err != nil {
		t.Fatal(err)
	}
	b.open(folder)
	b.box = b.machine("box")
	for _, name := range []string{"alice", "carol", "dora"} {
		if _, err := b.admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	b.password("alice", right)
	b.password("dora", right)
	b.must(b.admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "dora", Disabled: true}))
	return b
}

func (b *bench) open(folder string) {
	b.t.Helper()
	r, err := realm.Open(b.t.Context(), realm.Dir(folder), "", slog.New(slog.DiscardHandler), func() time.Time { return time.Unix(b.unix.Load(), 0) })
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = r.Close() })
	b.Engine = New(r, stepTimeout)
	// Cheap hashes: what is tested here is when they are made, not what they cost.
	b.hasher = newHasher(params{memory: 64, time: 1, lanes: 1}, 2)
	b.admin = admin.New(r, b.Engine, b.Engine, request.New(r, nil))
}

// machine is one that was invited.
func (b *bench) machine(name identity.Name) (m store.Machine) {
	b.t.Helper()
	b.must(nil, b.Store.Write(b.t.Context(), func(tx *store.Tx) (err error) {
		m, err = tx.Invite(name, []byte(name), b.Now())
		return err
	}))
	return m
}

// reopen is a restart.
func (b *bench) reopen() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open(string(b.Dir))
}

func (b *bench) must(_ any, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) password(name, p string) {
	b.t.Helper()
	b.must(b.admin.SetPassword(b.t.Context(), &v1.SetPasswordRequest{Name: name, Password: []byte(p)}))
}

// totp gives alice a one-time code.
func (b *bench) totp() {
	b.t.Helper()
	b.must(b.admin.AddTOTP(b.t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(totpKey)}))
}

func (b *bench) code(drift int64) string {
	b.t.Helper()
	c, err := totp.GenerateCode(totpKey, time.Unix(b.unix.Load()+drift, 0))
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) start(name identity.Name) string {
	b.t.Helper()
	a, err := b.admit(&session{client: machineAsClient(b.box), name: name, origin: "host 192.0.2.1", service: "test", remoteHost: "host"})
	if err != nil {
		b.t.Fatal(err)
	}
	return a.cookie
}

func (b *bench) answer(m store.Machine, cookie string, kind identity.FactorKind, credential string) answer {
	b.t.Helper()
	a, err := b.step(b.t.Context(), machineAsClient(m), cookie, kind, identity.NewSecret([]byte(credential)), false)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *bench) try(name identity.Name, p string) answer {
	b.t.Helper()
	return b.answer(b.box, b.start(name), identity.Password, p)
}

func (a answer) outcome() string {
	switch {
	case a.allow:
		return "allow"
	case len(a.offers) > 0:
		return "offer " + string(a.offers[0])
	default:
		return "deny"
	}
}

func alice() *v1.NameRequest { return &v1.NameRequest{Name: "alice"} }

// until waits for a condition that others bring about.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
		runtime.Gosched()
	}
}
