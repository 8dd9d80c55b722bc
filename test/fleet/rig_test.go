package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/admin"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// rig is two servers as processes, a PostgreSQL of their own, and an administrator with a
// folder of his own, so that he needs neither.
type rig struct {
	t        testing.TB
	database *postgres.Server
	servers  [2]*Process
	realm    *realm.Realm
	admin    *admin.Admin
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t}
	var err error
	r.database, err = postgres.Start(t.Context())
	r.must(nil, err)
	t.Cleanup(func() { _ = r.database.Stop() })
	r.serve(r.database.Realm(t))
	return r
}

// serve makes a realm in that database, and serves it.
func (r *rig) serve(address string) {
	t := r.t
	t.Helper()
	binary, err := Build(t.Context(), t.TempDir())
	r.must(nil, err)
	o := realm.InitOptions{Dir: filepath.Join(t.TempDir(), "first"), Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14, Database: address}
	r.must(nil, realm.Init(t.Context(), o))
	first := &Process{Binary: binary, Dir: o.Dir}
	o.SealKey, o.Dir = first.SealKey(), filepath.Join(t.TempDir(), "second")
	r.must(nil, realm.InitAnother(t.Context(), o))
	r.servers = [2]*Process{first, {Binary: binary, Dir: o.Dir}}
	o.Dir = filepath.Join(t.TempDir(), "administrator")
	r.must(nil, realm.InitAnother(t.Context(), o))
	r.realm, err = realm.Open(t.Context(), realm.Dir(o.Dir), "", slog.New(slog.DiscardHandler), time.Now)
	r.must(nil, err)
	t.Cleanup(func() { _ = r.realm.Close() })
	e := auth.New(r.realm, time.Minute)
	r.admin = admin.New(r.realm, e, e, request.New(r.realm, nil))
	for _, s := range r.servers {
		r.must(nil, s.Start(t.Context()))
		t.Cleanup(func() { _ = s.Kill() })
	}
}

func (r *rig) must(_ any, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// password is the first of everybody.
const password = "correct horse battery"

// person makes an account, with one-time codes where code is set.
func (r *rig) person(name string, code string) {
	r.t.Helper()
	r.must(r.admin.AddAccount(r.t.Context(), &v1.AddAccountRequest{Name: name}))
	r.must(r.admin.SetPassword(r.t.Context(), &v1.SetPasswordRequest{Name: name, Password: []byte(password)}))
	if code != "" {
		r.must(r.admin.AddTOTP(r.t.Context(), &v1.AddTOTPRequest{Name: name, Secret: []byte(code)}))
	}
}

// machine joins one, which prefers that server.
func (r *rig) machine(name string, prefers int) *sallyport.Provider {
	r.t.Helper()
	return r.boot(r.joined(name, prefers))
}

// joined is what a machine that has joined is started with.
func (r *rig) joined(name string, prefers int) sallyport.Options {
	r.t.Helper()
	m, err := r.admin.AddMachine(r.t.Context(), &v1.NameRequest{Name: name})
	r.must(nil, err)
	j, err := sallyport.Join(r.t.Context(), sallyport.Server{URL: r.servers[prefers].URL}, m.GetCode(), m.GetFingerprint())
	r.must(nil, err)
	return sallyport.Options{
		URL: r.servers[prefers].URL, Others: []string{r.servers[1-prefers].URL}, RootPEM: j.RootPEM, MachineKey: j.Key,
		MachineID: j.MachineID, Realm: j.Realm, Memory: &providertest.Memory{},
	}
}

func (r *rig) boot(o sallyport.Options) *sallyport.Provider {
	r.t.Helper()
	p, err := sallyport.New(o)
	r.must(nil, err)
	r.t.Cleanup(func() { _ = p.Close() })
	return p
}

// login answers each step as it is asked for, and begins anew once where a step was lost
// with its server, as the daemon does.
func login(ctx context.Context, p *sallyport.Provider, name, code string) (provider.Reply, error) {
	answers := map[identity.FactorKind]string{identity.Password: password, identity.TOTP: code}
	var reply provider.Reply
	var err error
	for range 2 {
		if reply, err = once(ctx, p, name, answers); err == nil {
			break
		}
	}
	return reply, err
}

func once(ctx context.Context, p *sallyport.Provider, name string, answers map[identity.FactorKind]string) (provider.Reply, error) {
	e, reply, err := p.Begin(ctx, provider.Attempt{Name: identity.Name(name), Service: "test", Origin: identity.Seat()})
	for err == nil && reply.Outcome == provider.Continue {
		kind := reply.Offers[0]
		if answers[kind] == "" {
			return reply, fmt.Errorf("%s is asked for", kind)
		}
		reply, err = e.Step(ctx, provider.Answer{Kind: kind, Credential: identity.NewSecret([]byte(answers[kind]))})
	}
	if err != nil {
		return reply, fmt.Errorf("login of %s: %w", name, err)
	}
	return reply, nil
}
