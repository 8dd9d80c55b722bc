package daemon

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

func TestASecretForCodesIsKeptOnlyWhereItMayBe(t *testing.T) {
	both := []identity.FactorKind{identity.Password, identity.TOTP}
	right := provider.SealedFactor{Kind: identity.TOTP, Epoch: 1, Blob: []byte("sealed")}
	for sentence, c := range map[string]struct {
		token  func(*identity.IDToken)
		proved []identity.FactorKind
		factor func(*provider.SealedFactor)
		kept   bool
	}{
		"it may":                     {nil, both, nil, true},
		"no code was proved":         {nil, both[:1], nil, false},
		"it is of another kind":      {nil, both, func(f *provider.SealedFactor) { f.Kind = identity.Password }, false},
		"it is of another generator": {nil, both, func(f *provider.SealedFactor) { f.Epoch = 2 }, false},
		"it is empty":                {nil, both, func(f *provider.SealedFactor) { f.Blob = nil }, false},
		"it is to another key":       {nil, both, func(f *provider.SealedFactor) { f.SealedTo = make([]byte, 32) }, false},
		"the account is disabled":    {func(t *identity.IDToken) { t.State = identity.Disabled }, both, nil, false},
		"it may not log in offline":  {func(t *identity.IDToken) { t.OfflineFor = 0 }, both, nil, false},
		"it has no generator":        {func(t *identity.IDToken) { t.Factors = t.Factors[:1] }, both, nil, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			tok := aliceHeld(true)
			if c.token != nil {
				c.token(&tok)
			}
			h.give(tok)
			f := right
			if c.factor != nil {
				c.factor(&f)
			}
			h.d.codes.Keep(bg, h.known("alice"), c.proved, []provider.SealedFactor{f})
			_, err := h.cache.Sealed(bg, tok.Account.UUID, identity.TOTP)
			if c.kept != (err == nil) || err != nil && !errors.Is(err, identity.ErrNotFound) {
				t.Errorf("kept: %v", err)
			}
		})
	}
}

func TestAVerifierIsKeptOnlyOfWhoMayStillLogIn(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(*testMachine, *identity.IDToken)
		epoch  uint64
		kept   bool
	}{
		"it may":               {func(*testMachine, *identity.IDToken) {}, 1, true},
		"of another password":  {func(*testMachine, *identity.IDToken) {}, 2, false},
		"disabled meanwhile":   {func(_ *testMachine, t *identity.IDToken) { t.State = identity.Disabled }, 1, false},
		"refused meanwhile":    {func(_ *testMachine, t *identity.IDToken) { t.Account.UID++ }, 1, false},
		"no password any more": {func(_ *testMachine, t *identity.IDToken) { t.Factors = t.Factors[1:] }, 1, false},
		"gone from here by now": {func(h *testMachine, t *identity.IDToken) {
			must(h.t, h.d.Apply(bg, resolver.Update{Gone: []uuid.UUID{t.Account.UUID}}))
		}, 1, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			tok := aliceHeld(true)
			h.give(tok)
			id := tok.Account.UUID
			c.change(h, &tok)
			if tok.Revision++; h.d.Directory().WithUUID(id) != nil {
				h.give(tok)
			}
			err := h.d.KeepVerifier(bg, cache.Verifier{UUID: id, Kind: identity.Password, Epoch: c.epoch, Salt: make([]byte, 16), Memory: 64, Time: 1, Threads: 1, MAC: make([]byte, 32), Key: make([]byte, 8)})
			if (err == nil) != c.kept {
				t.Errorf("%v", err)
			}
		})
	}
}

// What is kept of a password is made anew by a login, where it was made in another way
// than this one would make it.
func TestALoginRenewsAVerifierMadeInAnotherWay(t *testing.T) {
	for sentence, change := range map[string]func(v *cache.Verifier){
		"with other memory":      func(v *cache.Verifier) { v.Memory *= 2 },
		"in other rounds":        func(v *cache.Verifier) { v.Time++ },
		"with other threads":     func(v *cache.Verifier) { v.Threads++ },
		"of an earlier password": func(v *cache.Verifier) { v.Epoch += 7 },
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			h.expect(identity.Granted, "alice", "secret")
			want := h.verifierOfAlice()
			v := want
			change(&v)
			mac, err := h.d.verifiers.MAC(bg, v, identity.NewSecret([]byte("secret")))
			must(t, err)
			v.MAC = mac
			must(t, h.cache.PutVerifier(bg, v))
			h.expect(identity.Granted, "alice", "secret")
			h.wait("the verifier is made anew", func() bool {
				now := h.verifierOfAlice()
				return now.Memory == want.Memory && now.Time == want.Time && now.Threads == want.Threads && now.Epoch == want.Epoch
			})
			h.lost()
			h.expect(identity.Granted, "alice", "secret")
		})
	}
}
