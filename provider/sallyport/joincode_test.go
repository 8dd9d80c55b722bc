package sallyport_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// Promise keys-join.
func TestTheJoinCodeIsSaidOnlyToTheRightServer(t *testing.T) {
	thief := selfSigned(t)
	for sentence, c := range map[string]struct {
		answer func(h *house)
		joins  bool
	}{
		"the server":                        {func(*house) {}, true},
		"another certificate, the list":     {func(h *house) { h.answer(thief, &answers{list: h.list}) }, false},
		"another certificate, after a look": {func(h *house) { h.later.Store(&thief) }, false},
		"the certificate, another list": {func(h *house) {
			h.answer(h.cert, &answers{list: newRootKey(t).bundle(1, h.cert.Leaf, public(h.signing))})
		}, false},
		"the certificate, and no list": {func(h *house) { h.answer(h.cert, &answers{}) }, false},
		"a list that another key signed": {func(h *house) {
			b, err := identity.DecodeKeyBundle(newRootKey(t).bundle(1, h.cert.Leaf, public(h.signing)))
			ok(t, nil, err)
			b.RealmKey = h.root.pub
			encoded, err := b.Encode()
			ok(t, nil, err)
			h.answer(h.cert, &answers{list: encoded})
		}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newHouse(t)
			sum := identity.RealmFingerprint(h.root.pub, identity.TrustServer(h.cert.Leaf))
			c.answer(h)
			j, err := sallyport.Join(t.Context(), sallyport.Server{URL: h.machine.URL}, "code", hex.EncodeToString(sum[:]))
			if (err == nil) != c.joins || (h.codes.Load() == 1) != c.joins {
				t.Errorf("joined: %v; the code was said %d times", err, h.codes.Load())
			}
			if err != nil && !errors.Is(err, provider.ErrUntrusted) {
				t.Errorf("got %v", err)
			}
			if c.joins {
				o := h.machine
				o.RootPEM = j.RootPEM
				ok(t, nil, fetches(t, open(t, o)))
			}
		})
	}
}

// Promise keys-stranger.
func TestANewListIsFollowedOnNewConnections(t *testing.T) {
	h := newHouse(t)
	p := h.start()
	ok(t, nil, fetches(t, p))
	renewed := selfSigned(t)
	h.answer(renewed, &answers{list: h.root.bundle(2, renewed.Leaf, public(h.signing)), token: h.token(h.signing, 1)})
	before := h.hands.Load()
	_, err := resume(t, p) // asks for the list over the connection that there is
	ok(t, nil, err)
	if h.hands.Load() == before {
		t.Error("what follows goes over a connection that the list no longer stands for")
	}
}
