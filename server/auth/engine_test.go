package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TestEveryRowOfTheStateTableHolds walks the table of the package comment: every
// state against every event.
// Promise strength-offered.
func TestEveryRowOfTheStateTableHolds(t *testing.T) {
	states := map[string]func(*bench) string{
		"none":     func(*bench) string { return "no such cookie" },
		"password": func(b *bench) string { return b.start("alice") },
		"totp":     func(b *bench) string { b.totp(); return b.try("alice", right).cookie },
		"finished": func(b *bench) string {
			c := b.start("alice")
			b.answer(b.box, c, identity.Password, right)
			return c
		},
		"failed": func(b *bench) string {
			c := b.start("alice")
			b.answer(b.box, c, identity.Password, "wrong")
			return c
		},
		"expired": func(b *bench) string {
			c := b.start("alice")
			b.unix.Add(int64(stepTimeout / time.Second))
			return c
		},
		"rewound": func(b *bench) string { // the first cookie, after it led on to totp
			b.totp()
			c := b.start("alice")
			b.answer(b.box, c, identity.Password, right)
			return c
		},
		"removed meanwhile": func(b *bench) string {
			c := b.start("alice")
			b.must(b.admin.RemoveAccount(b.t.Context(), &v1.NameRequest{Name: "alice"}))
			return c
		},
		"password changed before totp": func(b *bench) string {
			b.totp()
			c := b.try("alice", right).cookie
			b.password("alice", "another long one")
			return c
		},
		"disabled before totp": func(b *bench) string {
			b.totp()
			c := b.try("alice", right).cookie
			b.must(b.admin.SetAccountState(b.t.Context(), &v1.SetAccountStateRequest{Name: "alice", Disabled: true}))
			return c
		},
		"no password": func(b *bench) string { return b.start("carol") },
		"disabled":    func(b *bench) string { return b.start("dora") },
		"unknown":     func(b *bench) string { return b.start("nobody-here") },
	}
	events := map[string]func(*bench, string) answer{
		"right password": func(b *bench, c string) answer { return b.answer(b.box, c, identity.Password, right) },
		"wrong password": func(b *bench, c string) answer { return b.answer(b.box, c, identity.Password, "wrong") },
		"empty password": func(b *bench, c string) answer { return b.answer(b.box, c, identity.Password, "") },
		"huge password": func(b *bench, c string) answer {
			return b.answer(b.box, c, identity.Password, strings.Repeat("x", 60_000))
		},
		"right code":   func(b *bench, c string) answer { return b.answer(b.box, c, identity.TOTP, b.code(0)) },
		"wrong code":   func(b *bench, c string) answer { return b.answer(b.box, c, identity.TOTP, "000000x") },
		"another kind": func(b *bench, c string) answer { return b.answer(b.box, c, "piv", right) },
		"no kind":      func(b *bench, c string) answer { return b.answer(b.box, c, "", right) },
		"right password from elsewhere": func(b *bench, c string) answer {
			return b.answer(store.Machine{UUID: uuid.New()}, c, identity.Password, right)
		},
		"right code from elsewhere": func(b *bench, c string) answer {
			return b.answer(store.Machine{UUID: uuid.New()}, c, identity.TOTP, b.code(0))
		},
	}
	good := map[string]bool{"password/right password": true, "totp/right code": true}
	for state, reach := range states {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			for event, happen := range events {
				b := newBench(t)
				got, want := happen(b, reach(b)), "deny"
				if good[state+"/"+event] {
					want = "allow"
				}
				if got.outcome() != want || (want == "deny") != (got.session == nil && got.id == nil) {
					t.Errorf("%s: %s, want %s", event, got.outcome(), want)
				}
			}
		})
	}
}

func TestAnotherMachinesAttemptDoesNotEndTheSession(t *testing.T) {
	b := newBench(t)
	c := b.start("alice")
	b.answer(store.Machine{UUID: uuid.New()}, c, identity.Password, "wrong")
	if got := b.answer(b.box, c, identity.Password, right); !got.allow {
		t.Fatal(got.outcome())
	}
}

func TestEveryPasswordStepCostsOneHashWhoeverItIsFor(t *testing.T) {
	b := newBench(t)
	said := map[string]bool{}
	for _, name := range []identity.Name{"alice", "carol", "dora", "nobody-here"} {
		before := b.hasher.computed.Load()
		got := b.try(name, "wrong")
		if n := b.hasher.computed.Load() - before; n != 1 {
			t.Errorf("%s: %d hashes", name, n)
		}
		said[fmt.Sprint(got.outcome(), got.message, got.locked)] = true
	}
	if len(said) != 1 {
		t.Errorf("told apart: %v", said)
	}
	for range originBrake.From {
		b.try("alice", "wrong")
	}
	before := b.hasher.computed.Load()
	if got := b.try("alice", right); got.allow || !got.locked || b.hasher.computed.Load()-before != 1 {
		t.Errorf("locked: %+v, %d hashes", got, b.hasher.computed.Load()-before)
	}
}

