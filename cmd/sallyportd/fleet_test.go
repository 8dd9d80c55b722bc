package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/realm"
)

const (
	alicesPassword = "correct horse battery"
	alicesKey      = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

// fleetMachine is a daemon, and the realm that it has joined: one server behind two
// addresses, which a test cuts off, stalls and restores.
type fleetMachine struct {
	*machine
	realm         string // folder
	address       string
	admin         sallyportv1connect.AdminServiceClient
	stopServer    func()
	first, second *providertest.Front
	d             *daemon.Realms
}

func newFleetMachine(t *testing.T) *fleetMachine {
	t.Helper()
	m := &fleetMachine{machine: newMachine(t)}
	m.realm = m.path("realm")
	m.must(realm.Init(t.Context(), realm.InitOptions{Dir: m.realm, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14}))
	m.serve("")
	m.first, m.second = providertest.NewFront(t, "https://"+m.address), providertest.NewFront(t, "https://"+m.address)
	added, err := m.admin.AddMachine(t.Context(), &v1.NameRequest{Name: "box"})
	m.must(err)
	// The first server is away while the machine joins.
	m.first.Cut()
	to := sallyport.Server{URL: m.first.URL(), Others: []string{m.second.URL()}}
	j, err := sallyport.Join(t.Context(), to, added.GetCode(), added.GetFingerprint())
	m.must(err)
	m.first.Restore()
	der, err := x509.MarshalPKCS8PrivateKey(j.Key)
	m.must(err)
	m.write("machine.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	m.write("ca.pem", j.RootPEM)
	written := config.Joined{Machine: j.MachineID, URL: to.URL, Others: to.Others, Realm: j.Realm, CA: m.path("ca.pem"), Allow: []string{"*"}}
	text := strings.Replace(string(written.Text()), "[machine]\n", fmt.Sprintf("[machine]\nkey = %q\n", m.path("machine.key")), 1) +
		fmt.Sprintf("[cards]\nenabled = false\n[seal]\nkind = \"file\"\n[paths]\nstate = %q\nrun = %q\ndirectory = %q\n", m.path("state"), m.path("run"), m.path("names"))
	c, err := config.Parse("sallyportd.toml", []byte(text))
	m.must(err)
	m.runs(c)
	return m
}

// serve starts the realm's server.
func (m *fleetMachine) serve(listen string) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, server.ServeOptions{Dir: m.realm, Listen: listen, Ready: func(a net.Addr, _ string) { ready <- a.String() }})
	}()
	select {
	case m.address = <-ready:
	case err := <-ended:
		m.t.Fatal(err)
	}
	admin, closer, err := server.Admin(ctx, m.realm, nil)
	m.must(err)
	m.admin = admin
	m.stopServer = sync.OnceFunc(func() {
		_ = closer.Close()
		cancel()
		m.must(<-ended)
	})
	m.t.Cleanup(m.stopServer)
}

// runs starts the daemon, as serve does, but for the sockets of other programs.
func (m *fleetMachine) runs(c *config.Config) {
	m.t.Helper()
	log := slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	sealed := openSeal(ctx, c, log)
	m.d = daemon.NewRealms()
	_, closer, err := openRealms(ctx, c, nil, daemon.Options{Log: log, Sealer: sealed.Sealer, Realms: m.d, Machine: c.Machine.ID, Version: version})
	m.must(err)
	ended := make(chan error, 1)
	go func() { ended <- m.d.Run(ctx) }()
	m.t.Cleanup(func() {
		stop()
		m.must(<-ended)
		closer()
		m.must(sealed.Close())
	})
}

// person is alice, with a one-time code where she is to have one.
func (m *fleetMachine) person(code bool) {
	m.t.Helper()
	do := func(_ any, err error) { m.t.Helper(); m.must(err) }
	do(m.admin.AddAccount(m.t.Context(), &v1.AddAccountRequest{Name: "alice"}))
	do(m.admin.SetPassword(m.t.Context(), &v1.SetPasswordRequest{Name: "alice", Password: []byte(alicesPassword)}))
	if code {
		do(m.admin.AddTOTP(m.t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(alicesKey)}))
	}
}

// status waits until the daemon says something of its servers.
func (m *fleetMachine) status(what string, says func(report.Provider) bool) report.Status {
	m.t.Helper()
	var s report.Status
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		m.must(m.d.Handle(m.t.Context(), identity.Peer{}, report.VerbStatus, nil, func(v any) error { s = v.(report.Status); return nil }))
		if says(s.Providers[0]) {
			return s
		}
	}
	m.t.Fatalf("%s: status says %+v", what, s.Providers[0])
	return s
}

func online(p report.Provider) bool { return p.State == "online" && p.Complete }

// uses tells whether the server at that address is used.
func uses(f *providertest.Front) func(report.Provider) bool {
	return func(p report.Provider) bool {
		for _, s := range p.Servers {
			if s.InUse {
				return s.URL == f.URL()
			}
		}
		return false
	}
}

// keyboard is a person with a phone, and something that happens before an answer.
type keyboard struct {
	m       *fleetMachine
	before  map[string]func() // by prompt; once
	codes   int
	prompts []string
	told    []string
}

