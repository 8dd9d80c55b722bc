package daemon

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // to plant a fault in the cache

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/seal"
)

// meanwhile is a sealer that lets something happen whenever it seals.
type meanwhile struct {
	seal.Sealer
	happens atomic.Pointer[func()]
}

func (m *meanwhile) HMAC(ctx context.Context, data []byte) ([]byte, error) {
	if f := m.happens.Load(); f != nil {
		(*f)()
	}
	return m.Sealer.HMAC(ctx, data)
}

// sealsAside seals by a meanwhile, see whileSealing.
func sealsAside(h *testMachine) {
	h.seal = func(dir string) seal.Sealer {
		f, err := seal.CreateFile(filepath.Join(dir, "seal.key"))
		must(h.t, err)
		return &meanwhile{Sealer: f}
	}
}

// whileSealing lets something happen at each seal from now on.
func (h *testMachine) whileSealing(happens func()) {
	h.sealer.(*meanwhile).happens.Store(&happens)
}

// Promise 7.
func TestARevocationDuringTheHashCounts(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(*identity.IDToken)
		want   identity.Code
	}{
		"disabled":         {func(tok *identity.IDToken) { tok.State = identity.Disabled }, identity.AccountExpired},
		"password changed": {func(tok *identity.IDToken) { tok.Factors[0].Epoch++ }, identity.Denied},
	} {
		t.Run(sentence+", offline", func(t *testing.T) {
			h := remembered(t, nil, sealsAside)
			h.whileSealing(func() {
				tok := token("alice", 1900000100)
				tok.Revision = 50
				c.change(&tok)
				h.give(tok)
			})
			h.expect(c.want, "alice", "secret")
		})
		t.Run(sentence+", when the verifier is made", func(t *testing.T) {
			h := newTestMachine(t, sealsAside)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			h.whileSealing(func() {
				tok := token("alice", 1900000100)
				tok.Revision = 50
				c.change(&tok)
				h.give(tok)
			})
			_, _ = h.login("alice", "secret")
			if has, err := h.cache.Verifiers(context.Background()); err != nil || len(has) != 0 {
				t.Fatalf("an old verifier was kept: %v, %v", has, err)
			}
		})
	}
}

func TestPhasesAfterTheAccountPhaseConfirmOnly(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	expect := func(what string, want map[identity.Operation]identity.Code) {
		t.Helper()
		for op, code := range want {
			if got := h.phase(op, "alice"); got != code {
				t.Errorf("%s, operation %d: %d, want %d", what, op, got, code)
			}
		}
	}
	expect("active", map[identity.Operation]identity.Code{
		identity.OpNone: identity.Unavailable, identity.OpOpenSession: identity.Granted, identity.OpCloseSession: identity.Granted,
		identity.OpSetCredentials: identity.Granted, identity.OpChangePassword + 1: identity.Unavailable,
	})
	h.srv.set(t, tok, func(p *person) { p.token.State = identity.Disabled })
	h.wait("the change", func() bool { return h.d.Directory().Named("alice").State() == identity.Disabled })
	expect("disabled", map[identity.Operation]identity.Code{
		identity.OpOpenSession: identity.AccountExpired, identity.OpCloseSession: identity.Granted,
		identity.OpSetCredentials: identity.AccountExpired,
	})
}

func TestALocalAccountNeverWaitsForTheServer(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.policy.LookupTimeout = time.Hour; h.policy.ServerTimeout = time.Hour })
	h.srv.be(hanging)
	for op := identity.OpAuthenticate; op <= identity.OpChangePassword; op++ {
		for _, name := range []string{"root", "local"} {
			if c := h.phase(op, name); c != identity.NotOurs {
				t.Errorf("%s, operation %d: %d", name, op, c)
			}
		}
	}
	if _, err := h.d.AccountByName(context.Background(), "root"); !errors.Is(err, identity.ErrNotFound) {
		t.Error(err)
	}
	if _, err := h.d.KeysFor(context.Background(), identity.Peer{}, "root"); !errors.Is(err, identity.ErrNotFound) {
		t.Error(err)
	}
	if n := h.srv.fetches.Load() + h.srv.begins.Load(); n != 0 {
		t.Errorf("%d questions to the server", n)
	}
}

// fault makes every insert into a table of the open cache fail.
func (h *testMachine) fault(table string) {
	h.t.Helper()
	db, err := sql.Open("sqlite3", h.cache.Path())
	must(h.t, err)
	defer db.Close()
	_, err = db.ExecContext(context.Background(), "CREATE TRIGGER fault BEFORE INSERT ON "+table+" BEGIN SELECT RAISE(ABORT, 'fault'); END")
	must(h.t, err)
}

func TestAListThatCouldNotBeStoredIsReadAgain(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.fault("tokens")
	h.online()
	h.expect(identity.Granted, "alice", "secret") // from memory
	db, err := sql.Open("sqlite3", h.cache.Path())
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(context.Background(), "DROP TRIGGER fault")
	must(t, err)
	h.srv.be(down)
	h.srv.be(up)
	h.wait("the token on disk", func() bool {
		_, err := h.cache.Token(context.Background(), tok.Account.UUID)
		return err == nil
	})
}

func TestUseFirstPassStillAsksForTheCode(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), withTOTP)
	h.online()
	conv := typing("123456")
	v := h.d.Decide(context.Background(), identity.Login{
		Operation: identity.OpAuthenticate, User: "alice", FirstPass: identity.NewSecret([]byte("secret")), OnlyFirstPass: true,
	}, conv)
	if v.Code != identity.Granted || len(conv.prompts) != 1 || conv.prompts[0] != "One-time code: " {
		t.Fatalf("code %d, prompts %q", v.Code, conv.prompts)
	}
}

// Promise damage-uncounted.
func TestATryThatCannotBeCountedIsNone(t *testing.T) {
	h := remembered(t, nil)
	h.fault("failures")
	h.expect(identity.Unavailable, "alice", "secret")
	h.expect(identity.Unavailable, "alice", "wrong")
}

func TestAVerifierThatCannotBeKeptStopsNoLogin(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.fault("verifiers")
	h.expect(identity.Granted, "alice", "secret")
}

// Promise 7.
func TestAVerifierOfAnotherEpochIsNone(t *testing.T) {
	h := remembered(t, nil)
	v, err := h.cache.Verifier(context.Background(), h.d.Directory().Named("alice").Account().UUID, identity.Password)
	must(t, err)
	v.Epoch += 7 // made in earnest, of another password than the token tells of
	v.MAC, err = h.d.verifiers.MAC(context.Background(), v, identity.NewSecret([]byte("secret")))
	must(t, err)
	must(t, h.cache.PutVerifier(context.Background(), v))
	h.expect(identity.Denied, "alice", "secret")
}
