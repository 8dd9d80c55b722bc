package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/card/mutual"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// silentServer takes what it is asked, and answers nothing.
type silentServer struct{ mutual.Server }

func (silentServer) CardCertificate(ctx context.Context) (identity.CardServiceOffer, error) {
	<-ctx.Done()
	return identity.CardServiceOffer{}, fmt.Errorf("%w: %w", provider.ErrOffline, ctx.Err())
}

// Promise mutual-hang.
func TestASilentServerIsGivenUpWhileThePersonIsThere(t *testing.T) {
	k := makeCardKeys(t, "example.org")
	for mode, ok := range map[mutual.Mode]bool{mutual.Always: false, mutual.Online: true} {
		g, _ := guard(k.middleware(0, nil), silentServer{})
		g.Mode, g.Patience = mode, time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		seen, err := g.Find(ctx, identity.CardsWanted{})
		if ctx.Err() != nil || (err == nil) != ok || (sign(t, g, seen) == nil) != ok {
			t.Errorf("mode %d: %v, %v", mode, err, ctx.Err())
		}
		cancel()
	}
}

// Promise mutual-machine.
func TestWhereNoProofCanBeHadNoPINReachesACard(t *testing.T) {
	c := &oneCard{}
	shut := &mutual.Closed{Cards: c, Why: identity.ErrCardServiceOff}
	ctx, pin := t.Context(), secret("123456")
	_, find := shut.Find(ctx, identity.CardsWanted{})
	_, prove := shut.Prove(ctx)
	_, sign := shut.Sign(ctx, identity.CardSeen{Proved: "offline"}, pin, identity.CardChallenge{}, func() {})
	_, prepare := shut.Prepare(ctx, identity.CardOrder{Proved: "offline"}, pin, func() {})
	_, enrol := shut.Enrol(ctx, identity.CardMade{}, pin, identity.CardChallenge{}, func() {})
	_, agree := shut.Agree(ctx, identity.CardSeen{Proved: "offline"}, pin, nil, nil, func() {})
	_, ready := shut.PrepareAgreement(ctx, identity.CardSeen{Proved: "offline"}, identity.CardOrder{}, pin, func() {})
	for i, err := range []error{find, prove, sign, prepare, enrol, agree, ready} {
		if !unproved(err) || !errors.Is(err, identity.ErrCardServiceOff) || c.pins != 0 {
			t.Errorf("%d: %v, %d PINs", i, err, c.pins)
		}
	}
}
