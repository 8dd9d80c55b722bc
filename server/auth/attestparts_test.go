package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestAnAttestationWithABrokenPartShowsNothing(t *testing.T) {
	b := newBench(t)
	m, c := b.maker(), b.card("P-256", "card")
	card := m.parse(c.der)
	says := func(serial, policy []byte) []byte {
		x := &x509.Certificate{Subject: pkix.Name{CommonName: "Attestation 9a"}, NotBefore: b.at(-1), NotAfter: b.at(20)}
		x.ExtraExtensions = []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}, Value: serial},
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8}, Value: policy},
		}
		return certify(t, x, m.own, c.key, m.ownKey)
	}
	number, policy := []byte{2, 1, 7}, []byte{2, 1}
	own, trusted := m.own.Raw, [][]byte{m.ca.Raw}
	if serial, err := attest(trusted, card, [][]byte{says(number, policy), own}, b.at(0)); err != nil || serial != "7" {
		t.Fatalf("%q %v", serial, err)
	}
	for what, c := range map[string]struct {
		trusted, chain [][]byte
		want           error
	}{
		"nobody is trusted":            {nil, [][]byte{says(number, policy), own}, errNotAttested},
		"an authority that is none":    {[][]byte{[]byte("x"), m.ca.Raw}, [][]byte{says(number, policy), own}, errNotAttested},
		"a key's that is none":         {trusted, [][]byte{[]byte("x"), own}, errNotAttested},
		"a card's that is none":        {trusted, [][]byte{says(number, policy), []byte("x")}, errNotAttested},
		"a certificate without end":    {trusted, [][]byte{says(append([]byte{2, 0x82, 0x40, 0}, make([]byte, 1<<14)...), policy), own}, errNotAttested},
		"one certificate too many":     {trusted, [][]byte{says(number, policy), own, own}, errNotAttested},
		"a serial that is no number":   {trusted, [][]byte{says([]byte{4, 1, 7}, policy), own}, errNotAttested},
		"a serial with more behind it": {trusted, [][]byte{says([]byte{2, 1, 7, 0}, policy), own}, errNotAttested},
		"a serial of 72 bits":          {trusted, [][]byte{says([]byte{2, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}, policy), own}, errNotAttested},
		"no word about the PIN":        {trusted, [][]byte{says(number, nil), own}, errNoPIN},
	} {
		serial, err := attest(c.trusted, card, c.chain, b.at(0))
		if !errors.Is(err, c.want) || serial != "" {
			t.Errorf("%s: %q %v", what, serial, err)
		}
	}
	if len(says(append([]byte{2, 0x82, 0x40, 0}, make([]byte, 1<<14)...), policy)) <= identity.MaxCertificate {
		t.Error("the long one is not too long")
	}
}
