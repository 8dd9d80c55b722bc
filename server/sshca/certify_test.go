package sshca_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/sshca"
	"github.com/sallyport-auth/sallyport/server/store"
)

// certifying is a realm that makes ssh certificates, in which a rule grants everything.
type certifying struct {
	*kindRig
	authority *sshca.Authority
	session   []byte
	key       ssh.PublicKey
}

func newCertifying(t testing.TB) *certifying {
	t.Helper()
	c := &certifying{kindRig: newKindRig(t)}
	c.authority = sshca.New(c.Realm, c.Requests)
	c.Must(c.Admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{}))
	c.Must(c.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "all", Effect: "grant", Forward: []string{"local", "remote", "x11"}}}))
	c.Must(c.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "bastion", Addresses: &v1.Hosts{Hosts: []string{"192.0.2.9", "2001:db8::9"}}}))
	resp, err := c.Engine.Step(c.Call(), &v1.StepRequest{Session: c.Begin("alice"), Kind: string(identity.Password), Credential: []byte(servertest.Right)})
	c.Must(resp, err)
	c.session = resp.GetSessionToken()
	c.key = c.newKey()
	return c
}

func (c *certifying) newKey() ssh.PublicKey {
	c.T.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	c.Must(nil, err)
	k, err := ssh.NewPublicKey(public)
	c.Must(nil, err)
	return k
}

// certified asks and has the key certified.
func (c *certifying) certified(ask *v1.SSHAsk, key []byte) (*v1.CertifyResponse, error) {
	c.T.Helper()
	r, err := c.Requests.Ask(c.Call(), &v1.AskRequest{SessionToken: c.session, Id: uuid.NewString(), Kind: &v1.AskRequest_Ssh{Ssh: ask}})
	c.Must(r, err)
	if s := r.GetRequest().GetState(); s != "granted" && s != "used" {
		c.T.Fatalf("%s: %s", s, r.GetRequest().GetWhy())
	}
	return c.authority.Certify(c.Call(), &v1.CertifyRequest{Id: r.GetRequest().GetId(), SessionToken: c.session, PublicKey: key})
}

func (c *certifying) parsed(wire []byte) *ssh.Certificate {
	c.T.Helper()
	k, err := ssh.ParsePublicKey(wire)
	c.Must(nil, err)
	cert, is := k.(*ssh.Certificate)
	if !is {
		c.T.Fatal("it is no certificate")
	}
	return cert
}

// Promise ssh-certificate.
func TestEachHopsCertificateIsForThatHopAlone(t *testing.T) {
	c := newCertifying(t)
	ask := to("bastion", "web1.example.org")
	ask.Hops[1].Port, ask.Forward = 2222, []string{"local"}
	resp, err := c.certified(ask, c.key.Marshal())
	c.Must(resp, err)
	if len(resp.GetHops()) != 2 || resp.GetRequest().GetState() != "used" {
		t.Fatalf("%v", resp)
	}
	alice := c.account("alice")
	for i, want := range []struct {
		machine, source string
		extensions      map[string]string
	}{
		{"bastion", "", map[string]string{"permit-port-forwarding": "", identity.HopNext: "web1.example.org 2222", identity.HopSessions: "tell"}},
		{"web1", "192.0.2.9,2001:db8::9", map[string]string{"permit-pty": "", "permit-port-forwarding": "", identity.HopLocal: "", identity.HopMethods: "password", identity.HopSessions: "tell"}},
	} {
		hop, m := resp.GetHops()[i], c.machines[want.machine]
		got := c.parsed(hop.GetCertificate())
		id := identity.HopID{Asker: "alice", At: "box", To: m.Name, As: "alice", Request: uuid.MustParse(resp.GetRequest().GetId())}.String()
		if !slices.Equal(got.ValidPrincipals, []string{identity.HopPrincipal(m.UUID, alice)}) || got.KeyId != id || got.CertType != ssh.UserCert || got.Serial == 0 ||
			string(got.Key.Marshal()) != string(c.key.Marshal()) || got.CriticalOptions["source-address"] != want.source || len(got.CriticalOptions) > 1 {
			t.Errorf("%s: %+v", want.machine, got)
		}
		if !equal(got.Extensions, want.extensions) {
			t.Errorf("%s allows %v, want %v", want.machine, got.Extensions, want.extensions)
		}
		if after, before := int64(got.ValidAfter)-c.Now().Unix(), int64(got.ValidBefore)-c.Now().Unix(); after != -60 || before != 300 {
			t.Errorf("%s: good from %d to %d s", want.machine, after, before)
		}
		if hop.GetHostAlias() != identity.HostAlias(m.UUID) || hop.GetMachine() != want.machine {
			t.Errorf("%v", hop)
		}
		if err := (&ssh.CertChecker{}).CheckCert(got.ValidPrincipals[0], got); err != nil && !strings.Contains(err.Error(), "valid") && !strings.Contains(err.Error(), "source-address") {
			t.Errorf("%s: %v", want.machine, err)
		}
		file := filepath.Join(t.TempDir(), "cert.pub")
		c.Must(nil, os.WriteFile(file, ssh.MarshalAuthorizedKey(got), 0o600))
		out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-L", "-f", file).CombinedOutput()
		if err != nil || !strings.Contains(string(out), id) || !strings.Contains(string(out), got.ValidPrincipals[0]) {
			t.Errorf("ssh-keygen says %v:\n%s", err, out)
		}
	}
}

