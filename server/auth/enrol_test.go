package auth

import (
	"net/url"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// enrolling begins an enrolment of alice's.
func (b *bench) enrolling() string {
	b.t.Helper()
	a, err := b.admit(&session{client: machineAsClient(b.box), name: "alice", service: "enrol", enrol: identity.TOTP})
	b.must(nil, err)
	return a.cookie
}

// shown is a code of the secret that an answer shows.
func (b *bench) shown(a answer) string {
	b.t.Helper()
	u, err := url.Parse(a.url)
	b.must(nil, err)
	c, err := totp.GenerateCode(u.Query().Get("secret"), time.Unix(b.unix.Load(), 0))
	b.must(nil, err)
	return c
}

// Promise otp-new.
func TestANewSecretTakesEffectOnlyWhenACodeOfItWasGiven(t *testing.T) {
	b := newBench(t)
	a := b.answer(b.box, b.enrolling(), identity.Password, right)
	if a.outcome() != "offer new-totp" || a.url == "" || a.session != nil {
		t.Fatalf("%s, %q", a.outcome(), a.url)
	}
	if got := b.try("alice", right); !got.allow {
		t.Fatal("it counts before it is confirmed")
	}
	code := b.shown(a)
	done := b.answer(b.box, a.cookie, identity.NewTOTP, code)
	token, err := b.ring().IDToken(done.id)
	if !done.allow || err != nil {
		t.Fatal(done, err)
	}
	if _, held := token.FactorEpoch(identity.TOTP); !held {
		t.Error("the token does not say so")
	}
	s, err := b.ring().SessionToken(done.session)
	if err != nil || len(s.Methods) != 2 {
		t.Errorf("methods %v, %v", s.Methods, err)
	}
	if got := b.both(code); got.allow {
		t.Error("the code that confirmed it is good once more")
	}
	if rows := b.audited("account.enrol-totp"); len(rows) != 1 {
		t.Error(rows)
	}
	if got := b.answer(b.box, a.cookie, identity.NewTOTP, code); got.outcome() != "deny" {
		t.Error("a finished enrolment goes on")
	}
}

// Promise otp-new.
func TestEnrollingDemandsAllThatIsHeldAndReplacesIt(t *testing.T) {
	b := newBench(t)
	b.totp()
	a := b.answer(b.box, b.enrolling(), identity.Password, right)
	if a.outcome() != "offer totp" || a.url != "" {
		t.Fatalf("%s, %q", a.outcome(), a.url)
	}
	if got := b.answer(b.box, a.cookie, identity.TOTP, "000000"); got.outcome() != "deny" {
		t.Fatal(got.outcome())
	}
	b.unix.Add(600)
	a = b.answer(b.box, b.answer(b.box, b.enrolling(), identity.Password, right).cookie, identity.TOTP, b.code(0))
	old := b.code(0)
	if a.outcome() != "offer new-totp" {
		t.Fatal(a.outcome())
	}
	if got := b.both(old); got.allow {
		t.Fatal("the old code that was proved is good once more")
	}
	if got := b.answer(b.box, a.cookie, identity.NewTOTP, b.shown(a)); !got.allow {
		t.Fatal(got)
	}
	b.unix.Add(600)
	if got := b.both(b.code(0)); got.allow {
		t.Fatal("the old generator works")
	}
}

// Promise otp-new.
func TestAnEnrolmentEndsWithoutEffect(t *testing.T) {
	for sentence, end := range map[string]func(b *bench, a answer) answer{
		"three wrong codes": func(b *bench, a answer) answer {
			for range enrolTries - 1 {
				if a = b.answer(b.box, a.cookie, identity.NewTOTP, "no code"); a.outcome() != "offer new-totp" || a.message == "" || a.url != "" {
					b.t.Fatal(a)
				}
			}
			return b.answer(b.box, a.cookie, identity.NewTOTP, "no code")
		},
		"too late": func(b *bench, a answer) answer {
			b.unix.Add(int64(enrolTimeout / time.Second))
			return b.answer(b.box, a.cookie, identity.NewTOTP, b.shown(a))
		},
		"another machine": func(b *bench, a answer) answer {
			return b.answer(store.Machine{Name: "thief"}, a.cookie, identity.NewTOTP, b.shown(a))
		},
		"the password changed meanwhile": func(b *bench, a answer) answer {
			b.password("alice", "another long one")
			return b.answer(b.box, a.cookie, identity.NewTOTP, b.shown(a))
		},
		"a code was added meanwhile": func(b *bench, a answer) answer {
			b.totp()
			return b.answer(b.box, a.cookie, identity.NewTOTP, b.shown(a))
		},
		"disabled meanwhile": func(b *bench, a answer) answer {
			b.must(b.admin.SetAccountState(b.t.Context(), &v1.SetAccountStateRequest{Name: "alice", Disabled: true}))
			return b.answer(b.box, a.cookie, identity.NewTOTP, b.shown(a))
		},
		"another kind": func(b *bench, a answer) answer { return b.answer(b.box, a.cookie, identity.TOTP, b.shown(a)) },
	} {
		t.Run(sentence, func(t *testing.T) {
			b := newBench(t)
			a := b.answer(b.box, b.enrolling(), identity.Password, right)
			if got := end(b, a); got.outcome() != "deny" || got.id != nil {
				t.Fatal(got.outcome())
			}
			if rows := b.audited("account.enrol-totp"); len(rows) != 0 {
				t.Fatal(rows)
			}
		})
	}
}

func TestSomeoneMayLookForTheTelephoneForMinutes(t *testing.T) {
	b := newBench(t)
	a := b.answer(b.box, b.enrolling(), identity.Password, right)
	b.unix.Add(int64((enrolTimeout - time.Minute) / time.Second))
	if got := b.answer(b.box, a.cookie, identity.NewTOTP, b.shown(a)); !got.allow {
		t.Fatal(got)
	}
}
