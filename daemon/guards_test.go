package daemon

import (
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

func TestNothingIsKeptOfWhoMayNotLogInOffline(t *testing.T) {
	for days, want := range map[uint32]int{0: 0, 14: 1} {
		h := newTestMachine(t)
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
	h := newTestMachine(t)
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
	h, _ := machineWithCard(t)
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
