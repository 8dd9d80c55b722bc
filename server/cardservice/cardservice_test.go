package cardservice

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// Promise mutual-once.
func TestAChallengeIsGoodOnceAndForTwoMinutes(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	now := func() time.Time { return clock }
	c := newChallenges(now)
	first, second, third := c.give(), c.give(), c.give()
	if !c.use(first) || c.use(first) {
		t.Error("a challenge is good once")
	}
	for i := range second {
		bad := bytes.Clone(second)
		bad[i] ^= 1
		if c.use(bad) {
			t.Fatalf("a challenge with byte %d changed is taken", i)
		}
	}
	if c.use(nil) || c.use(second[:challengeLen-1]) || c.use(append(bytes.Clone(second), 0)) {
		t.Error("a challenge of another length is taken")
	}
	if newChallenges(now).use(second) {
		t.Error("another server takes it")
	}
	clock = clock.Add(challengeLife - time.Second)
	if !c.use(second) || c.use(second) || c.use(first) {
		t.Error("it is not good once for as long as it lives")
	}
	clock = clock.Add(time.Second)
	if c.use(third) {
		t.Error("it is good after its life")
	}
	if c.use(c.give()); len(c.used) != 1 {
		t.Errorf("%d used challenges are kept where 1 could be used again", len(c.used))
	}
}

// Promise mutual-off.
// Seen red: one of the three files taken as enough.
// Promise clients-renewed.
func TestTheCardServiceIsOffUnlessItIsSetUpWhole(t *testing.T) {
	b := servertest.New(t)
	off, err := New(b.Realm, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := off.GetCertificate(t.Context(), nil); err != nil || r.GetStatus() != v1.GetCertificateResponse_STATUS_NOT_AVAILABLE || r.GetChallenge() != nil {
		t.Error(r, err)
	}
	if r, err := off.AnswerChallenge(t.Context(), nil); err != nil || r.GetStatus() != v1.AnswerChallengeResponse_STATUS_NOT_AVAILABLE {
		t.Error(r, err)
	}
	dir := filepath.Join(t.TempDir(), "cards")
	if _, err := MakeKeys(dir, "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeKeys(dir, "example.org"); err == nil {
		t.Error("keys that exist are written over")
	}
	all := Options{
		MiddlewareKeys: filepath.Join(dir, "middleware-keys.pem"), ServiceKey: filepath.Join(dir, "service.key"),
		ServiceCertificate: filepath.Join(dir, "service.cert"),
	}
	on, err := New(b.Realm, all)
	if err != nil {
		t.Fatal(err)
	}
	// As it lies in its file, also when that has changed.
	if err := os.WriteFile(all.ServiceCertificate, []byte(" renewed\x00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := on.GetCertificate(t.Context(), nil); err != nil || string(r.GetCertificate()) != " renewed\x00\n" || len(r.GetChallenge()) != challengeLen {
		t.Error(r, err)
	}
	weak := filepath.Join(dir, "weak.pem")
	write := func(content []byte, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(weak, content, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(weak, mode); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what string, c Options, says string) {
		t.Helper()
		if _, err := New(b.Realm, c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	key, err := os.ReadFile(all.ServiceKey)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(all.MiddlewareKeys)
	if err != nil {
		t.Fatal(err)
	}
	refused("one of three", Options{ServiceKey: all.ServiceKey}, "needs all three")
	refused("two of three", Options{ServiceKey: all.ServiceKey, MiddlewareKeys: all.MiddlewareKeys}, "needs all three")
	with := func(change func(*Options)) Options { c := all; change(&c); return c }
	asKey := with(func(c *Options) { c.ServiceKey = weak })
	asKeys := with(func(c *Options) { c.MiddlewareKeys = weak })
	write(key, 0o640)
	refused("a key that others can read", asKey, "chmod 0600")
	write(public, 0o600)
	refused("a public key for a private one", asKey, "no PKCS #8")
	write(key, 0o600)
	refused("a private key for a public one", asKeys, "not a PUBLIC KEY")
	write(append(bytes.Clone(public), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})...), 0o600)
	refused("a second key that is none", asKeys, "key 1")
	write(nil, 0o600)
	refused("no key", asKeys, "no PUBLIC KEY")
	refused("an empty certificate", with(func(c *Options) { c.ServiceCertificate = weak }), "0 bytes")
	write(make([]byte, maxCardCertificate+1), 0o600)
	refused("a huge certificate", with(func(c *Options) { c.ServiceCertificate = weak }), "bytes, where")
}
