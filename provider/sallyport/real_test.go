package sallyport_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/cardservice"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

const testPassword = "correct horse battery"

// liveRealm is a real server on loopback, with its administrator.
type liveRealm struct {
	t     testing.TB
	dir   string
	url   string
	admin sallyportv1connect.AdminServiceClient
	stop  func()
	cards cardservice.Options // for start
	// servers is the list that it tells machines, signed.
	servers atomic.Pointer[[]byte]
}

func newRealm(t testing.TB) *liveRealm {
	t.Helper()
	r := &liveRealm{t: t, dir: filepath.Join(t.TempDir(), "realm")}
	err := realm.Init(t.Context(), realm.InitOptions{Dir: r.dir, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14})
	if err != nil {
		t.Fatal(err)
	}
	r.start("")
	return r
}

func (r *liveRealm) start(listen string) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, server.ServeOptions{
			Dir: r.dir, Listen: listen, CardService: r.cards, Servers: r.serverList, Ready: func(a net.Addr, _ string) { ready <- a.String() },
		})
	}()
	select {
	case addr := <-ready:
		r.url = "https://" + addr
	case err := <-ended:
		r.t.Fatal(err)
	}
	admin, closer, err := server.Admin(ctx, r.dir, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.admin = admin
	r.stop = sync.OnceFunc(func() {
		_ = closer.Close()
		cancel()
		if err := <-ended; err != nil {
			r.t.Error("serve:", err)
		}
	})
	r.t.Cleanup(r.stop)
}

// serverList is what Describe says.
func (r *liveRealm) serverList(*store.Tx) ([]byte, error) {
	if l := r.servers.Load(); l != nil {
		return *l, nil
	}
	return nil, nil
}

