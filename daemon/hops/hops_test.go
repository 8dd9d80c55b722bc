package hops

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
)

// scene is a machine, an account of it, and the realm's key.
type scene struct {
	t                *testing.T
	machine, account uuid.UUID
	request          uuid.UUID
	now              time.Time
	authority, key   ssh.Signer
	ended            bool
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, machine: uuid.New(), account: uuid.New(), request: uuid.New(), now: time.Unix(1_800_000_000, 0)}
	for _, k := range []*ssh.Signer{&s.authority, &s.key} {
		_, private, err := ed25519.GenerateKey(nil)
		if err == nil {
			*k, err = ssh.NewSignerFromSigner(private)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *scene) judge() *Judge {
	raw := s.authority.PublicKey().(ssh.CryptoPublicKey).CryptoPublicKey().(ed25519.PublicKey)
	return &Judge{
		Machine: s.machine, Authorities: func() [][]byte { return [][]byte{raw} },
		Ended: func(id uuid.UUID) bool { return s.ended && id == s.request }, Now: func() time.Time { return s.now },
	}
}

// certificate is a good one, and change makes it another.
func (s *scene) certificate(change func(*ssh.Certificate)) []byte {
	s.t.Helper()
	c := &ssh.Certificate{
		Key: s.key.PublicKey(), CertType: ssh.UserCert, Serial: 7,
		KeyId:           identity.HopID{Asker: "ada", At: "laptop", To: "web1", As: "ada", Request: s.request}.String(),
		ValidPrincipals: []string{identity.HopPrincipal(s.machine, s.account)},
		ValidAfter:      uint64(s.now.Add(-time.Minute).Unix()), ValidBefore: uint64(s.now.Add(5 * time.Minute).Unix()),
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{}, Extensions: map[string]string{"permit-pty": ""}},
	}
	by := s.authority
	if change != nil {
		change(c)
	}
	if c.SignatureKey != nil {
		by = s.key
	}
	if err := c.SignCert(rand.Reader, by); err != nil {
		s.t.Fatal(err)
	}
	return c.Marshal()
}

// Promise hop-certificate.
func TestACertificateIsGoodForOneAccountAtOneMachineNow(t *testing.T) {
	s := newScene(t)
	line, err := s.judge().Line(s.account, s.certificate(nil))
	want := `cert-authority,principals="` + identity.HopPrincipal(s.machine, s.account) + `",no-agent-forwarding,no-user-rc ` +
		strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.authority.PublicKey())))
	if err != nil || line != want {
		t.Fatalf("%q, %v; want %q", line, err, want)
	}
	for sentence, change := range map[string]func(*ssh.Certificate){
		"a host's":                func(c *ssh.Certificate) { c.CertType = ssh.HostCert },
		"for another machine":     func(c *ssh.Certificate) { c.ValidPrincipals = []string{identity.HopPrincipal(uuid.New(), s.account)} },
		"for another account":     func(c *ssh.Certificate) { c.ValidPrincipals = []string{identity.HopPrincipal(s.machine, uuid.New())} },
		"for any":                 func(c *ssh.Certificate) { c.ValidPrincipals = nil },
		"for two":                 func(c *ssh.Certificate) { c.ValidPrincipals = append(c.ValidPrincipals, "ada") },
		"for a name":              func(c *ssh.Certificate) { c.ValidPrincipals = []string{"ada"} },
		"not good yet":            func(c *ssh.Certificate) { c.ValidAfter = uint64(s.now.Add(time.Second).Unix()) },
		"over":                    func(c *ssh.Certificate) { c.ValidBefore = uint64(s.now.Unix()) },
		"of no request":           func(c *ssh.Certificate) { c.KeyId = "ada@laptop" },
		"of a request that is no": func(c *ssh.Certificate) { c.KeyId = "ada request=7" },
		"to nowhere":              func(c *ssh.Certificate) { c.Extensions[identity.HopNext] = "web" },
		"to a line of its own":    func(c *ssh.Certificate) { c.Extensions[identity.HopNext] = "web\",command=\"x 22" },
		"to no port":              func(c *ssh.Certificate) { c.Extensions[identity.HopNext] = "web 0" },
	} {
		var no *RefusedError
		if line, err := s.judge().Line(s.account, s.certificate(change)); line != "" || !errors.As(err, &no) || no.Why == "" {
			t.Errorf("%s: %q, %v", sentence, line, err)
		}
	}
	s.ended = true
	if line, err := s.judge().Line(s.account, s.certificate(nil)); line != "" || err == nil {
		t.Errorf("of a grant that was ended: %q, %v", line, err)
	}
}

// Promise hop-certificate.
func TestWhatTheRealmDidNotSignIsNotOurs(t *testing.T) {
	s := newScene(t)
	for sentence, blob := range map[string][]byte{
		"nothing":                nil,
		"no key":                 []byte("ssh-ed25519-cert-v01@openssh.com"),
		"a bare key":             s.key.PublicKey().Marshal(),
		"signed by another key":  s.certificate(func(c *ssh.Certificate) { c.SignatureKey = s.key.PublicKey() }),
		"a certificate and more": append(s.certificate(nil), 0),
	} {
		if line, err := s.judge().Line(s.account, blob); line != "" || !errors.Is(err, ErrNone) {
			t.Errorf("%s: %q, %v", sentence, line, err)
		}
	}
	j := s.judge()
	j.Authorities = func() [][]byte { return nil }
	if line, err := j.Line(s.account, s.certificate(nil)); line != "" || !errors.Is(err, ErrNone) {
		t.Errorf("in a realm without keys: %q, %v", line, err)
	}
}