// Promise certificate-early.
func TestCertificatesBeginEarlyAndEndNoLater(t *testing.T) {
	c := newCertifying(t)
	for _, minutes := range []uint32{0, 1, 15} {
		c.Must(c.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{CertificatesEarly: &minutes}))
		resp, err := c.certified(to("web1"), c.key.Marshal())
		c.Must(resp, err)
		host, err := c.authority.CertifyHost(c.Call(), &v1.CertifyHostRequest{PublicKeys: [][]byte{c.newKey().Marshal()}})
		c.Must(host, err)
		for life, got := range map[time.Duration]*ssh.Certificate{
			5 * time.Minute: c.parsed(resp.GetHops()[0].GetCertificate()), 14 * 24 * time.Hour: c.parsed(host.GetCertificates()[0]),
		} {
			after, before := c.Now().Unix()-int64(got.ValidAfter), int64(got.ValidBefore)-c.Now().Unix()
			if after != int64(minutes)*60 || before != int64(life/time.Second) {
				t.Errorf("%d minutes early: it begins %d s ago, and ends in %d s, want %s", minutes, after, before, life)
			}
		}
	}
	more := uint32(16)
	if _, err := c.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{CertificatesEarly: &more}); err == nil {
		t.Error("16 minutes are taken")
	}
	if v, err := c.Admin.ShowRealm(t.Context(), &v1.ShowRealmRequest{}); err != nil || v.GetCertificatesEarly() != 15 {
		t.Errorf("%d minutes, %v", v.GetCertificatesEarly(), err)
	}
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, has := b[k]; !has || v != w {
			return false
		}
	}
	return true
}

func (c *certifying) account(name string) (id uuid.UUID) {
	c.T.Helper()
	c.Must(nil, c.Store.Read(c.T.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName(identity.Name(name))
		id = a.UUID
		return err
	}))
	return id
}

// Promise ssh-certificate.
func TestNothingIsCertifiedThatCouldCountElsewhere(t *testing.T) {
	c := newCertifying(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	c.Must(nil, err)
	other, err := ssh.NewPublicKey(&private.PublicKey)
	c.Must(nil, err)
	resp, err := c.certified(to("web1"), c.key.Marshal())
	c.Must(resp, err)
	for sentence, key := range map[string][]byte{
		"no key": nil, "another kind of key": other.Marshal(), "a certificate": resp.GetHops()[0].GetCertificate(), "more than a key": append(c.key.Marshal(), 0),
	} {
		if _, err := c.certified(to("web1"), key); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	if _, err := c.certified(to("db1", "web1"), c.key.Marshal()); connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "no address of db1 is known") {
		t.Errorf("behind a machine without an address: %v", err)
	}
	_, others := c.Machine("another")
	id := resp.GetRequest().GetId()
	if _, err := c.authority.Certify(others, &v1.CertifyRequest{Id: id, SessionToken: c.session, PublicKey: c.key.Marshal()}); err == nil {
		t.Error("at another machine")
	}
	if _, err := c.authority.Certify(context.Background(), &v1.CertifyRequest{Id: id, SessionToken: c.session, PublicKey: c.key.Marshal()}); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("by nobody: %v", err)
	}
	c.Must(c.Admin.EndRequest(t.Context(), &v1.EndRequestRequest{Id: id, Reason: "enough"}))
	if _, err := c.authority.Certify(c.Call(), &v1.CertifyRequest{Id: id, SessionToken: c.session, PublicKey: c.key.Marshal()}); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("of a grant that was ended: %v", err)
	}
}