func TestADisabledAccountIsToldSoOnlyAfterTheRightPassword(t *testing.T) {
	b := newBench(t)
	if got := b.try("dora", right); got.allow || got.message == denial {
		t.Fatalf("right: %+v", got)
	}
	if got := b.try("dora", "wrong"); got.message != denial {
		t.Fatalf("wrong: %+v", got)
	}
}

func TestACodeIsTakenWithOneStepOfDriftAndNeverAgain(t *testing.T) {
	for drift, want := range map[int64]string{-60: "deny", -30: "allow", 0: "allow", 30: "allow", 60: "deny"} {
		b := newBench(t)
		b.totp()
		if got := b.answer(b.box, b.try("alice", right).cookie, identity.TOTP, b.code(drift)); got.outcome() != want {
			t.Errorf("drift %d: %s, want %s", drift, got.outcome(), want)
		}
		for _, again := range []int64{-30, 0} {
			if got := b.answer(b.box, b.try("alice", right).cookie, identity.TOTP, b.code(again)); want == "allow" && again <= drift && got.allow {
				t.Errorf("drift %d: the step %d was taken again", drift, again)
			}
		}
	}
}

func TestASessionTokenNamesOnlyGroupsThatItsStrengthEarned(t *testing.T) {
	b := newBench(t)
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "low"}))
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "high", Demands: []string{"totp"}}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "low", Member: "alice"}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "high", Member: "alice"}))
	ring := b.ring()
	earned := func(a answer) int {
		t.Helper()
		s, err := ring.SessionToken(a.session)
		if err != nil {
			t.Fatal(err)
		}
		return len(s.Groups)
	}
	if n := earned(b.try("alice", right)); n != 2 {
		t.Fatalf("password: %d groups", n)
	}
	b.totp()
	if n := earned(b.answer(b.box, b.try("alice", right).cookie, identity.TOTP, b.code(0))); n != 3 {
		t.Fatalf("password and totp: %d groups", n)
	}
}

func (b *bench) ring() *identity.Keyring {
	b.t.Helper()
	var ring *identity.Keyring
	err := b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		keys, err := tx.SigningKeys()
		if err == nil {
			ring, err = identity.NewKeyring(b.Name, keys)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return ring
}

func TestTokensOfAKeyThatWasRotatedOutStillVerify(t *testing.T) {
	b := newBench(t)
	before := b.try("alice", right)
	b.must(b.admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{}))
	b.reopen()
	after := b.try("alice", right)
	for _, a := range []answer{before, after} {
		if _, err := b.ring().IDToken(a.id); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.ring().KeyIDs()) != 2 {
		t.Fatal("want two keys")
	}
}

// Promise 8, attack-machine-secrets.
func TestEveryAttemptIsInTheAuditLogAndNoSecretIs(t *testing.T) {
	b := newBench(t)
	b.totp()
	b.try("alice", "a wrong password")
	b.answer(b.box, b.try("alice", right).cookie, identity.TOTP, b.code(0))
	log, err := b.admin.ListAudit(t.Context(), &v1.ListAuditRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, row := range log.GetRows() {
		actions = append(actions, row.GetAction())
		for _, s := range []string{"a wrong password", right, totpKey} {
			if strings.Contains(row.String(), s) {
				t.Errorf("%s is in %v", s, row)
			}
		}
	}
	got := strings.Join(actions[len(actions)-4:], " ")
	if got != "auth.begin auth.deny auth.begin auth.allow" {
		t.Fatal(got)
	}
	b.must(b.admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{}))
}

func TestSessionsAreBoundedPerMachineAndStaleOnesMakeRoom(t *testing.T) {
	s := newSessions(time.Minute, 2)
	a, b := uuid.New(), uuid.New()
	now := time.Unix(1000, 0)
	for _, m := range []uuid.UUID{a, a, b} {
		if _, err := s.put(&session{client: client{id: m}}, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.put(&session{client: client{id: a}}, now); !errors.Is(err, realm.ErrTooMany) {
		t.Fatal(err)
	}
	if _, err := s.put(&session{client: client{id: a}}, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.purge(now.Add(time.Hour))
	if len(s.m) != 0 || len(s.count) != 0 {
		t.Fatal("stale sessions remain")
	}
}

// TestOnlyARightAnswerIsToldAsProved: a machine tells somebody far away why he is refused
// only then.
func TestOnlyARightAnswerIsToldAsProved(t *testing.T) {
	b := newBench(t)
	begin := func(name string) string {
		a, err := b.admit(&session{client: machineAsClient(b.box), name: identity.Name(name), origin: "seat", service: "test"})
		b.must(nil, err)
		if a.proved() {
			t.Errorf("%s: an offer is told as proved", name)
		}
		return a.cookie
	}
	for _, c := range []struct {
		name, password string
		proved         bool
	}{{"alice", "wrong", false}, {"alice", right, false}, {"dora", "wrong", false}, {"dora", right, true}, {"nobody", right, false}} {
		a := b.answer(b.box, begin(c.name), identity.Password, c.password)
		if a.proved() != c.proved {
			t.Errorf("%s, %q: proved is %t; allowed %t, message %q", c.name, c.password, a.proved(), a.allow, a.message)
		}
	}
}
