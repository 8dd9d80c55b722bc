package sallyport_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise hop-once.
func TestWhatIsGrantedAtOnceIsCertifiedAtOnce(t *testing.T) {
	r := newRealm(t)
	r.account("ada")
	r.do(r.admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{}))
	r.do(r.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "leads"}))
	r.options("web1")
	r.options("db1")
	r.do(r.admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "web", Machines: []string{"web1"}, Effect: "grant"}}))
	r.do(r.admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "db", Machines: []string{"db1"}, Effect: "approve", Approvers: "leads"}}))
	p := open(t, r.options("laptop"))
	session := try(t, p, "ada", testPassword).SignedSession
	key := func() []byte {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		k, err := ssh.NewPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return k.Marshal()
	}
	ask := func(id, host string, key []byte) (report.Request, *report.Certified) {
		t.Helper()
		q, c, err := p.Ask(t.Context(), session, identity.Origin{}, report.AskArgs{ID: id, Hops: []report.Hop{{Host: host, Port: 22, Account: "ada"}}, PublicKey: key})
		if err != nil {
			t.Fatal(err)
		}
		return q, c
	}
	id := uuid.NewString()
	for range 2 { // the same request with another key is the same request
		k := key()
		q, c := ask(id, "web1", k)
		if q.ID != id || q.State != "used" || c == nil || len(c.Hops) != 1 || len(c.Hosts) == 0 {
			t.Fatalf("%+v, %+v", q, c)
		}
		parsed, err := ssh.ParsePublicKey(c.Hops[0].Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if cert, is := parsed.(*ssh.Certificate); !is || string(cert.Key.Marshal()) != string(k) || !strings.Contains(cert.KeyId, id) {
			t.Errorf("the certificate is %+v", parsed)
		}
	}
	if q, c := ask(uuid.NewString(), "web1", nil); c != nil || q.ID != id {
		t.Errorf("without a key: %+v, %+v", q, c)
	}
	if q, c := ask(uuid.NewString(), "web1", []byte("no key")); c != nil || q.ID != id {
		t.Errorf("with what is no key: %+v, %+v", q, c)
	}
	if q, c := ask(uuid.NewString(), "db1", key()); c != nil || q.State != "waiting" {
		t.Errorf("what waits for people: %+v, %+v", q, c)
	}
	if q, c := ask(uuid.NewString(), "laptop", key()); c != nil || q.State != "denied" {
		t.Errorf("what no rule grants: %+v, %+v", q, c)
	}
}