func (r *liveRealm) account(name string) {
	r.t.Helper()
	if _, err := r.admin.AddAccount(r.t.Context(), &v1.AddAccountRequest{Name: name}); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.admin.SetPassword(r.t.Context(), &v1.SetPasswordRequest{Name: name, Password: []byte(testPassword)}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *liveRealm) options(machine string) sallyport.Options {
	r.t.Helper()
	m, err := r.admin.AddMachine(r.t.Context(), &v1.NameRequest{Name: machine})
	if err != nil {
		r.t.Fatal(err)
	}
	j, err := sallyport.Join(r.t.Context(), sallyport.Server{URL: r.url}, m.GetCode(), m.GetFingerprint())
	if err != nil {
		r.t.Fatal(err)
	}
	return sallyport.Options{URL: r.url, RootPEM: j.RootPEM, MachineKey: j.Key, MachineID: j.MachineID, Realm: j.Realm, Memory: &providertest.Memory{}}
}

func (r *liveRealm) machine() *sallyport.Provider { return open(r.t, r.options("box")) }

func open(t testing.TB, o sallyport.Options) *sallyport.Provider {
	t.Helper()
	p, err := sallyport.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func secret(s string) identity.Secret { return identity.NewSecret([]byte(s)) }

// try authenticates with one password.
func try(t testing.TB, p *sallyport.Provider, name identity.Name, password string) provider.Reply {
	t.Helper()
	e, reply, err := p.Begin(t.Context(), provider.Attempt{Name: name, Service: "test"})
	if err != nil || reply.Outcome != provider.Continue {
		t.Fatal(reply, err)
	}
	if reply, err = e.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: secret(password)}); err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestAJoinedMachineFetchesAccountsByNameAndUID(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	p := r.machine()
	a, err := p.Fetch(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.FetchUID(t.Context(), a.Token.Account.UID)
	if err != nil || b.Token.Account.UUID != a.Token.Account.UUID {
		t.Fatal(b, err)
	}
	if _, err := p.Verify(a.Signed); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Fetch(t.Context(), "nobody-here"); !errors.Is(err, provider.ErrNotFound) {
		t.Fatalf("got %v, want not found", err)
	}
	if _, err := p.FetchUID(t.Context(), 0); !errors.Is(err, provider.ErrNotFound) {
		t.Fatalf("got %v, want not found", err)
	}
}

func TestARightPasswordIsAllowedAndEverythingElseDenied(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	p := r.machine()
	if got := try(t, p, "alice", testPassword); got.Outcome != provider.Allow || got.Session == nil || got.Record.Token.Account.Name != "alice" {
		t.Fatalf("right password: %+v", got)
	}
	wrong, unknown := try(t, p, "alice", "wrong"), try(t, p, "mallory", "wrong")
	if wrong.Outcome != provider.Deny || unknown.Outcome != provider.Deny || wrong.Message != unknown.Message || wrong.Locked != unknown.Locked {
		t.Fatalf("wrong %+v, unknown %+v", wrong, unknown)
	}
}

func TestAnAccountWithTOTPMustProveBothAndACodeWorksOnce(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	const key = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	if _, err := r.admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(key)}); err != nil {
		t.Fatal(err)
	}
	p := r.machine()
	code, err := totp.GenerateCode(key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []provider.Outcome{provider.Allow, provider.Deny} {
		e, _, err := p.Begin(t.Context(), provider.Attempt{Name: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := e.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: secret(testPassword)})
		if err != nil || reply.Outcome != provider.Continue || len(reply.Offers) != 1 || reply.Offers[0] != identity.TOTP {
			t.Fatal(reply, err)
		}
		reply, err = e.Step(t.Context(), provider.Answer{Kind: identity.TOTP, Credential: secret(code)})
		if err != nil || reply.Outcome != want {
			t.Fatalf("use %d: %+v %v, want outcome %d", i+1, reply, err, want)
		}
	}
}

func TestARemovedMachineIsRefused(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	p := r.machine()
	if _, err := r.admin.RemoveMachine(t.Context(), &v1.NameRequest{Name: "box"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Fetch(t.Context(), "alice"); !errors.Is(err, provider.ErrRefusedMachine) {
		t.Fatalf("got %v", err)
	}
	if _, _, err := p.Begin(t.Context(), provider.Attempt{Name: "alice"}); !errors.Is(err, provider.ErrRefusedMachine) {
		t.Fatalf("got %v", err)
	}
}

// Promise attack-network-join, keys-join.
func TestAJoinCodeWorksOnceAndOnlyForTheRightServer(t *testing.T) {
	r := newRealm(t)
	m, err := r.admin.AddMachine(t.Context(), &v1.NameRequest{Name: "box"})
	if err != nil {
		t.Fatal(err)
	}
	other := "00" + m.GetFingerprint()[2:]
	if m.GetFingerprint() == other {
		other = "01" + other[2:]
	}
	if _, err := sallyport.Join(t.Context(), sallyport.Server{URL: r.url}, m.GetCode(), other); !errors.Is(err, provider.ErrUntrusted) {
		t.Fatalf("wrong fingerprint: %v", err)
	}
	if _, err := sallyport.Join(t.Context(), sallyport.Server{URL: r.url}, "WRONG", m.GetFingerprint()); !errors.Is(err, sallyport.ErrCode) {
		t.Fatalf("wrong code: %v", err)
	}
	if _, err := sallyport.Join(t.Context(), sallyport.Server{URL: r.url}, m.GetCode(), m.GetFingerprint()); err != nil {
		t.Fatal(err)
	}
	if _, err := sallyport.Join(t.Context(), sallyport.Server{URL: r.url}, m.GetCode(), m.GetFingerprint()); !errors.Is(err, sallyport.ErrCode) {
		t.Fatalf("used code: %v", err)
	}
}

func TestAPasswordIsChangedOnlyWithTheOldOne(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	p := r.machine()
	if _, err := p.ChangePassword(t.Context(), "alice", identity.Seat(), secret("wrong"), identity.Secret{}, secret("another long one")); !errors.Is(err, provider.ErrDenied) {
		t.Fatalf("got %v", err)
	}
	if _, err := p.ChangePassword(t.Context(), "alice", identity.Seat(), secret(testPassword), identity.Secret{}, secret("short")); !errors.Is(err, provider.ErrWeak) {
		t.Fatalf("got %v", err)
	}
	before, err := p.Fetch(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	after, err := p.ChangePassword(t.Context(), "alice", identity.Seat(), secret(testPassword), identity.Secret{}, secret("another long one"))
	if err != nil {
		t.Fatal(err)
	}
	e1, _ := before.Token.FactorEpoch(identity.Password)
	e2, _ := after.Token.FactorEpoch(identity.Password)
	if e2 <= e1 {
		t.Fatalf("epoch %d, then %d", e1, e2)
	}
	if got := try(t, p, "alice", testPassword); got.Outcome != provider.Deny {
		t.Fatalf("old password: %+v", got)
	}
	if got := try(t, p, "alice", "another long one"); got.Outcome != provider.Allow {
		t.Fatalf("new password: %+v", got)
	}
}

func TestAProviderVerifiesWithoutTheNetworkWhatItSawBefore(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	o := r.options("box")
	before, err := open(t, o).Fetch(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	again := open(t, o)
	if _, err := again.Verify(before.Signed); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Fetch(t.Context(), "alice"); !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) {
		t.Fatalf("got %v", err)
	}
	bad := append([]byte(nil), before.Signed...)
	bad[len(bad)-1] ^= 1
	if _, err := again.Verify(bad); !errors.Is(err, identity.ErrToken) {
		t.Fatalf("got %v", err)
	}
}

func TestAnotherServerAtTheSameAddressIsAnAlarm(t *testing.T) {
	r := newRealm(t)
	o := r.options("box")
	other := newRealm(t)
	o.URL = other.url
	if _, err := open(t, o).Fetch(t.Context(), "alice"); !errors.Is(err, provider.ErrUntrusted) || !errors.Is(err, provider.ErrOffline) {
		t.Fatalf("got %v", err)
	}
}

func TestAnyoneMayAskWithJSONWhatTheRealmIs(t *testing.T) {
	r := newRealm(t)
	c := &http.Client{Transport: insecure()}
	resp, err := c.Post(r.url+"/sallyport.v1.RealmService/Describe", "application/json", jsonBody("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	resp, err = c.Post(r.url+"/sallyport.v1.DirectoryService/GetIDToken", "application/json", jsonBody(`{"name":"alice"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Fatal(resp.Status)
	}
}