func (k *keyboard) Ask(_ context.Context, _ identity.Style, text string) (identity.Secret, error) {
	k.prompts = append(k.prompts, text)
	if f := k.before[text]; f != nil {
		delete(k.before, text)
		f()
	}
	if strings.HasPrefix(text, "Password") {
		return identity.NewSecret([]byte(alicesPassword)), nil
	}
	// Each code is good once; the server takes the next one as well.
	code, err := totp.GenerateCode(alicesKey, time.Now().Add(time.Duration(k.codes)*30*time.Second))
	k.codes++
	return identity.NewSecret([]byte(code)), err
}

func (k *keyboard) Tell(_ context.Context, _ identity.Style, text string) error {
	k.told = append(k.told, text)
	return nil
}

func (m *fleetMachine) login(before map[string]func()) (identity.Verdict, *keyboard) {
	k := &keyboard{m: m, before: before}
	v := m.d.Decide(m.t.Context(), identity.Login{
		Operation: identity.OpAuthenticate, Service: "login", User: "alice", TTY: "tty1", Caller: identity.Caller{Known: true, LoginUID: identity.NoLoginUID},
	}, k)
	return v, k
}

// A whole login, by the real daemon at the real server, while its server goes away.
// Promise servers-login.
func TestAServerThatGoesAwayInALoginCostsOneStepAtMost(t *testing.T) {
	const password, code = "Password: ", "One-time code: "
	for sentence, c := range map[string]struct {
		prompt  string
		goes    func(m *fleetMachine)
		prompts string
	}{
		"nothing goes away":             {"", nil, password + "|" + code},
		"cut off at the password":       {password, func(m *fleetMachine) { m.first.Cut() }, password + "|" + code},
		"cut off at the code":           {code, func(m *fleetMachine) { m.first.Cut() }, password + "|" + code},
		"it hangs at the password":      {password, func(m *fleetMachine) { m.first.Stall() }, password + "|" + code},
		"it hangs at the code":          {code, func(m *fleetMachine) { m.first.Stall() }, password + "|" + code + "|" + code},
		"the yes to the code is lost":   {code, func(m *fleetMachine) { m.first.Silence() }, password + "|" + code + "|" + code},
		"it is started anew":            {code, func(m *fleetMachine) { m.stopServer(); m.serve(m.address) }, password + "|" + code},
		"the other one hangs meanwhile": {code, func(m *fleetMachine) { m.second.Stall() }, password + "|" + code},
	} {
		t.Run(sentence, func(t *testing.T) {
			m := newFleetMachine(t)
			m.person(true)
			m.status("online", func(p report.Provider) bool { return online(p) && uses(m.first)(p) })
			before := map[string]func(){}
			if c.goes != nil {
				before[c.prompt] = func() {
					c.goes(m)
					if m.first.IsCut() { // until it is noticed, an answer may be on its way for all that is known
						m.status("the other one", uses(m.second))
					}
				}
			}
			v, k := m.login(before)
			if got := strings.Join(k.prompts, "|"); v.Code != identity.Granted || got != c.prompts {
				t.Errorf("%s; prompts %q, told %q", v.Code, got, k.told)
			}
			a, err := m.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: "alice"})
			m.must(err)
			if a.GetFailures() != 0 {
				t.Errorf("%d failures are counted", a.GetFailures())
			}
			m.status("online", online)
		})
	}
}

// Promise servers-offline, servers-stream.
func TestAMachineIsOfflineOnlyWhereNoServerAnswers(t *testing.T) {
	m := newFleetMachine(t)
	m.person(false)
	m.status("online", func(p report.Provider) bool { return online(p) && uses(m.first)(p) })
	grants := func(when string) {
		t.Helper()
		if v, k := m.login(nil); v.Code != identity.Granted {
			t.Errorf("%s: %s; told %q", when, v.Code, k.told)
		}
	}
	grants("both are there")
	m.first.Cut()
	s := m.status("the second is used", func(p report.Provider) bool { return uses(m.second)(p) && p.State == "online" })
	first := s.Providers[0].Servers[0]
	if first.State != "down" || first.Since == nil || first.Why == "" || len(s.Providers[0].Servers) != 2 {
		t.Errorf("status says %+v", s.Providers[0].Servers)
	}
	if f := s.Findings; len(f) == 0 || !strings.Contains(fmt.Sprintf("%+v", f), "one-server-down") {
		t.Errorf("findings: %+v", f)
	}
	var x report.Explanation
	args := []byte(`{"name":"alice"}`)
	m.must(m.d.Handle(t.Context(), identity.Peer{}, report.VerbExplain, args, func(v any) error { x = v.(report.Explanation); return nil }))
	if text := fmt.Sprintf("%+v", x.Steps); !strings.Contains(text, m.second.URL()+" is used, of 2 servers") || !strings.Contains(text, "one-server-down") || !x.MayLogin {
		t.Errorf("explain says %s", text)
	}
	grants("the first is gone")
	m.second.Cut()
	m.status("offline", func(p report.Provider) bool { return p.State == "offline" })
	grants("nobody is there")
	m.first.Restore()
	m.status("the first is back", func(p report.Provider) bool { return online(p) && uses(m.first)(p) })
	grants("the first is back")
}
