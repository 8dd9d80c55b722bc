package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

func TestAProviderThatPanicsIsANonAnswerAndNothingItHeldIsLogged(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	var log buffer
	h.d.log = slog.New(slog.NewTextHandler(&log, nil))
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.mu.Lock()
	h.srv.tamper = func(*provider.Reply) { panic("while it held secret") }
	h.srv.mu.Unlock()
	h.expect(identity.Granted, "alice", "secret") // offline
	if text := log.String(); strings.Contains(text, "held secret") || !strings.Contains(text, "panic") {
		t.Fatal(text)
	}
}

func TestADecisionThatPanicsGrantsNothingAndLogsNothingThatItHeld(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	var log buffer
	h.d.log = slog.New(slog.NewTextHandler(&log, nil))
	h.online()
	l := identity.Login{Operation: identity.OpAuthenticate, User: "alice"}
	v := h.d.Decide(t.Context(), l, panicking{})
	if v.Code != identity.Unavailable {
		t.Fatalf("code %d", v.Code)
	}
	if text := log.String(); strings.Contains(text, "held secret") || !strings.Contains(text, "broke off") {
		t.Fatal(text)
	}
}

type panicking struct{ identity.Conversation }

func (panicking) Ask(context.Context, identity.Style, string) (identity.Secret, error) {
	panic("while it held secret")
}

// buffer is a log that may be written to and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }

func (b *buffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }
