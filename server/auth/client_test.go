package auth

import (
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
