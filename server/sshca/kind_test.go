package sshca_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/sshca"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Every test is run on each database.
func TestMain(m *testing.M) { os.Exit(servertest.OnEach(m)) }

type kindRig struct {
	*servertest.Bench
	machines map[string]store.Machine
}

func newKindRig(t testing.TB) *kindRig {
	r := &kindRig{servertest.New(t), map[string]store.Machine{}}
	for _, name := range []string{"web1", "bastion", "db1"} {
		r.machines[name], _ = r.Machine(identity.Name(name))
	}
	r.Must(r.Admin.AddMachine(t.Context(), servertest.Named("later")))
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{
		Name: "web1", HostNames: &v1.Hosts{Hosts: []string{"web1.example.org"}}, Addresses: &v1.Hosts{Hosts: []string{"192.0.2.1", "2001:db8::1"}},
	}))
	return r
}

// resolve resolves what alice asks for.
func (r *kindRig) resolve(ask *v1.SSHAsk) (s request.Subject, err error) {
	r.T.Helper()
	err = r.Store.Read(r.T.Context(), func(tx *store.Tx) error {
		alice, err := tx.AccountByName("alice")
		if err != nil {
			return err
		}
		s, err = sshca.Kind{}.Resolve(tx, alice, r.Box, &v1.AskRequest{Kind: &v1.AskRequest_Ssh{Ssh: ask}})
		return err
	})
	return s, err
}

func to(hosts ...string) *v1.SSHAsk {
	a := &v1.SSHAsk{}
	for _, h := range hosts {
		a.Hops = append(a.Hops, &v1.SSHHop{Host: h})
	}
	return a
}

// TestAHostIsAMachineByItsNamesAlone: its name in the realm, and what an administrator gave
// it; case does not matter, and nothing else is like it.
// Promise ssh-kind.
func TestAHostIsAMachineByItsNamesAlone(t *testing.T) {
	r := newKindRig(t)
	for host, want := range map[string]string{
		"web1": "web1", "WEB1": "web1", "Web1.Example.ORG": "web1", "192.0.2.1": "web1", "2001:DB8:0::1": "web1", "::ffff:192.0.2.1": "web1", "db1": "db1",
		"web1.example.org.": "", "web": "", "web11": "", "web1.example": "", "192.0.2.2": "", "example.org": "", "db1.example.org": "", "later": "", "192.0.2.01": "",
	} {
		s, err := r.resolve(to(host))
		if want == "" {
			if err == nil {
				t.Errorf("%q is %s", host, s.Text)
			}
			continue
		}
		if err != nil || s.Parts[0].Machine.UUID != r.machines[want].UUID {
			t.Errorf("%q: %v", host, err)
		}
	}
	// A machine that joined under a name does not get what an administrator gave another.
	other, _ := r.Machine("web1.example.org")
	s, err := r.resolve(to("web1.example.org"))
	if err != nil || s.Parts[0].Machine.UUID == other.UUID {
		t.Error("the machine that calls itself so", err)
	}
}

// TestOddHostsAreRefused: whatever a shell, ssh or a name server would make of them.
// Promise ssh-kind.
func TestOddHostsAreRefused(t *testing.T) {
	r := newKindRig(t)
	for _, host := range []string{
		"", "-web1", "-oProxyCommand=x", "web1;id", "web1 ", " web1", "$(id)", "`id`", "web1\n", "web1\x00", "we\x1bb1", "web1%h", "%eth0", "fe80::1%eth0",
		"alice@web1", "web1/", "[2001:db8::1]", "wéb1", "web1,db1", "*", "web?", "'web1'", strings.Repeat("a", 256),
	} {
		if _, err := r.resolve(to(host)); !errors.Is(err, realm.ErrInput) {
			t.Errorf("%q: %v", host, err)
		}
	}
	if _, err := r.resolve(to(strings.Repeat("a", 255))); !errors.Is(err, identity.ErrNotFound) {
		t.Error(err)
	}
}

// TestAChainIsSaidExactly: in one way, and in a line for people.
// Promise ssh-kind.
func TestAChainIsSaidExactly(t *testing.T) {
	r := newKindRig(t)
	ask := to("Bastion", "WEB1.example.org")
	ask.Hops[0].Account, ask.Hops[0].Port = "carol", 2222
	ask.Forward = []string{"x11", "local", "x11"}
	s, err := r.resolve(ask)
	r.Must(nil, err)
	d, err := sshca.ParseDetail(s.Detail)
	r.Must(nil, err)
	want := `{"hops":[{"machine":"` + r.machines["bastion"].UUID.String() + `","name":"bastion","host":"bastion","port":2222,"account":"` + d.Hops[0].Account.String() +
		`","as":"carol"},{"machine":"` + r.machines["web1"].UUID.String() + `","name":"web1","host":"web1.example.org","port":22,"account":"` + d.Hops[1].Account.String() +
		`","as":"alice"}],"forward":["local","x11"]}`
	if string(s.Detail) != want {
		t.Errorf("%s\nwant %s", s.Detail, want)
	}
	if s.Text != "ssh alice@web1 through carol@bastion port 2222, with forwarding: local, x11" {
		t.Error(s.Text)
	}
	if len(s.Parts) != 2 || s.Parts[0].Role != "pass" || len(s.Parts[0].Forward) != 0 || s.Parts[1].Role != "login" || len(s.Parts[1].Forward) != 2 || s.Parts[0].Account.Name != "carol" {
		t.Errorf("%+v", s.Parts)
	}
	ask.Forward = []string{"local", "x11"}
	if again, err := r.resolve(ask); err != nil || string(again.Detail) != want {
		t.Errorf("in other words it is another: %s", again.Detail)
	}
}

// TestWhatCannotBeGoneThroughIsRefused.
// Promise ssh-kind.
func TestWhatCannotBeGoneThroughIsRefused(t *testing.T) {
	r := newKindRig(t)
	r.Must(r.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "dbas"}))
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "db1", Scope: &v1.Scope{Groups: []string{"dbas"}}}))
	r.Machine("shut")
	r.Must(r.Admin.QuarantineMachine(t.Context(), servertest.Named("shut")))
	with := func(change func(*v1.SSHAsk)) *v1.SSHAsk {
		a := to("web1")
		change(a)
		return a
	}
	for what, ask := range map[string]*v1.SSHAsk{
		"no host":            to(),
		"nine hosts":         to("a", "b", "c", "d", "e", "f", "g", "h", "i"),
		"one twice":          to("bastion", "web1", "bastion"),
		"by another name":    to("web1", "192.0.2.1"),
		"unknown":            to("bastion", "nowhere"),
		"beyond the scope":   to("db1"),
		"not joined":         to("later"),
		"in quarantine":      to("shut"),
		"unknown account":    with(func(a *v1.SSHAsk) { a.Hops[0].Account = "nobody-there" }),
		"odd account":        with(func(a *v1.SSHAsk) { a.Hops[0].Account = "-l root" }),
		"qualified account":  with(func(a *v1.SSHAsk) { a.Hops[0].Account = "alice@example.org" }),
		"port":               with(func(a *v1.SSHAsk) { a.Hops[0].Port = 65536 }),
		"role":               with(func(a *v1.SSHAsk) { a.Role = "Role!" }),
		"the role of others": with(func(a *v1.SSHAsk) { a.Role = "pass" }),
		"forwarding":         with(func(a *v1.SSHAsk) { a.Forward = []string{"agent"} }),
	} {
		if s, err := r.resolve(ask); err == nil {
			t.Errorf("%s: %s", what, s.Text)
		}
	}
}
