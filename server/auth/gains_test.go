package auth

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/passwords"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
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
	put := func() (string, error) { return s.put(&session{client: client{kind: machineClient, id: m}}, now) }
	first, err := put()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		second, err := put()
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if _, err := put(); !errors.Is(err, realm.ErrTooMany) {
			t.Fatalf("round %d: a third: %v", round, err)
		}
		if _, ok := s.take(second, client{kind: machineClient, id: m}, now); !ok {
			t.Fatalf("round %d: the second is lost", round)
		}
	}
	if _, ok := s.take(first, client{kind: machineClient, id: m}, now); !ok || len(s.count) != 0 {
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
		s := &session{client: machineAsClient(b.box), name: "alice", origin: "seat", service: "change-password"}
		f, err := b.facts(t.Context(), s)
		b.must(nil, err)
		meanwhile(b)
		phc, err := b.hasher.hash(t.Context(), b.box.UUID, identity.NewSecret([]byte(longer)))
		b.must(nil, err)
		if a, err := b.replacePassword(t.Context(), s, f, 0, phc); a.allow != (what == "nothing") || (err == nil) != a.allow {
			t.Errorf("%s: %s, %v", what, a.outcome(), err)
		}
	}
}

func TestACodeCountsForTheChangeOfItsOwnPasswordAlone(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	machine, account := uuid.New(), uuid.New()
	ended := func(due bool, kinds ...identity.FactorKind) *session {
		s := &session{client: client{kind: machineClient, id: machine}, due: due}
		for i, k := range kinds {
			s.proved = append(s.proved, proof{kind: k, account: account, epoch: uint64(i + 1)})
		}
		return s
	}
	both := ended(true, identity.Password, identity.TOTP)
	of := func(password, totp uint64) *facts {
		f := &facts{client: machine, holds: map[identity.FactorKind]any{identity.Password: store.Password{Epoch: password}}}
		if totp != 0 {
			f.holds[identity.TOTP] = store.TOTP{Epoch: totp}
		}
		f.account.UUID = account
		return f
	}
	for what, c := range map[string]struct {
		s    *session
		f    *facts
		want bool
	}{
		"its own":                    {both, of(1, 2), true},
		"another password":           {both, of(3, 2), false},
		"another secret":             {both, of(1, 3), false},
		"no secret any more":         {both, of(1, 0), false},
		"a password that is not due": {ended(false, identity.Password, identity.TOTP), of(1, 2), false},
		"a password alone":           {ended(true, identity.Password), of(1, 0), false},
		"a code alone":               {ended(true, identity.TOTP), of(0, 1), false},
		"nothing at all":             {ended(true), of(0, 0), false},
	} {
		var d dueCodes
		if d.counts(c.f, now) {
			t.Errorf("%s: counts without a login", what)
		}
		d.put(c.s, now)
		if got := d.counts(c.f, now); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
		if d.counts(c.f, now.Add(dueSessionLife)) {
			t.Errorf("%s: counts too late", what)
		}
	}
}

func TestAnAdministratorCannotSetWeakPasswordRules(t *testing.T) {
	b := newBench(t)
	for what, req := range map[string]*v1.SetRealmRequest{
		"too short":     {PasswordMinLength: proto.Uint32(passwords.LeastMin - 1)},
		"none at all":   {PasswordMinLength: proto.Uint32(0)},
		"too long":      {PasswordMinLength: proto.Uint32(passwords.MostMin + 1)},
		"too many":      {PasswordHistory: proto.Uint32(passwords.MaxHistory + 1)},
		"an age beyond": {PasswordMaxAge: proto.Uint32(36500 + 1)},
	} {
		if _, err := b.admin.SetRealm(t.Context(), req); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	b.must(b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{
		PasswordMinLength: proto.Uint32(passwords.LeastMin), PasswordHistory: proto.Uint32(passwords.MaxHistory), PasswordMaxAge: proto.Uint32(36500),
	}))
}
