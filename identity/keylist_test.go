package identity_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// realmPair is a key that is the same in every run.
func realmPair(t testing.TB, seed byte) (ed25519.PublicKey, *identity.Signer) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	s, err := identity.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return key.Public().(ed25519.PublicKey), s
}

func someList(keys ...[]byte) *identity.KeyList {
	sum := sha256.Sum256([]byte("tls"))
	return &identity.KeyList{
		Realm: "example.org", Version: 7, Keys: keys, Time: 1_800_000_000,
		TLS: []identity.TLSTrust{{Kind: identity.TLSServer, Key: sum[:], Names: []string{"id.example.org"}}},
	}
}

// Promise keys-list.
func TestAKeyListVerifiesWithItsRealmKeyAlone(t *testing.T) {
	pub, realm := realmPair(t, 1)
	other, signing := realmPair(t, 2)
	signed, err := realm.SignKeyList(someList(other))
	if err != nil {
		t.Fatal(err)
	}
	l, err := identity.OpenKeyList(pub, signed)
	if err != nil || l.Version != 7 || !bytes.Equal(l.Keys[0], other) {
		t.Fatal(l, err)
	}
	if _, err := identity.OpenKeyList(other, signed); !errors.Is(err, identity.ErrToken) || !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("another key: %v", err)
	}
	for i := range signed {
		bad := bytes.Clone(signed)
		bad[i] ^= 1
		if _, err := identity.OpenKeyList(pub, bad); !errors.Is(err, identity.ErrToken) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	// What a signing key may sign is no list, whoever's key it is.
	word, err := signing.SignIntroduction("example.org", pub, 1)
	if err != nil {
		t.Fatal(err)
	}
	step, err := signing.SignRealmKey("example.org", pub, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{word, step} {
		if _, err := identity.OpenKeyList(other, b); !errors.Is(err, identity.ErrToken) || errors.Is(err, identity.ErrUnknownKey) {
			t.Errorf("taken for a list: %v", err)
		}
	}
}

func TestAKeyListThatIsOfNoUseIsNotSigned(t *testing.T) {
	pub, realm := realmPair(t, 1)
	for sentence, spoil := range map[string]func(*identity.KeyList){
		"no realm":           func(l *identity.KeyList) { l.Realm = "" },
		"no version":         func(l *identity.KeyList) { l.Version = 0 },
		"no signing key":     func(l *identity.KeyList) { l.Keys = nil },
		"half a signing key": func(l *identity.KeyList) { l.Keys[0] = l.Keys[0][:16] },
		"no TLS key":         func(l *identity.KeyList) { l.TLS = nil },
		"half a TLS key":     func(l *identity.KeyList) { l.TLS[0].Key = l.TLS[0].Key[:16] },
		"a name with a line": func(l *identity.KeyList) { l.TLS[0].Names = []string{"a\nname b"} },
		"too many keys":      func(l *identity.KeyList) { l.Keys = make([][]byte, 65) },
	} {
		l := someList(bytes.Clone(pub))
		spoil(l)
		if _, err := realm.SignKeyList(l); !errors.Is(err, identity.ErrToken) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// chained is a bundle of key n, with links from the ones before.
func chained(t testing.TB, n byte, realm string) *identity.KeyBundle {
	t.Helper()
	b := &identity.KeyBundle{}
	for i := byte(1); i < n; i++ {
		_, s := realmPair(t, i)
		next, _ := realmPair(t, i+1)
		link, err := s.SignRealmKey(realm, next, 1)
		if err != nil {
			t.Fatal(err)
		}
		b.Chain = append(b.Chain, link)
	}
	pub, s := realmPair(t, n)
	b.RealmKey = pub
	var err error
	if b.List, err = s.SignKeyList(someList(pub)); err != nil {
		t.Fatal(err)
	}
	return b
}

// Promise keys-realm-key.
func TestAChainLeadsFromAnyEarlierRealmKey(t *testing.T) {
	b := chained(t, 4, "example.org")
	for n := byte(1); n <= 4; n++ {
		from, _ := realmPair(t, n)
		got, l, err := b.Follow(from)
		if err != nil || !got.Equal(ed25519.PublicKey(b.RealmKey)) || l.Version != 7 {
			t.Errorf("from key %d: %v", n, err)
		}
	}
	stranger, _ := realmPair(t, 9)
	if _, _, err := b.Follow(stranger); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("from a stranger: %v", err)
	}
	first, _ := realmPair(t, 1)
	b.Chain = b.Chain[1:]
	if _, _, err := b.Follow(first); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("without the first link: %v", err)
	}
	if _, _, err := chained(t, 2, "another realm").Follow(first); !errors.Is(err, identity.ErrToken) {
		t.Errorf("a link of another realm: %v", err)
	}
}

// Promise keys-list, keys-from-before.
func TestOnlyAKnownSigningKeyIntroducesARealmKey(t *testing.T) {
	realm, _ := realmPair(t, 1)
	known, by := realmPair(t, 2)
	word, err := by.SignIntroduction("example.org", realm, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := &identity.KeyBundle{Introductions: [][]byte{word}}
	link, err := by.SignRealmKey("example.org", realm, 1)
	if err != nil {
		t.Fatal(err)
	}
	if ring, err := identity.NewKeyring("example.org", []ed25519.PublicKey{known}); err != nil {
		t.Fatal(err)
	} else if _, err := (&identity.KeyBundle{Introductions: [][]byte{link}}).Introduced(ring); !errors.Is(err, identity.ErrToken) {
		t.Errorf("a link of the chain introduces: %v", err)
	}
	for sentence, c := range map[string]struct {
		realm string
		key   ed25519.PublicKey
		ok    bool
	}{
		"the key":       {"example.org", known, true},
		"another key":   {"example.org", realm, false},
		"another realm": {"other", known, false},
	} {
		ring, err := identity.NewKeyring(c.realm, []ed25519.PublicKey{c.key})
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Introduced(ring)
		if (err == nil) != c.ok || (c.ok && !got.Equal(realm)) || (err != nil && !errors.Is(err, identity.ErrToken)) {
			t.Errorf("%s: %x, %v", sentence, got, err)
		}
	}
}

// docs/keys.md shows people how to make this by hand.
// Promise keys-join.
func TestTheFingerprintIsOfAReadableText(t *testing.T) {
	pub, _ := realmPair(t, 1)
	trust := someList(pub).TLS[0]
	text := "sallyport-realm-1\nrealm-key " + hex.EncodeToString(pub) + "\ntls server " + hex.EncodeToString(trust.Key) + "\nname id.example.org\n"
	if got, want := identity.RealmFingerprint(pub, trust), sha256.Sum256([]byte(text)); got != want {
		t.Errorf("%x, want %x", got, want)
	}
	for sentence, other := range map[string]identity.TLSTrust{
		"another kind": {Kind: identity.TLSAuthority, Key: trust.Key, Names: trust.Names},
		"another name": {Kind: trust.Kind, Key: trust.Key, Names: []string{"id.example.com"}},
	} {
		if identity.RealmFingerprint(pub, other) == identity.RealmFingerprint(pub, trust) {
			t.Errorf("%s has the same fingerprint", sentence)
		}
	}
}

func TestATLSKeyOfAnUnknownKindTrustsNobody(t *testing.T) {
	leaf := &x509.Certificate{Raw: []byte{1}, RawSubjectPublicKeyInfo: []byte("tls")}
	trust := someList().TLS[0]
	trust.Kind = "intermediate"
	err := trust.Verify([]*x509.Certificate{leaf}, "id.example.org", leaf.NotBefore)
	if err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("got %v", err)
	}
	if err := (&identity.KeyList{}).VerifyTLS([]*x509.Certificate{leaf}, "id.example.org", leaf.NotBefore); err == nil {
		t.Error("an empty list trusts somebody")
	}
}

// Promise keys-decoder.
// Seen red: an error of the decoder that is no token error passed on.
func FuzzKeyBundle(f *testing.F) {
	for n := byte(1); n < 4; n++ {
		b, err := chained(f, n, "example.org").Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte{0xa1, 0x01, 0x02})
	pub, _ := realmPair(f, 1)
	ring, err := identity.NewKeyring("example.org", []ed25519.PublicKey{pub})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		b, err := identity.DecodeKeyBundle(encoded)
		if err != nil {
			if !errors.Is(err, identity.ErrToken) {
				t.Errorf("%v is no token error", err)
			}
			return
		}
		if _, err := b.Introduced(ring); err == nil {
			t.Error("an introduction was forged")
		}
		key, l, err := b.Follow(pub)
		switch {
		case err != nil && !errors.Is(err, identity.ErrToken):
			t.Errorf("%v is no token error", err)
		case err == nil && (len(key) != ed25519.PublicKeySize || l.Validate() != nil || l.Version != 7):
			t.Errorf("taken: %+v", l)
		}
	})
}
