package daemon

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Promise keys-emergency.
func TestWhatNoKeyVouchesForIsForgotten(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.srv.set(t, token("bob", 1900000101), nil)
	h.online()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	thief, err := identity.NewSigner(key) // whose key the realm has taken back since
	must(t, err)
	forged := token("alice", 1900000100)
	forged.Account.Shell = "/bin/thief"
	made := token("mallory", 1900000199)
	var records []provider.Record
	for _, tok := range []identity.IDToken{forged, made} {
		tok.Revision = 1 << 40
		signed, err := thief.SignIDToken(&tok)
		must(t, err)
		records = append(records, provider.Record{Signed: signed, Token: &tok})
	}
	must(t, h.d.Apply(bg, resolver.Update{Records: records}))
	if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.Shell != "/bin/thief" {
		t.Fatalf("the forged one is not there to begin with: %+v, %v", a, err)
	}

	must(t, h.d.Disown(bg))
	if h.status().Providers[0].Complete {
		t.Error("what is left is said to be the whole list")
	}
	if e := h.d.Directory().WithUUID(forged.Account.UUID); e != nil {
		t.Error("alice is still who the thief says")
	}
	if e := h.d.Directory().WithUUID(token("bob", 1900000101).Account.UUID); e == nil {
		t.Error("bob, whom the realm vouches for, is gone")
	}

	lister, ok := h.d.o.Provider.(provider.Lister)
	if !ok {
		t.Fatal("the provider lists nobody")
	}
	must(t, h.d.List(bg, lister))
	if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.Shell != "/bin/bash" {
		t.Errorf("alice after the list: %+v, %v", a, err)
	}
	if e := h.d.Directory().WithUUID(made.Account.UUID); e != nil {
		t.Error("mallory is still there")
	}
	if !h.status().Providers[0].Complete {
		t.Error("the list is not whole afterwards")
	}
}

// Promise keys-emergency.
func TestNoVerifierOutlivesAKeyThatWasTakenBack(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	verifiers := func() int { return h.status().Cache.Verifiers }
	if verifiers() != 1 {
		t.Fatalf("%d verifiers to begin with", verifiers())
	}
	tok := h.d.Directory().WithUUID(token("alice", 1900000100).Account.UUID)
	again := token("alice", 1900000100)
	again.Revision = tok.Revision()
	h.give(again)
	if verifiers() != 1 {
		t.Fatalf("%d verifiers after the same token", verifiers())
	}
	h.srv.disowns.Store(true)
	h.give(again)
	if n := verifiers(); n != 0 {
		t.Errorf("%d verifiers are kept", n)
	}
}
