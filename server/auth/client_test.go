package auth

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise client-kinds.
func TestAClientOfNoKindIsGrantedNothing(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]client{
		"zero": {}, "no kind": {id: b.box.UUID, name: b.box.Name}, "no id": {kind: machineClient, name: "box"},
	} {
		if a, err := b.admit(&session{client: c, name: "alice", origin: "seat"}); err == nil {
			t.Errorf("%s: a session began: %+v", name, a)
		}
		cookie := b.start("alice")
		a, err := b.step(t.Context(), c, cookie, identity.Password, identity.NewSecret([]byte(right)), false)
		if err != nil || a.outcome() != "deny" {
			t.Errorf("%s: another's session: %+v, %v", name, a, err)
		}
		if a := b.answer(b.box, cookie, identity.Password, right); !a.allow {
			t.Errorf("%s: its owner's session ended: %+v", name, a)
		}
		s := &session{client: c, name: "alice", origin: "seat", offers: []identity.FactorKind{identity.Password}}
		if cookie, err = b.sessions.put(s, b.Now()); err != nil {
			t.Fatal(err)
		}
		if a, err = b.step(t.Context(), c, cookie, identity.Password, identity.NewSecret([]byte(right)), false); err != nil || a.outcome() != "deny" {
			t.Errorf("%s: a session of nobody's: %+v, %v", name, a, err)
		}
		_, err = b.changePassword(t.Context(), c, "alice", "seat", identity.NewSecret([]byte(right)), identity.Secret{}, identity.NewSecret([]byte("another long one")))
		if err == nil {
			t.Errorf("%s: it changed a password", name)
		}
	}
}

// A session token is a machine's. What other clients are given is theirs to say.
// Promise client-kinds.
func TestAClientThatIsNoMachineGetsNoSessionToken(t *testing.T) {
	b := newBench(t)
	s := &session{client: client{kind: "browser", id: uuid.New(), name: "box"}, name: "alice", origin: "seat"}
	s.proved = []proof{{kind: identity.Password}}
	err := b.Store.Read(t.Context(), func(tx *store.Tx) error {
		p, err := tx.Person(b.box.UUID, "alice")
		b.must(nil, err)
		signed, err := b.sessionToken(tx, s, &p)
		if err == nil || signed != nil {
			t.Errorf("%x, %v", signed, err)
		}
		return nil
	})
	b.must(nil, err)
}

// The console is a client of its own kind, and no machine.
// Promise client-kinds.
func TestTheConsoleAndMachinesGoOnWithNothingOfEachOther(t *testing.T) {
	b := newBench(t)
	b.totp()
	password := func() identity.Secret { return identity.NewSecret([]byte(right)) }
	begun, err := b.ConsolePassword(t.Context(), "alice", "192.0.2.1", password())
	if err != nil || begun.SignedIn != nil || len(begun.Offers) == 0 {
		t.Fatalf("%+v, %v", begun, err)
	}
	code := func() identity.Secret { return identity.NewSecret([]byte(b.code(0))) }
	if a, err := b.step(t.Context(), machineAsClient(b.box), begun.Session, identity.TOTP, code(), false); err != nil || a.allow || !a.stray {
		t.Errorf("a machine goes on at the console: %+v, %v", a, err)
	}
	if a, err := b.ConsoleCode(t.Context(), b.start("alice"), []identity.FactorKind{identity.TOTP}, code()); err != nil || a.SignedIn != nil {
		t.Errorf("the console goes on at a machine: %+v, %v", a, err)
	}
	done, err := b.ConsoleCode(t.Context(), begun.Session, begun.Offers, code())
	if err != nil || done.SignedIn == nil || done.SignedIn.Name != "alice" || len(done.SignedIn.Methods) != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
		for what, who := range map[string]*SignedIn{"nobody": nil, "made up": {Account: done.SignedIn.Account, Name: "alice"}} {
			if a, err := b.StillSignedIn(tx, who); !errors.Is(err, identity.ErrNotFound) {
				t.Errorf("%s is signed in: %+v, %v", what, a, err)
			}
		}
		a, err := b.StillSignedIn(tx, done.SignedIn)
		if err != nil || a.UUID != done.SignedIn.Account {
			t.Errorf("%+v, %v", a, err)
		}
		p, err := tx.Person(b.box.UUID, "alice")
		b.must(nil, err)
		if signed, err := b.sessionToken(tx, done.SignedIn.session, &p); err == nil {
			t.Errorf("the console has a session token: %x", signed)
		}
		return nil
	}))
}
