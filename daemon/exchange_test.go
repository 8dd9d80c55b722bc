package daemon

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// withVerifier is a machine online that could check alice's password by itself.
func withVerifier(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	return h
}

// The server has dropped her, and the change stream has not said so yet.
func TestWhomTheServerDoesNotKnowIsNotLetInOffline(t *testing.T) {
	h := withVerifier(t)
	h.srv.mu.Lock()
	delete(h.srv.people, token("alice", 1).Account.UUID)
	h.srv.mu.Unlock()
	if v, _ := h.login("alice", "secret"); v.Code != identity.UnknownUser {
		t.Errorf("%s", v.Code)
	}
	if e := h.d.Directory().WithUID(1900000100); e != nil {
		t.Error("she is still known here")
	}
}

// hangsUp ends the login in the midst of the answer to its prompt.
type hangsUp struct {
	*typist
	end context.CancelFunc
}

func (c hangsUp) Ask(ctx context.Context, style identity.Style, text string) (identity.Secret, error) {
	defer c.end()
	return c.typist.Ask(ctx, style, text)
}

func TestWhoHangsUpDoesNotMakeTheServerLookLost(t *testing.T) {
	h := withVerifier(t)
	h.srv.mu.Lock()
	h.srv.holdStep = make(chan struct{})
	h.srv.mu.Unlock()
	ctx, cancel := context.WithCancel(bg)
	v := h.d.Decide(ctx, identity.Login{Operation: identity.OpAuthenticate, Service: "test", User: "alice", Caller: nobodysLogin()}, hangsUp{typing("secret"), cancel})
	if v.Code == identity.Granted {
		t.Errorf("%s", v.Code)
	}
	if h.d.Link().JustFailed() || h.d.Link().Now() != resolver.Online {
		t.Error("the server counts as lost")
	}
}

// A server that says to go on and gives nothing to go on with.
func TestAnExchangeThatIsNotThereIsRefused(t *testing.T) {
	h := withVerifier(t)
	h.d.Gate.o.Provider = provider.SourceOf(noExchange{h.srv})
	if v, conv := h.login("alice", "secret"); v.Code != identity.Denied || len(conv.told) != 1 {
		t.Errorf("%s, told %q", v.Code, conv.told)
	}
}

type noExchange struct{ *server }

func (noExchange) Begin(context.Context, provider.Attempt) (provider.Exchange, provider.Reply, error) {
	return nil, provider.Reply{Outcome: provider.Continue, Offers: []identity.FactorKind{identity.Password}}, nil
}

func TestAServersTextIsCutAtItsLimit(t *testing.T) {
	long := strings.Repeat("a", 511) + "\u00e9\n"
	if got := identity.Printable(long); len(got) != 511 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
