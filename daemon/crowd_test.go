package daemon

import (
	"context"
	"sync"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestACrowdQueuesHereAndNotAtTheServer(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	goOn := make(chan struct{})
	h.srv.mu.Lock()
	h.srv.holdStep = goOn
	h.srv.mu.Unlock()
	const crowd = 4 * asking
	codes := make(chan identity.Code, crowd)
	var people sync.WaitGroup
	for range crowd {
		people.Go(func() {
			v, _ := h.login("alice", "secret")
			codes <- v.Code
		})
	}
	h.wait("the places at the server", func() bool { return h.srv.steps.Load() == asking })
	close(goOn)
	people.Wait()
	close(codes)
	for code := range codes {
		if code != identity.Granted {
			t.Errorf("someone of the crowd got code %d", code)
		}
	}
	if most := h.srv.most.Load(); most > asking {
		t.Fatalf("%d were at the server at once, want at most %d", most, asking)
	}
}

func TestWhoQueuedWhileTheServerWentAwayGoesOffline(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	begun := h.srv.begins.Load()
	for range asking {
		h.d.asking <- struct{}{}
	}
	done := make(chan identity.Code)
	conv := typing("secret")
	go func() {
		l := identity.Login{Operation: identity.OpAuthenticate, Service: "test", User: "alice"}
		done <- h.d.Decide(context.Background(), l, conv).Code
	}()
	h.wait("the password to be typed", func() bool {
		conv.mu.Lock()
		defer conv.mu.Unlock()
		return len(conv.prompts) > 0
	})
	h.lost()
	for range asking {
		<-h.d.asking
	}
	if code := <-done; code != identity.Granted {
		t.Fatalf("code %d", code)
	}
	if h.srv.begins.Load() != begun {
		t.Fatal("the server was asked all the same")
	}
}
