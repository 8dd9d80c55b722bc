package identity_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"math/big"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
)

func wireOf(t *testing.T, public any, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	k, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return k.Marshal()
}

func ecdsaOf(t *testing.T, c elliptic.Curve) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	return wireOf(t, k.Public(), err)
}

// rsaOf is a key of that length that nobody has the private half of.
func rsaOf(t *testing.T, bits, e int) []byte {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return wireOf(t, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: e}, nil)
}

func text(parts ...string) (b []byte) {
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return b
}

// Promise ca-agent-kinds.
func TestOnlyKeysThatSSHDTakesForCertificatesAreListed(t *testing.T) {
	raw, _, err := ed25519.GenerateKey(nil)
	ed := wireOf(t, raw, err)
	p256 := ecdsaOf(t, elliptic.P256())
	for sentence, wire := range map[string][]byte{
		"Ed25519": ed, "P-256": p256, "P-384": ecdsaOf(t, elliptic.P384()), "RSA 3072": rsaOf(t, 3072, 65537), "RSA 8192": rsaOf(t, 8192, 3),
	} {
		listed, err := identity.SSHAuthorityOf(wire)
		if err != nil || !bytes.Equal(identity.SSHAuthorityWire(listed), wire) || identity.CheckSSHAuthority(listed) != nil {
			t.Errorf("%s: %x, %v", sentence, listed, err)
		}
	}
	if listed, err := identity.SSHAuthorityOf(ed); err != nil || !bytes.Equal(listed, raw) {
		t.Errorf("an Ed25519 key is listed as %x, %v", listed, err)
	}
	off := bytes.Clone(p256)
	off[len(off)-1] ^= 1
	point := string(p256[len(p256)-65:])
	wide := rsaOf(t, 3072, 65537)
	padded := append(text("ssh-rsa", "\x01\x00\x01"), text("\x00"+string(wide[len(wide)-385:]))...)
	for sentence, wire := range map[string][]byte{
		"nothing": nil, "P-521": ecdsaOf(t, elliptic.P521()), "RSA 2048": rsaOf(t, 2048, 65537), "RSA 3071": rsaOf(t, 3071, 65537), "RSA 8193": rsaOf(t, 8193, 65537),
		"an RSA exponent of 1":  append(text("ssh-rsa", "\x01"), text(string(wide[len(wide)-385:]))...),
		"an even one":           append(text("ssh-rsa", "\x04"), text(string(wide[len(wide)-385:]))...),
		"a number of two forms": padded,
		"a point off the curve": off, "another curve's name": text("ecdsa-sha2-nistp256", "nistp384", point), "a security key": text("sk-ssh-ed25519@openssh.com", string(raw), "ssh:"),
		"DSA": text("ssh-dss", "x"), "more behind the end": append(bytes.Clone(p256), 0), "cut off": p256[:len(p256)-1], "31 bytes": raw[:31],
		"a certificate": text("ssh-ed25519-cert-v01@openssh.com", "nonce", string(raw)), "an Ed25519 key of 31 bytes": text("ssh-ed25519", string(raw[:31])),
		"a length beyond the end": {0xff, 0xff, 0xff, 0xff, 's'},
	} {
		if listed, err := identity.SSHAuthorityOf(wire); !errors.Is(err, identity.ErrSSHAuthority) {
			t.Errorf("%s: %x, %v", sentence, listed, err)
		}
		if len(wire) != ed25519.PublicKeySize && identity.CheckSSHAuthority(wire) == nil {
			t.Errorf("%s is listed", sentence)
		}
	}
	// Another form of an Ed25519 key would be the same key twice.
	if identity.CheckSSHAuthority(ed) == nil {
		t.Error("an Ed25519 key in two forms")
	}
}

// Promise ca-agent-kinds.
func TestAKeyListNamesEachKeyOfCertificatesOnceAndOfItsKindsAlone(t *testing.T) {
	raw, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signing := bytes.Repeat([]byte{7}, ed25519.PublicKeySize)
	p256, long := ecdsaOf(t, elliptic.P256()), rsaOf(t, 4096, 65537)
	for sentence, c := range map[string]struct {
		users, hosts [][]byte
		want         bool
	}{
		"each kind":               {[][]byte{raw, p256}, [][]byte{long}, true},
		"a short RSA key":         {[][]byte{rsaOf(t, 2048, 65537)}, nil, false},
		"a short key for hosts":   {nil, [][]byte{rsaOf(t, 2048, 65537)}, false},
		"one key for both":        {[][]byte{p256}, [][]byte{p256}, false},
		"one key twice":           {[][]byte{long, long}, nil, false},
		"a key that signs tokens": {[][]byte{signing}, nil, false},
	} {
		l := someList(signing)
		l.SSHUsers, l.SSHHosts = c.users, c.hosts
		if err := l.Validate(); (err == nil) != c.want || err != nil && !errors.Is(err, identity.ErrToken) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}
