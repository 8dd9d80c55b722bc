package sshca_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/crypto/ssh"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// agentRig is a realm whose server has an ssh-agent with a key for each use.
type agentRig struct {
	*certifying
	agent        *servertest.SSHAgent
	users, hosts ssh.PublicKey
	files        []string
}

func newAgentRig(t *testing.T) *agentRig {
	t.Helper()
	r := &agentRig{certifying: newCertifying(t), agent: servertest.NewSSHAgent(t)}
	r.SSHAgent.Socket = r.agent.Socket
	var users, hosts string
	r.users, users = r.agent.Add("-t ecdsa -b 256")
	r.hosts, hosts = r.agent.Add("-t rsa -b 3072")
	r.files = []string{users, hosts}
	return r
}

func line(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }

// rotate makes the agent's keys the realm's.
func (r *agentRig) rotate(change func(*v1.RotateSSHKeysRequest)) (*v1.KeysView, error) {
	req := &v1.RotateSSHKeysRequest{UsersKey: r.users.Marshal(), HostsKey: r.hosts.Marshal()}
	if change != nil {
		change(req)
	}
	return r.Admin.RotateSSHKeys(r.T.Context(), req)
}

// signs is the key that signed a new certificate, of a person and of a host.
func (r *agentRig) signs() (user, host string) {
	r.T.Helper()
	resp, err := r.certified(to("web1"), r.key.Marshal())
	r.Must(resp, err)
	own, err := r.authority.CertifyHost(r.Call(), &v1.CertifyHostRequest{PublicKeys: [][]byte{r.newKey().Marshal()}})
	r.Must(own, err)
	list := []*ssh.Certificate{r.parsed(resp.GetHops()[0].GetCertificate()), r.parsed(own.GetCertificates()[0])}
	for _, c := range list { // as ssh-keygen reads it
		file := filepath.Join(r.T.TempDir(), "cert.pub")
		r.Must(nil, os.WriteFile(file, ssh.MarshalAuthorizedKey(c), 0o600))
		out, err := exec.CommandContext(r.T.Context(), "ssh-keygen", "-L", "-f", file).CombinedOutput()
		if err != nil || !strings.Contains(string(out), ssh.FingerprintSHA256(c.SignatureKey)) {
			r.T.Errorf("ssh-keygen reads %s, %v", out, err)
		}
	}
	return line(list[0].SignatureKey), line(list[1].SignatureKey)
}

func (r *agentRig) later() { r.Unix.Add(int64(time.Hour / time.Second)) }

// Promise ca-agent, ca-agent-rotation.
func TestAnAgentsKeysTakeOverAsAnyNewKeysDoAndGiveBack(t *testing.T) {
	r := newAgentRig(t)
	u0, h0 := r.signs()
	v, err := r.rotate(nil)
	r.Must(v, err)
	if got := v.GetSshUsers(); !slices.Equal(got, []string{line(r.users), u0}) || v.GetSshAgent().GetProblem() != "" || len(v.GetSshAgent().GetKeys()) != 2 {
		t.Errorf("%v", v)
	}
	if u, h := r.signs(); u != u0 || h != h0 {
		t.Error("they sign before machines have heard of them")
	}
	r.later()
	if u, h := r.signs(); u != line(r.users) || h != line(r.hosts) {
		t.Errorf("%s and %s sign", u, h)
	}
	var told *connect.Error
	if v, err := r.Admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{}); !errors.As(err, &told) || !strings.Contains(told.Message(), "--into-database") {
		t.Errorf("keys come back into the database without a word: %v, %v", v, err)
	}
	if v, err := r.rotate(nil); err == nil {
		t.Errorf("the same again: %v", v)
	}
	// The one before, which the database keeps, counts until it is ended.
	v, err = r.rotate(func(req *v1.RotateSSHKeysRequest) { req.Emergency = true })
	r.Must(v, err)
	if got := v.GetSshUsers(); !slices.Equal(got, []string{line(r.users)}) {
		t.Errorf("%q are listed", got)
	}
	if u, h := r.signs(); u != line(r.users) || h != line(r.hosts) {
		t.Errorf("%s and %s sign", u, h)
	}
	v, err = r.Admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{IntoDatabase: true})
	r.Must(v, err)
	if u, _ := r.signs(); u != line(r.users) {
		t.Errorf("%s signs", u)
	}
	r.later()
	if u, h := r.signs(); u != v.GetSshUsers()[0] || h != v.GetSshHosts()[0] || r.Keys().GetSshAgent() != nil {
		t.Errorf("%s and %s sign, and %v", u, h, r.Keys().GetSshAgent())
	}
}