// Promise ssh-keys.
func TestANewKeySignsOnceMachinesHaveHeardOfIt(t *testing.T) {
	c := newCertifying(t)
	signs := func() string {
		t.Helper()
		resp, err := c.certified(to("web1"), c.key.Marshal())
		c.Must(resp, err)
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c.parsed(resp.GetHops()[0].GetCertificate()).SignatureKey)))
	}
	listed := func() []string { return c.Keys().GetSshUsers() }
	first := signs()
	if !slices.Equal(listed(), []string{first}) {
		t.Fatalf("%q signs, %q are listed", first, listed())
	}
	c.Must(c.Admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{}))
	if l := listed(); len(l) != 2 || l[1] != first || signs() != first {
		t.Errorf("after a rotation %q are listed and %q signs", l, signs())
	}
	c.Unix.Add(int64(2 * time.Hour / time.Second))
	if l := listed(); signs() != l[0] {
		t.Errorf("later %q signs, not %q", signs(), l[0])
	}
	c.Must(c.Admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{Emergency: true}))
	if l := listed(); len(l) != 1 || signs() != l[0] || l[0] == first {
		t.Errorf("in an emergency %q are listed and %q signs", l, signs())
	}
	if hosts := c.Keys().GetSshHosts(); len(hosts) != 1 || hosts[0] == listed()[0] {
		t.Errorf("hosts' keys: %q", hosts)
	}
}

// Promise hop-host.
func TestAHostsNamesAreTheRealmsAndNotItsOwn(t *testing.T) {
	c := newCertifying(t)
	c.Must(c.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "db1", HostNames: &v1.Hosts{Hosts: []string{"www"}}}))
	web, calls := c.Machine("www")
	c.Must(c.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "www", HostNames: &v1.Hosts{Hosts: []string{"www.example.org"}}}))
	host := c.newKey()
	resp, err := c.authority.CertifyHost(calls, &v1.CertifyHostRequest{PublicKeys: [][]byte{host.Marshal()}})
	c.Must(resp, err)
	got := c.parsed(resp.GetCertificates()[0])
	if want := []string{identity.HostAlias(web.UUID), "www.example.org"}; !slices.Equal(got.ValidPrincipals, want) || got.CertType != ssh.HostCert {
		t.Errorf("a host certificate for %q, want %q", got.ValidPrincipals, want) // its own name is another's host name
	}
	if line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(got.SignatureKey))); line != c.Keys().GetSshHosts()[0] {
		t.Errorf("signed by %s", line)
	}
	asked, err := c.certified(to("www.example.org"), c.key.Marshal())
	c.Must(asked, err)
	if keys := asked.GetHops()[0].GetHostKeys(); len(keys) != 1 || string(keys[0]) != string(host.Marshal()) {
		t.Errorf("who goes there is told of %d keys", len(keys))
	}
	for sentence, keys := range map[string][][]byte{
		"none": {}, "no key": {[]byte("x")}, "a certificate": {resp.GetCertificates()[0]}, "too many": slices.Repeat([][]byte{host.Marshal()}, 9),
	} {
		if _, err := c.authority.CertifyHost(calls, &v1.CertifyHostRequest{PublicKeys: keys}); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestARealmWithoutKeysMakesNoCertificates(t *testing.T) {
	c := &certifying{kindRig: newKindRig(t)}
	host := c.newKey().Marshal()
	_, err := sshca.New(c.Realm, c.Requests).CertifyHost(c.Call(), &v1.CertifyHostRequest{PublicKeys: [][]byte{host}})
	if connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), realm.ErrNoSSH.Error()) {
		t.Errorf("%v", err)
	}
	c.Must(nil, c.Store.Read(t.Context(), func(tx *store.Tx) error { // for when it makes some
		keys, err := tx.HostKeys(c.Box.UUID)
		if err == nil && (len(keys) != 1 || string(keys[0]) != string(host)) {
			t.Errorf("%d host keys are remembered", len(keys))
		}
		return err
	}))
}
