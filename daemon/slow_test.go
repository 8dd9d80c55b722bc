package daemon

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestARevocationWhileTheVerifierIsMadeIsNotGranted(t *testing.T) {
	h := newTestMachine(t, sealsAside)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	h.whileSealing(func() {
		h.srv.set(t, tok, func(p *person) { p.token.State = identity.Disabled })
		h.wait("the revocation", func() bool { return h.d.Directory().WithUUID(tok.Account.UUID).State() == identity.Disabled })
	})
	h.expect(identity.AccountExpired, "alice", "secret")
	h.wait("the end of the making", func() bool { return len(h.d.making) == 0 })
	if v, err := h.cache.Verifier(context.Background(), tok.Account.UUID, identity.Password); err == nil {
		t.Fatalf("a verifier is kept: %+v", v)
	}
}

func TestAPasswordChangedWhileItsVerifierIsMadeIsNotGranted(t *testing.T) {
	h := newTestMachine(t, sealsAside)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	h.whileSealing(func() {
		h.srv.set(t, tok, func(p *person) { p.token.Factors[0].Epoch++ })
		h.wait("the change", func() bool {
			epoch, _ := h.d.Directory().WithUUID(tok.Account.UUID).Epoch(identity.Password)
			return epoch == 2
		})
	})
	h.expect(identity.Denied, "alice", "secret")
}

func TestALoginDoesNotWaitForAVerifierThatIsLongInTheMaking(t *testing.T) {
	h := newTestMachine(t, sealsAside)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	goOn := make(chan struct{})
	h.whileSealing(func() { <-goOn })
	h.expect(identity.Granted, "alice", "secret") // the seal is not done before that
	close(goOn)
	h.wait("the verifier", func() bool {
		_, err := h.cache.Verifier(context.Background(), tok.Account.UUID, identity.Password)
		return err == nil
	})
	h.whileSealing(func() {})
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
}

func TestWhileOneVerifierIsMadeSomeoneOfflineIsStillAnswered(t *testing.T) {
	h := newTestMachine(t, sealsAside)
	alice, bob := token("alice", 1900000100), token("bob", 1900000101)
	h.srv.set(t, alice, nil)
	h.srv.set(t, bob, nil)
	h.online()
	h.expect(identity.Granted, "bob", "secret")
	goOn, later := make(chan struct{}), atomic.Bool{}
	h.whileSealing(func() {
		if !later.Swap(true) {
			<-goOn
		}
	})
	h.expect(identity.Granted, "alice", "secret") // hers is being made until the end
	h.lost()
	h.expect(identity.Granted, "bob", "secret")
	close(goOn)
	h.wait("the end of the making", func() bool { return len(h.d.making) == 0 })
}
