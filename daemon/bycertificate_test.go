package daemon

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/daemon/hops"
	"github.com/sallyport-auth/sallyport/identity"
)

// shower is a machine to which alice shows certificates of the realm.
type shower struct {
	*testMachine
	authority ssh.Signer
	request   uuid.UUID
	ended     bool
	machine   uuid.UUID
}

func showing(t *testing.T) *shower {
	t.Helper()
	s := &shower{testMachine: machineWithVault(t), request: uuid.New(), machine: uuid.New()}
	raw, private, err := ed25519.GenerateKey(nil)
	if err == nil {
		s.authority, err = ssh.NewSignerFromSigner(private)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.d.hops = &hops.Judge{
		Machine: s.machine, Authorities: func() [][]byte { return [][]byte{raw} }, Now: s.d.Clock().Now,
		Ended: func(r uuid.UUID) bool { return s.ended && r == s.request },
	}
	s.d.Gate.o.Book.File = filepath.Join(t.TempDir(), "sessions")
	return s
}

// info is what sshd says that it authenticated alice by.
func (s *shower) info(methods string, change func(*ssh.Certificate)) string {
	s.t.Helper()
	q, err := s.d.AccountByName(bg, "alice")
	if err != nil {
		s.t.Fatal(err)
	}
	now := s.d.Clock().Now()
	c := &ssh.Certificate{
		Key: s.authority.PublicKey(), CertType: ssh.UserCert, KeyId: identity.HopID{Asker: "alice", Request: s.request}.String(),
		ValidPrincipals: []string{identity.HopPrincipal(s.machine, q.UUID)},
		ValidAfter:      uint64(now.Add(-time.Minute).Unix()), ValidBefore: uint64(now.Add(time.Minute).Unix()),
		Permissions: ssh.Permissions{Extensions: map[string]string{identity.HopMethods: methods, identity.HopEarn: "", identity.HopSessions: "end"}},
	}
	if change != nil {
		change(c)
	}
	if err := c.SignCert(rand.Reader, s.authority); err != nil {
		s.t.Fatal(err)
	}
	return "publickey " + c.Type() + " " + base64.StdEncoding.EncodeToString(c.Marshal()) + "\n"
}

// Promise certificate-earns.
func TestACertificateEarnsGroupsWhereItsRuleSaysSo(t *testing.T) {
	for sentence, c := range map[string]struct {
		methods string
		change  func(*ssh.Certificate)
		then    func(*shower)
		login   func(*identity.Login)
		earns   bool
	}{
		"a request with a code":        {methods: "password,totp", earns: true},
		"a request by password alone":  {methods: "password"},
		"no factors":                   {methods: ""},
		"a factor that nobody has":     {methods: "totp,retina"},
		"a card that alice has not":    {methods: "totp,piv"},
		"no backup code any more":      {methods: "password,totp,backup-code"},
		"a rule that does not say so":  {methods: "password,totp", change: func(c *ssh.Certificate) { delete(c.Extensions, identity.HopEarn) }},
		"a certificate for a bastion":  {methods: "password,totp", change: func(c *ssh.Certificate) { c.Extensions[identity.HopNext] = "web 22" }},
		"another machine's":            {methods: "password,totp", change: func(c *ssh.Certificate) { c.ValidPrincipals[0] = identity.HopPrincipal(uuid.New(), uuid.New()) }},
		"a grant that was ended":       {methods: "password,totp", then: func(s *shower) { s.ended = true }},
		"a time that is over":          {methods: "password,totp", change: func(c *ssh.Certificate) { c.ValidBefore = c.ValidAfter + 30 }},
		"another key's":                {methods: "password,totp", then: func(s *shower) { s.d.hops.Authorities = func() [][]byte { return nil } }},
		"a service that is not sshd":   {methods: "password,totp", login: func(l *identity.Login) { l.Service = "login" }},
		"a peer that is not root":      {methods: "password,totp", login: func(l *identity.Login) { l.Peer.UID = 1900000100 }},
		"a process that nobody knows":  {methods: "password,totp", login: func(l *identity.Login) { l.Process = identity.Process{} }},
		"a certificate and no session": {methods: "password,totp", login: func(l *identity.Login) { l.Operation = identity.OpAccount }},
	} {
		s := showing(t)
		info := s.info(c.methods, c.change)
		if c.then != nil {
			c.then(s)
		}
		service := "sshd"
		s.by(identity.OpOpenSession, at(70, 50), func(l *identity.Login) {
			l.AuthInfo = info
			if c.login != nil {
				c.login(l)
			}
			service = l.Service
		})
		v := s.by(identity.OpSetCredentials, at(71, 70), func(l *identity.Login) { l.Service = service })
		if v.Code != identity.Granted || slices.Contains(v.Groups, vault().GID) != c.earns {
			t.Errorf("%s: %+v", sentence, v)
		}
		if v := s.by(identity.OpSetCredentials, at(72, 50), func(l *identity.Login) { l.Service = service }); len(v.Groups) > 0 {
			t.Errorf("%s: its brother: %+v", sentence, v)
		}
	}
}

// Promise session-ended.
func TestASessionIsItsGrantsUntilItCloses(t *testing.T) {
	s := showing(t)
	info := s.info("password", nil)
	s.ended = true // between sshd's question and the session
	kept := func() bool {
		t.Helper()
		text, err := os.ReadFile(s.d.Gate.o.Book.File)
		return err == nil && strings.Contains(string(text), s.request.String())
	}
	with := func(l *identity.Login) { l.AuthInfo = info }
	if s.by(identity.OpOpenSession, at(70, 50), func(l *identity.Login) { with(l); l.Peer.UID = 1900000100 }); kept() {
		t.Error("somebody who is not root is believed")
	}
	if v := s.by(identity.OpOpenSession, at(70, 50), with); v.Code != identity.Granted || !kept() {
		t.Errorf("%+v; written down: %v", v, kept())
	}
	if s.by(identity.OpCloseSession, at(71, 50), nil); !kept() {
		t.Error("another process closes it")
	}
	if s.by(identity.OpCloseSession, at(70, 50), nil); kept() {
		t.Error("it is closed and still there")
	}
}
