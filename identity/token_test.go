package identity_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

var (
	now     = time.Unix(1_800_000_000, 0)
	account = uuid.MustParse("6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11")
	machine = uuid.MustParse("0b6d2c9e-55f1-4c35-8a5e-4a4f1a3f7f10")
)

func token() *identity.IDToken {
	return &identity.IDToken{
		Realm: "example",
		Account: identity.Account{
			UUID: account, Name: "ada", UID: 70000, GID: 70000, FullName: "Ada Lovelace", Home: "/home/ada", Shell: "/bin/bash",
		},
		State:      identity.Active,
		Groups:     []identity.Group{{UUID: account, Name: "ada", GID: 70000}, {UUID: machine, Name: "admins", GID: 70001}},
		SSHKeys:    []identity.SSHKey{{Tag: "laptop", Line: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIrSMHaEoyGBBK0J9vPOAHYgNQDDcQM1W2U0RXyJZuVM"}},
		Factors:    []identity.Factor{{Kind: identity.Password, Epoch: 3}},
		ValidUntil: identity.Never, IssuedAt: now.Unix(), OfflineFor: 3600, Revision: 7,
	}
}

func session() *identity.SessionToken {
	return &identity.SessionToken{
		Realm: "example", ID: uuid.New(), Account: account, Machine: machine, Methods: []identity.FactorKind{identity.Password},
		AuthenticatedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(),
	}
}

func pair(t testing.TB, seed byte) (*identity.Signer, ed25519.PublicKey) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	s, err := identity.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s, key.Public().(ed25519.PublicKey)
}

func ring(t testing.TB, keys ...ed25519.PublicKey) *identity.Keyring {
	t.Helper()
	k, err := identity.NewKeyring("example", keys)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestASignedTokenComesBackAsItWas(t *testing.T) {
	s, pub := pair(t, 1)
	_, newer := pair(t, 2)
	signed, err := s.SignIDToken(token())
	if err != nil {
		t.Fatal(err)
	}
	got, err := ring(t, newer, pub).IDToken(signed) // the old key still verifies
	if err != nil || got.Account != token().Account || len(got.Groups) != 2 || got.Groups[1].UUID != machine || got.SSHKeys[0] != token().SSHKeys[0] {
		t.Errorf("%+v, %v", got, err)
	}
	if epoch, has := got.FactorEpoch(identity.Password); epoch != 3 || !has {
		t.Errorf("password epoch %d, %v", epoch, has)
	}
}

func TestATokenIsRefusedUnlessTheRealmSignedItForThisUse(t *testing.T) {
	s, pub := pair(t, 1)
	other, _ := pair(t, 2)
	sign := func(s *identity.Signer, change func(*identity.IDToken)) []byte {
		tok := token()
		change(tok)
		b, err := s.SignIDToken(tok)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	same := func(*identity.IDToken) {}
	sess, err := s.SignSessionToken(session())
	if err != nil {
		t.Fatal(err)
	}
	good := sign(s, same)
	for name, signed := range map[string][]byte{
		"another signer":  sign(other, same),
		"another realm":   sign(s, func(t *identity.IDToken) { t.Realm = "evil" }),
		"a session token": sess,
		"nothing":         nil,
		"garbage":         []byte("not CBOR"),
		"cut short":       good[:len(good)-1],
		"with a tail":     append(bytes.Clone(good), 0),
		"oversized":       make([]byte, identity.MaxTokenLen+1),
	} {
		t.Run(name, func(t *testing.T) {
			if tok, err := ring(t, pub).IDToken(signed); !errors.Is(err, identity.ErrToken) || tok != nil {
				t.Errorf("%+v, %v", tok, err)
			}
		})
	}
	for i := range good { // every flipped bit
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if tok, err := ring(t, pub).IDToken(bad); err == nil {
			// COSE leaves the unprotected header and its tag number open; what was
			// signed must not have changed.
			if tok.Account != token().Account || tok.State != identity.Active || tok.Revision != 7 {
				t.Errorf("flipping byte %d changed the token and passed", i)
			}
		}
	}
	if _, err := ring(t).IDToken(good); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("with no keys: %v", err)
	}
	if _, err := ring(t, pub).SessionToken(good); !errors.Is(err, identity.ErrToken) {
		t.Errorf("an ID token passed as a session token: %v", err)
	}
}

// Promise 4.
func TestATokenThatBreaksARuleIsNeitherSignedNorTaken(t *testing.T) {
	for name, change := range map[string]func(*identity.IDToken){
		"name of root's kind":   func(t *identity.IDToken) { t.Account.Name = "ro:ot" },
		"upper case name":       func(t *identity.IDToken) { t.Account.Name = "Ada" },
		"name with newline":     func(t *identity.IDToken) { t.Account.Name = "ada\n" },
		"path as name":          func(t *identity.IDToken) { t.Account.Name = "../ada" },
		"name of 300 bytes":     func(t *identity.IDToken) { t.Account.Name = identity.Name(bytes.Repeat([]byte("a"), 300)) },
		"uid 0":                 func(t *identity.IDToken) { t.Account.UID = 0 },
		"uid 999":               func(t *identity.IDToken) { t.Account.UID = 999 },
		"uid 61200":             func(t *identity.IDToken) { t.Account.UID = 61200 },
		"uid 65534":             func(t *identity.IDToken) { t.Account.UID = 65534 },
		"uid -1":                func(t *identity.IDToken) { t.Account.UID = 4294967295 },
		"gid left at zero":      func(t *identity.IDToken) { t.Account.GID, t.Groups[0].GID = 0, 0 },
		"group gid 0":           func(t *identity.IDToken) { t.Groups[1].GID = 0 },
		"group without a uuid":  func(t *identity.IDToken) { t.Groups[1].UUID = uuid.Nil },
		"group name with colon": func(t *identity.IDToken) { t.Groups[1].Name = "a:b" },
		"no groups":             func(t *identity.IDToken) { t.Groups = nil },
		"another's first group": func(t *identity.IDToken) { t.Groups[0].GID = 70001 },
		"no uuid":               func(t *identity.IDToken) { t.Account.UUID = uuid.Nil },
		"colon in full name":    func(t *identity.IDToken) { t.Account.FullName = "Ada:x" },
		"newline in full name":  func(t *identity.IDToken) { t.Account.FullName = "Ada\nroot:x:0:0" },
		"relative home":         func(t *identity.IDToken) { t.Account.Home = "home" },
		"home with ..":          func(t *identity.IDToken) { t.Account.Home = "/home/../etc" },
		"shell with a newline":  func(t *identity.IDToken) { t.Account.Shell = "/bin/sh\n" },
		"no state":              func(t *identity.IDToken) { t.State = identity.StateUnknown },
		"another state":         func(t *identity.IDToken) { t.State = 9 },
		"no realm":              func(t *identity.IDToken) { t.Realm = "" },
		"key, unknown option":   func(t *identity.IDToken) { t.SSHKeys[0].Line = `commands="x" ` + t.SSHKeys[0].Line },
		"two keys in one":       func(t *identity.IDToken) { t.SSHKeys[0].Line += "\n" + t.SSHKeys[0].Line },
		"too many groups":       func(t *identity.IDToken) { t.Groups = make([]identity.Group, identity.MaxGroups+1) },
	} {
		t.Run(name, func(t *testing.T) {
			tok := token()
			change(tok)
			s, _ := pair(t, 1)
			if _, err := s.SignIDToken(tok); !errors.Is(err, identity.ErrToken) {
				t.Errorf("signed: %v", err)
			}
		})
	}
}

func TestStandingIsGoodOnlyWithinTheDatesOfAnActiveAccount(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*identity.IDToken)
		want   identity.Standing
	}{
		"active":        {func(*identity.IDToken) {}, identity.Good},
		"disabled":      {func(t *identity.IDToken) { t.State = identity.Disabled }, identity.StandingDisabled},
		"no state":      {func(t *identity.IDToken) { t.State = 0 }, identity.StandingUnknown},
		"last second":   {func(t *identity.IDToken) { t.ValidUntil = now.Unix() }, identity.Good},
		"expired":       {func(t *identity.IDToken) { t.ValidUntil = now.Unix() - 1 }, identity.Expired},
		"no end given":  {func(t *identity.IDToken) { t.ValidUntil = 0 }, identity.Expired},
		"not yet valid": {func(t *identity.IDToken) { t.ValidFrom = now.Unix() + 1 }, identity.NotYetValid},
	} {
		t.Run(name, func(t *testing.T) {
			tok := token()
			c.change(tok)
			if got := tok.StandingAt(now); got != c.want {
				t.Errorf("standing %d, want %d", got, c.want)
			}
		})
	}
}