// Promise hop-certificate.
func TestACertificateThatWasChangedAnywhereIsGoodForNothing(t *testing.T) {
	s := newScene(t)
	blob := s.certificate(func(c *ssh.Certificate) { c.CriticalOptions["source-address"] = "192.0.2.1" })
	if line, err := s.judge().Line(s.account, blob); line == "" || err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	for i := range blob {
		for _, bit := range []byte{1, 128} {
			changed := bytes.Clone(blob)
			changed[i] ^= bit
			if line, err := s.judge().Line(s.account, changed); line != "" || err == nil {
				t.Errorf("byte %d: %q", i, line)
			}
		}
	}
	if line, err := s.judge().Line(s.account, s.certificate(func(c *ssh.Certificate) { c.CriticalOptions["verify-required"] = "" })); line != "" || err == nil {
		t.Errorf("an option that is not known: %q", line)
	}
}

// Promise hop-options.
func TestTheLineAllowsWhatTheCertificateDoesAndNoMore(t *testing.T) {
	s := newScene(t)
	options := func(extensions map[string]string) string {
		t.Helper()
		line, err := s.judge().Line(s.account, s.certificate(func(c *ssh.Certificate) { c.Extensions = extensions }))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(line, `",`)
		rest, _, _ = strings.Cut(rest, " ssh-ed25519 ")
		return rest
	}
	for want, extensions := range map[string]map[string]string{
		"no-agent-forwarding,no-user-rc":                                                                                                          {"permit-pty": ""},
		`no-agent-forwarding,no-user-rc,permitlisten="127.0.0.1:1"`:                                                                               {identity.HopLocal: ""},
		`no-agent-forwarding,no-user-rc,permitopen="nothing.invalid:1"`:                                                                           {identity.HopRemote: ""},
		`no-agent-forwarding,no-user-rc,no-pty,no-X11-forwarding,permitopen="web1:22",permitlisten="127.0.0.1:1",command="/bin/false"`:            {identity.HopNext: "web1 22", identity.HopRemote: ""},
		`no-agent-forwarding,no-user-rc,no-pty,no-X11-forwarding,permitopen="[2001:db8::1]:2200",permitlisten="127.0.0.1:1",command="/bin/false"`: {identity.HopNext: "2001:db8::1 2200"},
	} {
		if got := options(extensions); got != want {
			t.Errorf("%v:\n got %s\nwant %s", extensions, got, want)
		}
	}
	if got := options(map[string]string{identity.HopLocal: "", identity.HopRemote: ""}); got != "no-agent-forwarding,no-user-rc" {
		t.Errorf("both ways: %s", got)
	}
}

// Promise certificate-early.
func TestClocksThatDifferAreNamed(t *testing.T) {
	s := newScene(t)
	blob := s.certificate(nil)
	for later, want := range map[time.Duration]string{-3 * time.Minute: "good only in 2m0s", 20 * time.Minute: "over for 15m0s"} {
		j := s.judge()
		j.Now = func() time.Time { return s.now.Add(later) }
		if _, err := j.Line(s.account, blob); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "clock") {
			t.Errorf("%s: %v", later, err)
		}
	}
}

func FuzzLine(f *testing.F) {
	s := newScene(&testing.T{})
	f.Add(s.certificate(nil))
	f.Add(s.key.PublicKey().Marshal())
	f.Fuzz(func(t *testing.T, blob []byte) {
		line, err := s.judge().Line(s.account, blob)
		if err == nil && (!strings.HasPrefix(line, "cert-authority,principals=\"sallyport/") || strings.ContainsAny(line, "\n\r")) {
			t.Errorf("a line for sshd: %q", line)
		}
	})
}

// Promise key-options.
func TestACertAuthorityKeyIsServedForItsCertificates(t *testing.T) {
	s := newScene(t)
	line := func(k ssh.Signer) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey()))) }
	blob := s.certificate(func(c *ssh.Certificate) { c.SignatureKey = s.key.PublicKey() })
	keys := []identity.SSHKey{
		{Tag: "the key itself", Line: line(s.key)},
		{Tag: "its authority", Line: `cert-authority,principals="ops" ` + line(s.key)},
		{Tag: "another", Line: "cert-authority " + line(s.authority)},
		{Tag: "odd", Line: "cert-authority,odd " + line(s.key)},
	}
	if got := Stored(keys, blob); len(got) != 1 || got[0] != keys[1].Line {
		t.Errorf("%q", got)
	}
	for sentence, blob := range map[string][]byte{"nothing": nil, "a bare key": s.key.PublicKey().Marshal()} {
		if got := Stored(keys, blob); len(got) != 0 {
			t.Errorf("%s: %q", sentence, got)
		}
	}
}
