package identity_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func factors(n int) []identity.Factor {
	return slices.Repeat([]identity.Factor{{Kind: identity.Password, Epoch: 1}}, n)
}

// TestEachLimitOfATokenIsExact: what is at the limit is taken, and one more is not.
func TestEachLimitOfATokenIsExact(t *testing.T) {
	key := identity.SSHKey{Line: "ssh-ed25519 A"}
	line := func(n int) []identity.SSHKey {
		return []identity.SSHKey{{Line: "a " + strings.Repeat("b", n-2)}}
	}
	card := func(n int) []identity.Factor {
		return []identity.Factor{{Kind: identity.PIV, Certificate: make([]byte, n)}}
	}
	for name, change := range map[string]func(t *identity.IDToken, more int){
		"ssh keys": func(t *identity.IDToken, more int) {
			t.SSHKeys = slices.Repeat([]identity.SSHKey{key}, identity.MaxSSHKeys+more)
		},
		"factors":       func(t *identity.IDToken, more int) { t.Factors = factors(identity.MaxFactors + more) },
		"revoked cards": func(t *identity.IDToken, more int) { t.RevokedCards = make([][]byte, identity.MaxRevoked+more) },
		"key line":      func(t *identity.IDToken, more int) { t.SSHKeys = line(identity.MaxKeyLine + more) },
		"certificate":   func(t *identity.IDToken, more int) { t.Factors = card(identity.MaxCertificate + more) },
		"full name":     func(t *identity.IDToken, more int) { t.Account.FullName = strings.Repeat("x", identity.MaxText+more) },
		"label":         func(t *identity.IDToken, more int) { t.Factors[0].Label = strings.Repeat("x", identity.MaxText+more) },
		"points": func(t *identity.IDToken, more int) {
			t.Points = identity.Points{{Kind: identity.FactorKind(strings.Repeat("x", identity.MaxText+more))}}
		},
	} {
		tok := token()
		if change(tok, 0); tok.Validate() != nil {
			t.Errorf("%s at the limit: %v", name, tok.Validate())
		}
		tok = token()
		if change(tok, 1); !errors.Is(tok.Validate(), identity.ErrToken) {
			t.Errorf("%s beyond the limit: %v", name, tok.Validate())
		}
	}
}

func TestWhatATokenMustNotSayIsRefused(t *testing.T) {
	line := func(l string) func(*identity.IDToken) {
		return func(t *identity.IDToken) { t.SSHKeys = []identity.SSHKey{{Line: l}} }
	}
	points := func(p ...identity.KindPoints) func(*identity.IDToken) {
		return func(t *identity.IDToken) { t.Points = p }
	}
	for name, change := range map[string]func(*identity.IDToken){
		"a tab in a key":              line("ssh-ed25519\tA A"),
		"an umlaut in a key":          line("ssh-ed25519 \u00e4"),
		"DEL in a key":                line("ssh-ed25519 A\x7f"),
		"a key without its type":      line(" A"),
		"a key without its base64":    line("ssh-ed25519 "),
		"a colon in a tag":            func(t *identity.IDToken) { t.SSHKeys[0].Tag = "a:b" },
		"points of no kind":           points(identity.KindPoints{Points: 1}),
		"points twice":                points(identity.KindPoints{Kind: identity.PIV}, identity.KindPoints{Kind: identity.PIV}),
		"a card without certificate":  func(t *identity.IDToken) { t.Factors = []identity.Factor{{Kind: identity.PIV}} },
		"a password with certificate": func(t *identity.IDToken) { t.Factors[0].Certificate = []byte{1} },
		"a colon in a label":          func(t *identity.IDToken) { t.Factors[0].Label = "a:b" },
		"DEL in the full name":        func(t *identity.IDToken) { t.Account.FullName = "a\x7f" },
		"C1 in the full name":         func(t *identity.IDToken) { t.Account.FullName = "a\u009b" },
		"bytes that are not UTF-8":    func(t *identity.IDToken) { t.Account.FullName = "a\xff" },
		"a colon in the realm":        func(t *identity.IDToken) { t.Realm = "a:b" },
	} {
		tok := token()
		if change(tok); !errors.Is(tok.Validate(), identity.ErrToken) {
			t.Errorf("%s: %v", name, tok.Validate())
		}
	}
	tok := token()
	tok.Account.FullName, tok.State = "\u00c4da \u00a0L", identity.Disabled
	if err := tok.Validate(); err != nil {
		t.Errorf("letters beyond ASCII, of a disabled account: %v", err)
	}
}

