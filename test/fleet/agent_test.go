package fleet

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// TestAServerWhoseAgentIsAwayLeavesCertificatesToAnother: each has an ssh-agent of its own
// with the realm's key. One whose agent is gone is well for all else.
// Promise ca-agent-servers.
func TestAServerWhoseAgentIsAwayLeavesCertificatesToAnother(t *testing.T) {
	r := newRig(t)
	r.person("ada", "")
	agents := [2]*servertest.SSHAgent{servertest.NewSSHAgent(t), servertest.NewSSHAgent(t)}
	key, file := agents[0].Add("-t ecdsa -b 384")
	agents[1].AddFile(file)
	for i, s := range r.servers {
		r.must(nil, s.Stop())
		s.Words = []string{"--ssh-agent", agents[i].Socket}
		r.must(nil, s.Start(t.Context()))
	}
	r.realm.SSHAgent.Socket = agents[0].Socket
	realmKey, err := os.ReadFile(filepath.Join(r.servers[0].Dir, "realm.key"))
	r.must(nil, err)
	r.must(r.admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{UsersKey: key.Marshal(), Emergency: true, RealmKey: realmKey}))
	m := r.machine("box", 0)
	r.must(r.admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "all", Effect: "grant"}}))
	reply, err := once(t.Context(), m, "ada", map[identity.FactorKind]string{identity.Password: password})
	r.must(reply, err)
	raw, _, err := ed25519.GenerateKey(nil)
	r.must(nil, err)
	public, err := ssh.NewPublicKey(raw)
	r.must(nil, err)
	certified := func() error {
		t.Helper()
		args := report.AskArgs{ID: uuid.NewString(), Hops: []report.Hop{{Host: "box", Port: 22, Account: "ada"}}, PublicKey: public.Marshal()}
		q, c, err := m.Ask(t.Context(), reply.SignedSession, identity.Origin{}, args)
		r.must(nil, err)
		if c == nil {
			var asked report.Certified
			if _, asked, err = m.Certify(t.Context(), reply.SignedSession, q.ID, public.Marshal()); err != nil {
				return err //nolint:wrapcheck // looked at below
			}
			c = &asked
		}
		parsed, err := ssh.ParsePublicKey(c.Hops[0].Certificate)
		r.must(nil, err)
		if cert, is := parsed.(*ssh.Certificate); !is || !bytes.Equal(cert.SignatureKey.Marshal(), key.Marshal()) {
			t.Errorf("the certificate is %v", parsed)
		}
		return nil
	}
	up := func() {
		t.Helper()
		for _, s := range m.Servers() {
			if s.State == "down" {
				t.Errorf("a server is held for down: %+v", s)
			}
		}
	}
	r.must(nil, certified())
	agents[0].Signal(syscall.SIGSTOP) // it hangs
	r.must(nil, certified())
	up()
	agents[0].Kill()
	r.must(nil, certified())
	agents[1].Kill()
	var told provider.RequestError
	if err := certified(); !errors.As(err, &told) || !strings.Contains(err.Error(), "ssh-agent") {
		t.Errorf("without any agent: %v", err)
	}
	up()
	if in, err := r.lets(m, "ada"); !in {
		t.Errorf("a login without any agent: %v", err)
	}
	agents[1].Start()
	agents[1].AddFile(file)
	r.must(nil, certified())
}
