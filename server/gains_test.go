package server

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

func TestADuePasswordBringsNoSecretToAMachine(t *testing.T) {
	b, _ := travelling(t)
	b.policy(true, true)
	login := func() answer {
		a := b.attempt(nil)
		return b.answer(b.box, a.cookie, identity.TOTP, b.code(0))
	}
	if a := login(); !a.allow || len(a.sealed) != 1 {
		t.Fatalf("a password that is not due: %d sealed, %s", len(a.sealed), a.outcome())
	}
	b.unix.Add(300)
	b.must(b.admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", MustChange: proto.Bool(true)}))
	if a := login(); !a.allow || len(a.sealed) != 0 {
		t.Errorf("a password that is due: %d sealed, %s", len(a.sealed), a.outcome())
	}
}

func TestEachCardOfAnAccountSignsIn(t *testing.T) {
	b := newBench(t)
	for _, label := range []string{"first", "second", "third"} {
		c := b.card("P-256", label)
		b.give("alice", c)
		if a := b.sign(b.begin(session{}), c, false); !a.allow {
			t.Errorf("the %s: %s", label, a.outcome())
		}
	}
}

func TestTheEndOfOneSessionMakesRoomForOne(t *testing.T) {
	s, m, now := newSessions(time.Minute, 2), uuid.New(), time.Unix(1000, 0)
	put := func() (string, error) { return s.put(&session{machine: m}, now) }
	first, err := put()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		second, err := put()
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if _, err := put(); !errors.Is(err, errTooMany) {
			t.Fatalf("round %d: a third: %v", round, err)
		}
		if _, ok := s.take(second, m, now); !ok {
			t.Fatalf("round %d: the second is lost", round)
		}
	}
	if _, ok := s.take(first, m, now); !ok || len(s.count) != 0 {
		t.Errorf("%t; counted in the end: %v", ok, s.count)
	}
}

// The code of the login may count for the change: then no code is used with it.
func TestANewSecretMeanwhileEndsTheChangeOfAPassword(t *testing.T) {
	for what, meanwhile := range map[string]func(*bench){
		"another secret": func(b *bench) { b.totp() },
		"nothing":        func(*bench) {},
	} {
		b := newBench(t)
		b.totp()
		s := &session{machine: b.box.UUID, machineName: b.box.Name, name: "alice", origin: "seat", service: "change-password"}
		f, err := b.facts(t.Context(), s)
		b.must(nil, err)
		meanwhile(b)
		phc, err := b.hasher.hash(t.Context(), b.box.UUID, identity.NewSecret([]byte(longer)))
		b.must(nil, err)
		if a, err := b.replacePassword(t.Context(), b.box, s, f, 0, phc); a.allow != (what == "nothing") || (err == nil) != a.allow {
			t.Errorf("%s: %s, %v", what, a.outcome(), err)
		}
	}
}
