package auth

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// maker is who makes cards: an authority, and a card with its own key (slot F9).
type maker struct {
	b         *bench
	ca, own   *x509.Certificate
	caKey     crypto.Signer
	ownKey    crypto.Signer
	authority []byte // PEM
}

func (b *bench) maker() *maker {
	b.t.Helper()
	m := &maker{b: b, caKey: keyOf(b.t, "P-256"), ownKey: keyOf(b.t, "RSA 2048")}
	m.ca = m.parse(certify(b.t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Maker of cards"}, NotBefore: b.at(-1), NotAfter: b.at(20), IsCA: true, BasicConstraintsValid: true,
	}, nil, m.caKey, nil))
	// As real ones do, it does not say that it may sign.
	m.own = m.parse(certify(b.t, &x509.Certificate{Subject: pkix.Name{CommonName: "Card 7"}, NotBefore: b.at(-1), NotAfter: b.at(20)}, m.ca, m.ownKey, m.caKey))
	m.authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.ca.Raw})
	return m
}

func (b *bench) at(years int) time.Time { return time.Unix(b.unix.Load(), 0).AddDate(years, 0, 0) }

func (m *maker) parse(der []byte) *x509.Certificate {
	c, err := x509.ParseCertificate(der)
	m.b.must(nil, err)
	return c
}

// attests says that the card's key was made in the card.
func (m *maker) attests(c *softCard, pinPolicy byte) []byte {
	serial, err := asn1.Marshal(12345678)
	m.b.must(nil, err)
	return certify(m.b.t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Attestation 9a"}, NotBefore: m.b.at(-1), NotAfter: m.b.at(20),
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}, Value: serial},
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8}, Value: []byte{pinPolicy, 1}},
		},
	}, m.own, c.key, m.ownKey)
}

func (b *bench) enrolAttested(c *softCard, chain ...[]byte) answer {
	b.t.Helper()
	a := b.begin(session{enrol: identity.PIV})
	a = b.send(a.cookie, identity.Password, right, false)
	p := c.proof(b.t, b.asked(a))
	p.Certificate, p.Attestation = c.der, chain
	return b.send(a.cookie, identity.NewPIV, encoded(b.t, p), false)
}

// cardOf is the one card of alice's, and is taken away.
func (b *bench) cardOf() *v1.CardView {
	b.t.Helper()
	v, err := b.admin.ShowAccount(b.t.Context(), &v1.NameRequest{Name: "alice"})
	b.must(nil, err)
	for _, c := range v.GetCards() {
		b.must(b.admin.RemoveCard(b.t.Context(), &v1.CardRequest{Name: "alice", Fingerprint: c.GetFingerprint()}))
	}
	if len(v.GetCards()) != 1 {
		b.t.Fatalf("%d cards", len(v.GetCards()))
	}
	return v.GetCards()[0]
}

// Promise card-attested.
func TestWhetherAKeyWasMadeInACardIsShownAndCanBeRequired(t *testing.T) {
	b := newBench(t)
	m, c := b.maker(), b.card("P-256", "card")
	// Nobody is trusted yet: nothing is shown, and nothing required.
	if a := b.enrolAttested(c, m.attests(c, 2), m.own.Raw); !a.allow || b.cardOf().GetAttested() {
		t.Fatal("attested by nobody that the realm trusts")
	}
	if _, err := b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{RequireAttestation: proto.Bool(true)}); err == nil {
		t.Fatal("required without anyone to trust")
	}
	b.must(b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{AttestationCa: m.authority}))
	if a := b.enrolAttested(c); !a.allow || b.cardOf().GetAttested() {
		t.Fatal("attested without a word")
	}
	if a := b.enrolAttested(c, m.attests(c, 2), m.own.Raw); !a.allow {
		t.Fatal(a.message)
	} else if got := b.cardOf(); !got.GetAttested() || got.GetSerial() != "12345678" {
		t.Fatal(got)
	}
	b.must(b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{RequireAttestation: proto.Bool(true)}))
	b.reopen()
	if a := b.enrolAttested(c, m.attests(c, 3), m.own.Raw); !a.allow || !b.cardOf().GetAttested() {
		t.Fatal(a.message)
	}
}

// Promise card-attested.
func TestAChainThatShowsNothingIsRefusedWhereItMustShow(t *testing.T) {
	b := newBench(t)
	m, stranger := b.maker(), b.maker()
	c, other := b.card("P-256", "card"), b.card("P-256", "other")
	b.must(b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{AttestationCa: m.authority, RequireAttestation: proto.Bool(true)}))
	// The key of a card signs what its owner likes, also what looks like an attestation.
	forged := certify(t, &x509.Certificate{NotBefore: b.at(-1), NotAfter: b.at(20)}, m.parse(m.attests(other, 2)), c.key, other.key)
	for what, chain := range map[string][][]byte{
		"nothing":                {},
		"half of it":             {m.attests(c, 2)},
		"another key's":          {m.attests(other, 2), m.own.Raw},
		"another maker's":        {stranger.attests(c, 2), stranger.own.Raw},
		"mixed":                  {stranger.attests(c, 2), m.own.Raw},
		"the wrong way round":    {m.own.Raw, m.attests(c, 2)},
		"the certificate itself": {c.der, m.own.Raw},
		"by a key of a card":     {forged, m.attests(other, 2)},
		"no certificates":        {[]byte("x"), []byte("y")},
	} {
		if a := b.enrolAttested(c, chain...); a.allow || !strings.Contains(a.message, "made in them") {
			t.Errorf("%s: %+v", what, a)
		}
	}
	if a := b.enrolAttested(c, m.attests(c, pinNever), m.own.Raw); a.allow || !strings.Contains(a.message, "without a PIN") {
		t.Errorf("a key without a PIN: %+v", a)
	}
	// Also where the realm trusts single cards, by a certificate that may sign.
	single := *m
	single.own = m.parse(certify(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Card 8"}, NotBefore: b.at(-1), NotAfter: b.at(20), IsCA: true, BasicConstraintsValid: true,
	}, m.ca, m.ownKey, m.caKey))
	byKey := certify(t, &x509.Certificate{NotBefore: b.at(-1), NotAfter: b.at(20)}, m.parse(single.attests(other, 2)), c.key, other.key)
	if _, err := attest([][]byte{single.own.Raw}, m.parse(c.der), [][]byte{byKey, single.attests(other, 2)}, b.at(0)); err == nil {
		t.Error("an attested key attests another")
	}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.own.Raw})
	if _, err := b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{AttestationCa: own}); err == nil {
		t.Error("a certificate that is no authority became one")
	}
	b.unix.Add(30 * 365 * 24 * 3600)
	late := b.card("P-256", "late")
	if a := b.enrolAttested(late, m.attests(late, 2), m.own.Raw); a.allow {
		t.Error("the card's certificate has expired")
	}
}
