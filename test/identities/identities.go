// Package identities is a realm for tests of those who ask the identity service: a real server
// on loopback, with the service on, and people whose devices get tokens.
package identities

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity/wallet"
	"github.com/sallyport-auth/sallyport/identity/wallet/wallettest"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// Name is the realm's.
const Name = "example.org"

// Realm is one with its server.
type Realm struct {
	t      testing.TB
	Folder string
	URL    string
	Admin  sallyportv1connect.AdminServiceClient
	// Stop ends the server.
	Stop    func()
	wallets map[string]*wallettest.Wallet
}

// New makes one, and starts its server.
func New(t testing.TB) *Realm {
	t.Helper()
	r := &Realm{t: t, Folder: filepath.Join(t.TempDir(), "realm"), wallets: map[string]*wallettest.Wallet{}}
	r.must(realm.Init(t.Context(), realm.InitOptions{Dir: r.Folder, Realm: Name, Listen: "127.0.0.1:0"}))
	r.start()
	on := true
	_, err := r.Admin.SetIdentityService(t.Context(), &v1.SetIdentityServiceRequest{Enabled: &on})
	r.must(err)
	return r
}

func (r *Realm) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, server.ServeOptions{Dir: r.Folder, Ready: func(a net.Addr, _ string) { ready <- a.String() }})
	}()
	select {
	case address := <-ready:
		r.URL = "https://" + address
	case err := <-ended:
		cancel()
		r.t.Fatal(err)
	}
	admin, closer, err := server.Admin(ctx, r.Folder, nil)
	r.must(err)
	r.Admin = admin
	r.Stop = sync.OnceFunc(func() {
		_ = closer.Close()
		cancel()
		if err := <-ended; err != nil {
			r.t.Error("serve:", err)
		}
	})
	r.t.Cleanup(r.Stop)
}

func (r *Realm) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// Code is one with which a machine of that name joins, and the fingerprint.
func (r *Realm) Code(name string) (code, fingerprint string) {
	r.t.Helper()
	m, err := r.Admin.AddMachine(r.t.Context(), &v1.NameRequest{Name: name})
	r.must(err)
	return m.GetCode(), m.GetFingerprint()
}

// Provider is a joined machine.
func (r *Realm) Provider(name string) *sallyport.Provider {
	r.t.Helper()
	code, fingerprint := r.Code(name)
	j, err := sallyport.Join(r.t.Context(), sallyport.Server{URL: r.URL}, code, fingerprint)
	r.must(err)
	p, err := sallyport.New(sallyport.Options{URL: r.URL, RootPEM: j.RootPEM, MachineKey: j.Key, MachineID: j.MachineID, Realm: j.Realm, Memory: provider.Forgetful{}})
	r.must(err)
	r.t.Cleanup(func() { _ = p.Close() })
	return p
}

// Person adds an account with a wallet.
func (r *Realm) Person(name string) {
	r.t.Helper()
	w := wallettest.New(r.t)
	r.wallets[name] = w
	_, err := r.Admin.AddAccount(r.t.Context(), &v1.AddAccountRequest{Name: name})
	r.must(err)
	_, err = r.Admin.AddIdentityWallet(r.t.Context(), &v1.IdentityWalletRequest{Name: name, Address: w.Address.String()})
	r.must(err)
}

// Token logs a person in on a device, through that machine.
func (r *Realm) Token(p *sallyport.Provider, name, device string) []byte {
	r.t.Helper()
	w := r.wallets[name]
	m := wallet.Login{Realm: Name, Chain: 1, Device: device}.Message(w.Address, time.Now())
	token, err := p.LoginByWallet(r.t.Context(), name, report.IdentityWallet{Device: device, Address: w.Address.String(), Signed: w.Signed(m)})
	r.must(err)
	return token
}

// Revoke ends the tokens of a person.
func (r *Realm) Revoke(name string) {
	r.t.Helper()
	_, err := r.Admin.EndIdentityTokens(r.t.Context(), &v1.EndIdentityTokensRequest{Name: name})
	r.must(err)
}
