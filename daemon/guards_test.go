package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

func TestOneAccountIsTriedByOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keyedLocks
		ada, bob := uuid.New(), uuid.New()
		first, err := k.lock(t.Context(), ada)
		must(t, err)
		got := make(chan func(), 1)
		go func() {
			if unlock, err := k.lock(t.Context(), ada); err == nil {
				got <- unlock
			}
		}()
		gone, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := k.lock(gone, ada); left <- err }()
		other, err := k.lock(t.Context(), bob)
		must(t, err)
		synctest.Wait()
		if len(got)+len(left) != 0 {
			t.Fatal("two try one account at a time")
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
		first()
		other()
		synctest.Wait()
		if len(got) != 1 {
			t.Fatal("the second does not get its turn")
		}
		(<-got)()
		if len(k.held) != 0 {
			t.Errorf("%d locks stay in memory", len(k.held))
		}
	})
}

// The seat of a machine is locked by what was guessed there, and by nothing else.
func TestWhatCountsAtAPlaceIsTheTableOfBrakes(t *testing.T) {
	h := remembered(t, nil)
	id, host := h.alice(), (&identity.Login{RemoteHost: "192.0.2.1"}).Origin()
	count := func(what string, kind string, from identity.Origin, want int) {
		t.Helper()
		list, err := h.d.brakesFor(bg, id, kind, from)
		if err != nil || len(list) != want {
			t.Errorf("%s: %d rules, %v", what, len(list), err)
		}
	}
	count("a host without a sign-in", "password", host, 2)
	count("a PIN from there", kindPIN, host, 1)
	count("the seat", "password", identity.Seat(), 1)
	must(t, h.cache.SignedIn(bg, id, host.String(), h.clk.now()))
	count("a host with a sign-in", "password", host, 1)
	id = uuid.New() // nobody who was ever here
	count("the seat, without a sign-in", "password", identity.Seat(), 1)
}

func TestNothingIsKeptOfWhoMayNotLogInOffline(t *testing.T) {
	for days, want := range map[uint32]int{0: 0, 14: 1} {
		h := newHouse(t)
		tok := token("alice", 1900000100)
		tok.OfflineFor = days * 86400
		h.srv.set(t, tok, nil)
		h.online()
		h.expect(identity.Granted, "alice", "secret")
		if n := h.status().Cache.Verifiers; n != want {
			t.Errorf("%d days: %d verifiers", days, n)
		}
	}
}

func TestAFactorThatCameMeanwhileIsAskedForToo(t *testing.T) {
	h := newHouse(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.mu.Lock()
	h.srv.tamper = func(r *provider.Reply) {
		newer := *r.Record.Token
		newer.Revision += 7
		newer.Factors = append(newer.Factors[:1:1], identity.Factor{Kind: identity.TOTP, Epoch: 1})
		signed, err := h.srv.signer.SignIDToken(&newer)
		must(t, err)
		must(t, h.d.Apply(bg, resolver.Update{Records: []provider.Record{{Signed: signed, Token: &newer}}}))
	}
	h.srv.mu.Unlock()
	h.expect(identity.Denied, "alice", "secret")
}

func TestAProofIsOfTheCardThatSigned(t *testing.T) {
	h, _ := cardHouse(t)
	second := validCard(t)
	h.changed(func(t *identity.IDToken) {
		t.Factors = append(t.Factors, identity.Factor{Kind: piv, Epoch: 50, Certificate: second.der})
	})
	h.cards.insert(second)
	if v := h.door("sudo", typing("123456")); v.Code != identity.Granted {
		t.Fatal(v.Code)
	}
	h.changed(func(t *identity.IDToken) {
		t.Factors = t.Factors[:3:3]
		t.RevokedCards = [][]byte{second.fingerprint()}
	})
	if v := h.door("sudo", typing()); v.Code == identity.Granted {
		t.Error("a proof by the revoked card counts as one by the other")
	}
}
