package daemon

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/identity"
)

func TestACardFitsOnlyWithItsOwnValidCertificate(t *testing.T) {
	h := newTestMachine(t)
	now := h.d.Clock().Now()
	valid, second, other := validCard(t), validCard(t), validCard(t)
	old, young := newCard(t, now.Add(-time.Hour), now.Add(-time.Second)), newCard(t, now.Add(time.Minute), now.Add(time.Hour))
	garbage := []byte("no certificate")
	tok := token("alice", 1900000100)
	for _, der := range [][]byte{valid.der, second.der, old.der, young.der, garbage} {
		tok.Factors = append(tok.Factors, identity.Factor{Kind: identity.PIV, Epoch: uint64(len(tok.Factors)), Certificate: der})
	}
	for sentence, c := range map[string]struct {
		fingerprint []byte
		retries     int
		want        identity.CardFault // 0: it fits
		epoch       uint64
	}{
		"her first":             {valid.fingerprint(), 3, 0, 1},
		"her second":            {second.fingerprint(), 3, 0, 2},
		"two tries are left":    {second.fingerprint(), 2, 0, 2},
		"no number of tries":    {second.fingerprint(), -1, 0, 2},
		"nobody's":              {other.fingerprint(), 3, identity.CardWrong, 0},
		"none":                  {nil, 3, identity.CardWrong, 0},
		"an expired one":        {old.fingerprint(), 3, identity.CardExpired, 0},
		"one that is too young": {young.fingerprint(), 3, identity.CardNotYet, 0},
		"one that is not read":  {identity.CardFingerprint(garbage), 3, identity.CardUnsupported, 0},
		"a blocked one":         {valid.fingerprint(), 0, identity.CardBlocked, 0},
		"one with its last try": {valid.fingerprint(), 1, identity.CardLastTry, 0},
	} {
		f, err := cards.Fits(&tok, identity.CardSeen{Fingerprint: c.fingerprint, Retries: c.retries}, now)
		var e *identity.CardError
		switch {
		case c.want == 0 && (err != nil || f.Epoch != c.epoch):
			t.Errorf("%s: epoch %d, %v", sentence, f.Epoch, err)
		case c.want != 0 && (!errors.As(err, &e) || e.Fault != c.want || f.Certificate != nil):
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestASecondCardSignsInWithoutTheServer(t *testing.T) {
	first, second := validCard(t), validCard(t)
	r := &reader{card: second}
	h := newTestMachine(t, func(h *testMachine) { h.cards = r })
	h.srv.set(t, token("alice", aliceUID), func(p *person) { carded(first)(p); carded(second)(p) })
	h.online()
	h.lost()
	if v, conv := h.login("alice", cardPIN); v.Code != identity.Granted {
		t.Errorf("%s, told %q", v.Code, conv.told)
	}
	r.mu.Lock()
	r.forge = true
	r.mu.Unlock()
	if v, _ := h.login("alice", cardPIN); v.Code == identity.Granted {
		t.Error("a signature of something else signs in")
	}
}