func TestAPlaceIsKnownOnlyByNumberAndStart(t *testing.T) {
	for _, c := range []struct {
		number uint32
		start  uint64
		known  bool
	}{{}, {7, 0, false}, {0, 7, false}, {7, 7, true}} {
		if (identity.LoginSession{Leader: c.number, Started: c.start}).Known() != c.known || (identity.Process{PID: c.number, Started: c.start}).Known() != c.known {
			t.Errorf("%d, %d: not %t", c.number, c.start, c.known)
		}
	}
}

func TestPointsCountEachKindOnceAndACodeOnce(t *testing.T) {
	p := identity.DefaultPoints()
	for _, c := range []struct {
		kinds []identity.FactorKind
		want  int
	}{
		{nil, 0},
		{[]identity.FactorKind{identity.Password, identity.Password}, 10},
		{[]identity.FactorKind{identity.TOTP, identity.BackupCode}, 20},
		{[]identity.FactorKind{identity.Password, identity.TOTP, identity.PIV}, 60},
		{[]identity.FactorKind{"another"}, 0},
	} {
		if got := p.Sum(c.kinds); got != c.want {
			t.Errorf("%v: %d, want %d", c.kinds, got, c.want)
		}
	}
	if p.Of(identity.PIV) != 30 || p.Of("another") != 0 {
		t.Errorf("a card counts %d, another %d", p.Of(identity.PIV), p.Of("another"))
	}
	if k := identity.Kinds(append(factors(2), identity.Factor{Kind: identity.PIV})); !slices.Equal(k, []identity.FactorKind{identity.Password, identity.PIV}) {
		t.Errorf("kinds %v", k)
	}
}

func TestOnlyAKindThatASessionCanProveIsDemanded(t *testing.T) {
	for word, ok := range map[string]bool{"password": true, "totp": true, "piv": true, "backup-code": false, "": false, "PIV": false, "new-piv": false} {
		if k, err := identity.ParseFactorKind(word); (err == nil) != ok || ok && string(k) != word || !ok && k != "" {
			t.Errorf("%q: %q, %v", word, k, err)
		}
	}
}

func TestASecretIsSealedToOneKeyAndOnePurpose(t *testing.T) {
	key, err := hpke.DHKEM(ecdh.P256()).GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	info := identity.SealInfo("example", machine, account, identity.TOTP, 3)
	sealed, err := identity.SealTo(key.PublicKey().Bytes(), info, identity.NewSecret([]byte("secret")))
	if err != nil {
		t.Fatal(err)
	}
	got, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed)
	if err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	for what, other := range map[string][]byte{
		"realm": identity.SealInfo("exampl", machine, account, identity.TOTP, 3), "machine": identity.SealInfo("example", account, account, identity.TOTP, 3),
		"account": identity.SealInfo("example", machine, machine, identity.TOTP, 3), "kind": identity.SealInfo("example", machine, account, identity.PIV, 3),
		"epoch": identity.SealInfo("example", machine, account, identity.TOTP, 4),
	} {
		if _, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), other, sealed); err == nil {
			t.Errorf("it opens for another %s", what)
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, identity.SealingKeyLen), key.PublicKey().Bytes()[1:]} {
		if b, err := identity.SealTo(bad, info, identity.NewSecret([]byte("secret"))); !errors.Is(err, identity.ErrSealed) || b != nil {
			t.Errorf("sealed to no key: %v", err)
		}
	}
}

func TestATokenThatIsTooLongIsNotRead(t *testing.T) {
	_, pub := pair(t, 1)
	if _, err := ring(t, pub).IDToken(make([]byte, identity.MaxTokenLen+1)); !errors.Is(err, identity.ErrToken) || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("%v", err)
	}
	if n := len(ring(t, pub).KeyIDs()); n != 1 {
		t.Errorf("%d keys", n)
	}
}

func TestACardIsGivenTheDigestOfItsKey(t *testing.T) {
	big, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("message")
	sum := sha512.Sum384(message)
	if d, o := identity.CardDigest(big.Public(), message); !bytes.Equal(d, sum[:]) || o.HashFunc() != crypto.SHA384 {
		t.Errorf("P-384: %x", d)
	}
	if d, o := identity.CardDigest(small.Public(), message); len(d) != 32 || o.HashFunc() != crypto.SHA256 {
		t.Errorf("P-256: %x", d)
	}
	if d, o := identity.CardDigest(ed25519.PublicKey(nil), message); !bytes.Equal(d, message) || o.HashFunc() != 0 {
		t.Errorf("Ed25519: %x", d)
	}
	if _, err := identity.ParseCardProof([]byte{0xff}); !errors.Is(err, identity.ErrCard) {
		t.Errorf("no proof: %v", err)
	}
	if err := (identity.CardProof{}).Verify([]byte("no certificate"), identity.CardChallenge{Account: uuid.New()}); !errors.Is(err, identity.ErrCard) {
		t.Errorf("no certificate: %v", err)
	}
}