// Promise attack-machine-login.
func TestASessionTokenIsGoodHereNowForThisAccountOnly(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*identity.SessionToken)
		ok     bool
	}{
		"as issued":       {func(*identity.SessionToken) {}, true},
		"another account": {func(t *identity.SessionToken) { t.Account = machine }, false},
		"another machine": {func(t *identity.SessionToken) { t.Machine = account }, false},
		"no machine":      {func(t *identity.SessionToken) { t.Machine = uuid.Nil }, false},
		"no proof":        {func(t *identity.SessionToken) { t.Methods = nil }, false},
		"no id":           {func(t *identity.SessionToken) { t.ID = uuid.Nil }, false},
		"expired":         {func(t *identity.SessionToken) { t.ExpiresAt = now.Add(-2 * time.Minute).Unix() }, false},
		"never expires":   {func(t *identity.SessionToken) { t.ExpiresAt = 0 }, false},
		"from the future": {func(t *identity.SessionToken) { t.AuthenticatedAt = now.Add(2 * time.Minute).Unix() }, false},
		"within the skew": {func(t *identity.SessionToken) { t.AuthenticatedAt = now.Add(30 * time.Second).Unix() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			tok := session()
			c.change(tok)
			if err := tok.Check(account, machine, now, time.Minute); (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

func FuzzKeyring(f *testing.F) {
	s, pub := pair(f, 1)
	signed, err := s.SignIDToken(token())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	servers, err := s.SignServerList(&identity.ServerList{Realm: token().Realm, Version: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(servers)
	f.Add([]byte{0xd2, 0x84})
	k := ring(f, pub)
	f.Fuzz(func(t *testing.T, b []byte) {
		if tok, err := k.IDToken(b); err == nil && tok.Account != token().Account {
			t.Errorf("forged: %+v", tok)
		}
		if l, err := k.ServerList(b); err == nil && l.Version != 1 {
			t.Errorf("forged: %+v", l)
		}
	})
}

func BenchmarkVerifyIDToken(b *testing.B) {
	s, pub := pair(b, 1)
	signed, err := s.SignIDToken(token())
	if err != nil {
		b.Fatal(err)
	}
	k := ring(b, pub)
	for b.Loop() {
		if _, err := k.IDToken(signed); err != nil {
			b.Fatal(err)
		}
	}
}
