package server

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/directory"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// Promise procedures-joined-only.
func TestOnlyAJoinedMachineThatIsNotShutOutIsServed(t *testing.T) {
	b := servertest.New(t)
	key := joins(b, "laptop")
	other, _, err := ed25519.GenerateKey(nil)
	b.Must(nil, err)
	served := func(what string, ctx context.Context, want connect.Code) {
		t.Helper()
		got, err := b.Realm.Machine(ctx)
		if want == 0 && (err != nil || got.Name != "laptop") || want != 0 && (connect.CodeOf(err) != want || got.Name != "") {
			t.Errorf("%s: %q %v", what, got.Name, err)
		}
	}
	by := func(key ed25519.PublicKey) context.Context {
		return realm.WithCaller(t.Context(), realm.Caller{Key: key})
	}
	served("joined", by(key), 0)
	served("no key", by(nil), connect.CodeUnauthenticated)
	served("an empty key", by(ed25519.PublicKey{}), connect.CodeUnauthenticated)
	served("another key", by(other), connect.CodeUnauthenticated)
	served("no caller at all", t.Context(), connect.CodeUnauthenticated)
	b.Must(b.Admin.QuarantineMachine(t.Context(), &v1.NameRequest{Name: "laptop"}))
	served("in quarantine", by(key), connect.CodePermissionDenied)
	b.Must(b.Admin.RemoveMachine(t.Context(), &v1.NameRequest{Name: "laptop"}))
	served("removed", by(key), connect.CodeUnauthenticated)
}

// Promise procedures-joined-only.
func TestNoKeyIsNoKeyToJoinWith(t *testing.T) {
	b := servertest.New(t)
	d := directory.New(b.Realm, make(chan struct{}))
	m, err := b.Admin.AddMachine(t.Context(), &v1.NameRequest{Name: "laptop"})
	b.Must(nil, err)
	for sentence, key := range map[string]ed25519.PublicKey{"none": nil, "an empty one": {}} {
		_, err := d.Join(realm.WithCaller(t.Context(), realm.Caller{Host: "h"}), &v1.JoinRequest{Code: m.GetCode(), PublicKey: key})
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	mine, _, err := ed25519.GenerateKey(nil)
	b.Must(nil, err)
	if _, err := d.Join(realm.WithCaller(t.Context(), realm.Caller{Key: mine, Host: "h"}), &v1.JoinRequest{Code: m.GetCode(), PublicKey: mine}); err != nil {
		t.Errorf("the code is used up: %v", err)
	}
}

// Promise 5.
func TestTheAdminSocketServesRootAndItsOwnUserAlone(t *testing.T) {
	b := servertest.New(t)
	h := adminServer(b.Admin, slog.New(slog.DiscardHandler)).Handler
	for what, c := range map[string]struct {
		peer any
		shut bool
	}{
		"root":           {uint32(0), false},
		"its own user":   {uint32(os.Getuid()), false},
		"another user":   {uint32(4711), true},
		"nobody known":   {nil, true},
		"something else": {"0", true},
	} {
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, c.peer), http.MethodPost, "/", nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Code == http.StatusForbidden; got != c.shut {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
}
