package identity_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"
	"github.com/veraison/go-cose"

	"github.com/sallyport-auth/sallyport/identity"
)

// Promise servers-list.
func TestTheListOfServersKeepsItsBounds(t *testing.T) {
	_, signer := realmPair(t, 2)
	many := func(n int) (urls []string) {
		for i := range n {
			urls = append(urls, fmt.Sprintf("https://s%d.example:8443", i))
		}
		return urls
	}
	for sentence, c := range map[string]struct {
		list identity.ServerList
		good bool
	}{
		"two":                 {identity.ServerList{Realm: "r", Version: 1, URLs: many(2)}, true},
		"sixteen":             {identity.ServerList{Realm: "r", Version: 1, URLs: many(16)}, true},
		"none":                {identity.ServerList{Realm: "r", Version: 1}, true},
		"the longest":         {identity.ServerList{Realm: "r", Version: 1, URLs: []string{"https://" + strings.Repeat("a", 504)}}, true},
		"seventeen":           {identity.ServerList{Realm: "r", Version: 1, URLs: many(17)}, false},
		"too long":            {identity.ServerList{Realm: "r", Version: 1, URLs: []string{"https://" + strings.Repeat("a", 505)}}, false},
		"no version":          {identity.ServerList{Realm: "r", URLs: many(1)}, false},
		"no realm":            {identity.ServerList{Version: 1, URLs: many(1)}, false},
		"plain http":          {identity.ServerList{Realm: "r", Version: 1, URLs: []string{"http://a.example"}}, false},
		"a path":              {identity.ServerList{Realm: "r", Version: 1, URLs: []string{"https://a.example/x"}}, false},
		"a password":          {identity.ServerList{Realm: "r", Version: 1, URLs: []string{"https://a:b@a.example"}}, false},
		"no host":             {identity.ServerList{Realm: "r", Version: 1, URLs: []string{"https://:8443"}}, false},
		"the same in capital": {identity.ServerList{Realm: "r", Version: 1, URLs: []string{"https://a.example", "https://A.example:443/"}}, false},
		"not to be printed":   {identity.ServerList{Realm: "r", Version: 1, URLs: []string{"https://a\u202e.example"}}, false},
	} {
		if _, err := signer.SignServerList(&c.list); (err == nil) != c.good || err != nil && !errors.Is(err, identity.ErrToken) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// Promise servers-list.
func TestTheListOfServersVerifiesWithASigningKeyAlone(t *testing.T) {
	pub, signer := realmPair(t, 2)
	ring, err := identity.NewKeyring("r", []ed25519.PublicKey{pub})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.SignServerList(&identity.ServerList{Realm: "r", Version: 7, URLs: []string{"https://a.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if l, err := ring.ServerList(signed); err != nil || l.Version != 7 || len(l.URLs) != 1 {
		t.Fatal(l, err)
	}
	for i := range signed {
		bad := bytes.Clone(signed)
		bad[i] ^= 1
		if _, err := ring.ServerList(bad); !errors.Is(err, identity.ErrToken) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	elsewhere, err := identity.NewKeyring("other", []ed25519.PublicKey{pub})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.ServerList(signed); !errors.Is(err, identity.ErrToken) {
		t.Errorf("of another realm: %v", err)
	}
	if _, err := ring.SessionToken(signed); !errors.Is(err, identity.ErrToken) {
		t.Errorf("as a session: %v", err)
	}
	if _, err := ring.IDToken(signed); !errors.Is(err, identity.ErrToken) {
		t.Errorf("as an account: %v", err)
	}
	group, err := signer.SignGroupToken(&identity.GroupToken{Realm: "r", Group: identity.Group{UUID: uuid.MustParse("11111111-1111-4111-8111-111111111111"), Name: "g", GID: 70000}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.ServerList(group); !errors.Is(err, identity.ErrToken) {
		t.Errorf("a group as the list: %v", err)
	}
	// Nor is anything else of the same fields, whoever signed it.
	for sort, good := range map[string]bool{"application/sallyport-servers+cbor": true, "application/sallyport-other+cbor": false} {
		if _, err := ring.ServerList(signedAs(t, sort, 2, "r", 7, []string{"https://a.example"})); (err == nil) != good {
			t.Errorf("%s: %v", sort, err)
		}
	}
}

// signedAs signs a list under any content type.
func signedAs(t *testing.T, contentType string, seed byte, fields ...any) []byte {
	t.Helper()
	all := map[int]any{}
	for i, f := range fields {
		all[i+1] = f
	}
	payload, err := cbor.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return signedPayload(t, contentType, seed, payload)
}

// signedPayload signs whatever that is under any content type.
func signedPayload(t *testing.T, contentType string, seed byte, payload []byte) []byte {
	t.Helper()
	pub, _ := realmPair(t, seed)
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	m := cose.NewSign1Message()
	m.Headers.Protected.SetAlgorithm(cose.AlgorithmEdDSA)
	m.Headers.Protected[cose.HeaderLabelKeyID] = identity.KeyID(pub)
	m.Headers.Protected[cose.HeaderLabelContentType] = contentType
	m.Payload = payload
	if err := m.Sign(nil, nil, signer); err != nil {
		t.Fatal(err)
	}
	signed, err := m.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	return signed
}