// Promise ca-agent-rotation.
func TestOneUseMayGoToAnAgentAlone(t *testing.T) {
	r := newAgentRig(t)
	before := r.Keys().GetSshHosts()
	r.Must(r.rotate(func(req *v1.RotateSSHKeysRequest) { req.HostsKey = nil }))
	if v := r.Keys(); !slices.Equal(v.GetSshHosts(), before) || len(v.GetSshUsers()) != 2 {
		t.Errorf("%v", v)
	}
}

// Promise ca-agent-kinds, ca-agent-rotation.
func TestNoKeyIsTakenThatTheAgentDoesNotSignWith(t *testing.T) {
	r := newAgentRig(t)
	before := r.Keys()
	small, _ := r.agent.Add("-t rsa -b 2048")
	p521, _ := r.agent.Add("-t ecdsa -b 521")
	for sentence, change := range map[string]func(*v1.RotateSSHKeysRequest){
		"one that it has not":      func(req *v1.RotateSSHKeysRequest) { req.UsersKey = r.newKey().Marshal() },
		"RSA 2048":                 func(req *v1.RotateSSHKeysRequest) { req.HostsKey = small.Marshal() },
		"P-521":                    func(req *v1.RotateSSHKeysRequest) { req.HostsKey = p521.Marshal() },
		"one key for both":         func(req *v1.RotateSSHKeysRequest) { req.HostsKey = req.GetUsersKey() },
		"none":                     func(req *v1.RotateSSHKeysRequest) { req.UsersKey = []byte("x") },
		"here and in the database": func(req *v1.RotateSSHKeysRequest) { req.IntoDatabase = true },
	} {
		v, err := r.rotate(change)
		if code := connect.CodeOf(err); code != connect.CodeInvalidArgument && code != connect.CodeFailedPrecondition {
			t.Errorf("%s: %v, %v", sentence, v, err)
		}
	}
	if after := r.Keys(); after.GetVersion() != before.GetVersion() {
		t.Errorf("the key list is changed: %v", after)
	}
	r.Must(r.rotate(func(req *v1.RotateSSHKeysRequest) { req.HostsKey = nil }))
	if v, err := r.rotate(func(req *v1.RotateSSHKeysRequest) { req.UsersKey, req.HostsKey = nil, r.users.Marshal() }); err == nil {
		t.Errorf("a key of people's certificates signs for hosts: %v", v)
	}
}

// Promise ca-agent-away.
func TestWithoutTheAgentNothingIsCertifiedAndItIsSaidWhy(t *testing.T) {
	r := newAgentRig(t)
	r.Must(r.rotate(func(req *v1.RotateSSHKeysRequest) { req.Emergency = true }))
	refused := func(why string) {
		t.Helper()
		resp, err := r.certified(to("web1"), r.key.Marshal())
		var told *connect.Error
		if !errors.As(err, &told) || told.Code() != connect.CodeUnavailable || !strings.Contains(told.Message(), "ssh-agent") || len(told.Details()) != 1 {
			t.Errorf("%v, %v", resp, err)
		}
		if own, err := r.authority.CertifyHost(r.Call(), &v1.CertifyHostRequest{PublicKeys: [][]byte{r.newKey().Marshal()}}); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("a host: %v, %v", own, err)
		}
		if p := r.Keys().GetSshAgent().GetProblem(); !strings.Contains(p, why) {
			t.Errorf("keys show says %q, not %q", p, why)
		}
	}
	r.agent.Kill()
	refused("does not answer")
	r.agent.Start()
	r.agent.Add("-t ecdsa -b 256")
	refused("does not have the key")
	for _, f := range r.files {
		r.agent.AddFile(f)
	}
	if u, h := r.signs(); u != line(r.users) || h != line(r.hosts) {
		t.Errorf("%s and %s sign", u, h)
	}
	if p := r.Keys().GetSshAgent().GetProblem(); p != "" {
		t.Errorf("keys show says %q", p)
	}
}
