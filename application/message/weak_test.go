package message_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/sallyport-auth/sallyport/application/message"
)

// Promise application-weak-keys.
func TestAKeyWithAWeakPartOrThatIsOverIsRefused(t *testing.T) {
	for sentence, c := range map[string]struct{ make, add []string }{
		"RSA of 2048 bits":          {make: []string{"rsa2048", "cert,sign", "never"}},
		"DSA":                       {make: []string{"dsa2048", "cert,sign", "never"}},
		"an RSA subkey of 2048":     {make: []string{"ed25519", "cert,sign", "never"}, add: []string{"rsa2048", "encr", "never"}},
		"an ElGamal subkey":         {make: []string{"ed25519", "cert,sign", "never"}, add: []string{"elg2048", "encr", "never"}},
		"signed with SHA-1":         {make: []string{"ed25519", "cert,sign", "never", "--cert-digest-algo", "SHA1"}},
		"expired":                   {make: []string{"ed25519", "cert,sign", "1d", "--faked-system-time", "20250101T000000"}},
		"a subkey bound with SHA-1": {make: []string{"ed25519", "cert,sign", "never"}, add: []string{"cv25519", "encr", "never", "--cert-digest-algo", "SHA1"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			g := newGnuPG(t)
			make := append(slices.Clone(c.make[3:]), "--quick-generate-key", "weak")
			g.run(nil, append(make, c.make[:3]...)...)
			if c.add != nil {
				g.run(nil, append(append(slices.Clone(c.add[3:]), "--quick-add-key", g.fingerprint("weak")), c.add[:3]...)...)
			}
			if k, err := message.ParsePublic(g.run(nil, "--export", "weak"), time.Now()); !errors.Is(err, message.ErrKey) {
				t.Errorf("%v, %v", k, err)
			}
		})
	}
	t.Run("revoked", func(t *testing.T) {
		g := newGnuPG(t)
		_ = g.key("weak", "ed25519", "cert,sign", "never")
		certificate, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", g.fingerprint("weak")+".rev"))
		if err != nil {
			t.Fatal(err)
		}
		g.run(bytes.Replace(certificate, []byte(":-----BEGIN"), []byte("-----BEGIN"), 1), "--import")
		if _, err := message.ParsePublic(g.run(nil, "--export", "weak"), time.Now()); !errors.Is(err, message.ErrKey) {
			t.Error(err)
		}
	})
	g := newGnuPG(t)
	_, _ = g.key("one"), g.key("another", "ed25519", "cert,sign", "never")
	for sentence, b := range map[string][]byte{
		"two keys": g.run(nil, "--export"), "a private key": g.run(nil, "--export-secret-keys", "another"), "nothing": nil, "noise": []byte("noise"),
	} {
		if _, err := message.ParsePublic(b, time.Now()); !errors.Is(err, message.ErrKey) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// Promise application-weak-messages.
func TestAMessageThatIsNotSignedOnceAndEncryptedWellIsRefused(t *testing.T) {
	g := newGnuPG(t)
	ours := key(t, "realm")
	theirs, other := g.key("instance"), g.key("other")
	opens := func(b []byte) (message.Signed, error) {
		m, err := message.Decrypt(b, ours)
		if err == nil {
			err = m.Verify(theirs, time.Now(), time.Minute)
		}
		return m, err
	}
	well := func(args ...string) []byte {
		t.Helper()
		b, err := g.sealed(said, "instance", ours, args...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := well()
	if m, err := opens(good); err != nil || string(m.Claims) != said {
		t.Fatalf("as it has to be: %q, %v", m.Claims, err)
	}
	to := []string{"--recipient", ours.Fingerprint(), "--compress-algo", "none"}
	for sentence, b := range map[string][]byte{
		"compressed":               g.run([]byte(said), "--local-user", "instance", "--recipient", ours.Fingerprint(), "--compress-algo", "zlib", "--sign", "--encrypt"),
		"signed twice":             well("--local-user", "other"),
		"signed by another":        g.run([]byte(said), append([]string{"--local-user", "other", "--sign", "--encrypt"}, to...)...),
		"not signed":               g.run([]byte(said), append(to, "--encrypt")...),
		"not encrypted":            g.run([]byte(said), "--local-user", "instance", "--compress-algo", "none", "--sign"),
		"encrypted to another too": well("--recipient", other.Fingerprint()),
		"to a hidden receiver":     well("--throw-keyids"),
		"signed with SHA-1":        well("--digest-algo", "SHA1"),
		"3DES":                     well("--cipher-algo", "3DES"),
		"CAST5":                    well("--cipher-algo", "CAST5"),
		"Blowfish":                 well("--cipher-algo", "BLOWFISH"),
		"as a text":                well("--textmode"),
		"with a passphrase":        g.run([]byte(said), "--passphrase", "x", "--compress-algo", "none", "--symmetric"),
		"armored":                  well("--armor"),
		"without integrity":        without(t, good),
		"cut off":                  good[:len(good)-1],
		"more behind":              append(bytes.Clone(good), good...),
		"nothing":                  nil,
		"65 KB":                    make([]byte, message.MaxMessage+1),
	} {
		if m, err := opens(b); err == nil {
			t.Errorf("%s: %q", sentence, m.Claims)
		}
	}
	for _, at := range []int{0, 20, len(good) / 2, len(good) - 1} {
		b := bytes.Clone(good)
		b[at] ^= 4
		if m, err := opens(b); err == nil {
			t.Errorf("changed at %d: %q", at, m.Claims)
		}
	}
	if m, err := opens(well("--faked-system-time", time.Now().Add(time.Hour).UTC().Format("20060102T150405"))); !errors.Is(err, message.ErrFuture) {
		t.Errorf("of the future: %q, %v", m.Claims, err)
	}
}

// without is a message whose encrypted data says that it has no check of integrity.
func without(t *testing.T, m []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	r := packet.NewOpaqueReader(bytes.NewReader(m))
	for {
		p, err := r.Next()
		if err != nil {
			return out.Bytes()
		}
		if p.Tag == 18 {
			p.Tag, p.Contents = 9, p.Contents[1:]
		}
		if err := p.Serialize(&out); err != nil {
			t.Fatal(err)
		}
	}
}
