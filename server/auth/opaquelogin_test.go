package auth

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// opaqueBench is a realm in which alice's password is registered.
func opaqueBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.must(b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{OpaquePasswords: proto.Bool(true)}))
	b.box.OpaqueRealm = true
	b.register("alice", right)
	return b
}

func (b *bench) client() *pake.Client {
	b.t.Helper()
	c, err := pake.ForLogins.NewClient("example.org")
	b.must(nil, err)
	return c
}

// register is what a login with a hashed password ends with.
func (b *bench) register(name, password string) {
	b.t.Helper()
	server, err := b.registrar(b.t.Context())
	b.must(nil, err)
	c, r := b.client(), pake.Registered{Credential: pake.NewCredential()}
	request, err := c.Register(identity.NewSecret([]byte(password)))
	b.must(nil, err)
	response, err := server.Registration(request, r.Credential)
	b.must(nil, err)
	r.Record, err = c.Record(response)
	b.must(nil, err)
	b.must(nil, b.Write(b.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName(identity.Name(name))
		if err != nil {
			return err
		}
		return tx.SetPassword(a.UUID, formatRegistered(r), b.Now())
	}))
}

// messages is an answer of OPAQUE.
func (b *bench) messages(cookie string, kind identity.FactorKind, m identity.PasswordMessages) answer {
	b.t.Helper()
	text, err := m.Encode()
	b.must(nil, err)
	return b.answer(b.box, cookie, kind, string(text.Reveal()))
}

// opens begins a session, in a session that changes the password or not.
func (b *bench) opens(name identity.Name, changes bool) string {
	b.t.Helper()
	a, err := b.admit(&session{client: machineAsClient(b.box), name: name, origin: "host 192.0.2.1", opaque: true, changes: changes})
	b.must(nil, err)
	if !slices.Contains(a.offers, identity.PasswordByOPAQUE) {
		b.t.Fatalf("it offers %v", a.offers)
	}
	return a.cookie
}

// half is a login up to the last message: nil where the client finds that it is wrong.
func (b *bench) half(cookie, password string) (answer, []byte) {
	b.t.Helper()
	c := b.client()
	ke1, err := c.Login(identity.NewSecret([]byte(password)))
	b.must(nil, err)
	a := b.messages(cookie, identity.PasswordByOPAQUE, identity.PasswordMessages{Whole: ke1})
	if len(a.opaque) == 0 {
		return a, nil
	}
	m, err := identity.ParsePasswordMessages(a.opaque)
	b.must(nil, err)
	ke3, _ := c.Finish(m.Whole)
	return a, ke3
}

func (b *bench) shows(cookie, password string) answer {
	b.t.Helper()
	a, ke3 := b.half(cookie, password)
	if a.cookie == "" {
		return a
	}
	return b.messages(a.cookie, identity.PasswordProof, identity.PasswordMessages{Whole: ke3})
}

func (b *bench) failuresOf(name identity.Name) (n uint32) {
	b.t.Helper()
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		list, err := tx.Failures(name)
		for _, f := range list {
			n = max(n, f.Count)
		}
		return err
	}))
	return n
}

// Promise opaque-guess.
func TestAGuessByOPAQUECountsBeforeItIsAnswered(t *testing.T) {
	for _, name := range []identity.Name{"alice", "nobody", "carol"} {
		b := opaqueBench(t)
		for i := range originBrake.From {
			if a, _ := b.half(b.opens(name, false), "a guess"); a.cookie == "" || b.failuresOf(name) != i+1 {
				t.Fatalf("%s: guess %d, never finished: %s, %d are counted", name, i+1, a.outcome(), b.failuresOf(name))
			}
		}
		if a, _ := b.half(b.opens(name, false), right); !a.locked || a.cookie != "" {
			t.Errorf("%s: a locked place is answered: %s", name, a.outcome())
		}
	}
}

// The guess that a place may still make can be the right one.
// Promise opaque-guess-back.
func TestARightGuessIsTakenBack(t *testing.T) {
	b := opaqueBench(t)
	for range originBrake.From - 1 {
		if a := b.shows(b.opens("alice", false), "wrong"); a.outcome() != "deny" || a.locked {
			t.Fatal(a.outcome())
		}
	}
	if a := b.shows(b.opens("alice", false), right); !a.allow {
		t.Fatalf("the last guess before the lock, a right one: %s", a.outcome())
	}
	// Its own origin is forgiven, as by every right answer; the machine keeps the wrong ones.
	if n := b.failuresOf("alice"); n != originBrake.From-1 {
		t.Errorf("%d are counted after %d wrong ones and a right one", n, originBrake.From-1)
	}
}

// Promise opaque-order.
func TestMessagesOfOPAQUEProveNothingOutOfTheirPlace(t *testing.T) {
	junk := identity.PasswordMessages{Whole: make([]byte, 64)}
	for sentence, try := range map[string]func(b *bench) answer{
		"the right password as it is": func(b *bench) answer { return b.answer(b.box, b.opens("alice", false), identity.Password, right) },
		"in one line": func(b *bench) answer {
			return b.answer(b.box, b.opens("alice", false), identity.PasswordAndTOTP, right)
		},
		"what is stored, as it is": func(b *bench) answer {
			return b.answer(b.box, b.opens("alice", false), identity.Password, registeredPrefix)
		},
		"a proof at first":        func(b *bench) answer { return b.messages(b.opens("alice", false), identity.PasswordProof, junk) },
		"a registration at first": func(b *bench) answer { return b.messages(b.opens("alice", false), identity.NewPassword, junk) },
		"a record at first":       func(b *bench) answer { return b.messages(b.opens("alice", false), identity.NewPasswordRecord, junk) },
		"no message": func(b *bench) answer {
			return b.answer(b.box, b.opens("alice", false), identity.PasswordByOPAQUE, "junk")
		},
		"an empty one": func(b *bench) answer {
			return b.messages(b.opens("alice", false), identity.PasswordByOPAQUE, identity.PasswordMessages{})
		},
		"a first message of another length": func(b *bench) answer { return b.messages(b.opens("alice", false), identity.PasswordByOPAQUE, junk) },
		"no proof": func(b *bench) answer {
			a, _ := b.half(b.opens("alice", false), right)
			return b.messages(a.cookie, identity.PasswordProof, identity.PasswordMessages{})
		},
		"junk for a proof": func(b *bench) answer {
			a, _ := b.half(b.opens("alice", false), right)
			return b.messages(a.cookie, identity.PasswordProof, junk)
		},
		"the proof of another login": func(b *bench) answer {
			_, ke3 := b.half(b.opens("alice", false), right)
			a, _ := b.half(b.opens("alice", false), right)
			return b.messages(a.cookie, identity.PasswordProof, identity.PasswordMessages{Whole: ke3})
		},
		"a proof twice": func(b *bench) answer {
			a, ke3 := b.half(b.opens("alice", false), right)
			b.messages(a.cookie, identity.PasswordProof, identity.PasswordMessages{Whole: ke3})
			return b.messages(a.cookie, identity.PasswordProof, identity.PasswordMessages{Whole: ke3})
		},
		"the proof as that of what stands before a code": func(b *bench) answer {
			a, ke3 := b.half(b.opens("alice", false), right)
			return b.messages(a.cookie, identity.PasswordProof, identity.PasswordMessages{Front: ke3, Code: []byte("000000")})
		},
		"a password that was set meanwhile": func(b *bench) answer {
			a, ke3 := b.half(b.opens("alice", false), right)
			b.register("alice", right)
			return b.messages(a.cookie, identity.PasswordProof, identity.PasswordMessages{Whole: ke3})
		},
		"an account that is disabled": func(b *bench) answer {
			b.register("dora", right)
			return b.shows(b.opens("dora", false), right)
		},
		"an account without a password": func(b *bench) answer { return b.shows(b.opens("carol", false), right) },
		"nobody":                        func(b *bench) answer { return b.shows(b.opens("nobody", false), right) },
		"ChangePassword of before": func(b *bench) answer {
			a, err := b.changes("alice", right, "", longer)
			b.must(nil, err)
			return a
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := opaqueBench(t)
			if a := try(b); a.outcome() != "deny" {
				t.Errorf("%s", a.outcome())
			}
			if b.try("alice", right).allow {
				t.Error("the password is a hash now")
			}
		})
	}
}

// Promise opaque-change-proof.
func TestARegisteredPasswordIsChangedByAllThatTheAccountProves(t *testing.T) {
	register := func(b *bench, a answer, password string) answer {
		c := b.client()
		request, err := c.Register(identity.NewSecret([]byte(password)))
		b.must(nil, err)
		if a = b.messages(a.cookie, identity.NewPassword, identity.PasswordMessages{Whole: request}); a.cookie == "" {
			return a
		}
		m, err := identity.ParsePasswordMessages(a.opaque)
		b.must(nil, err)
		record, err := c.Record(m.Whole)
		b.must(nil, err)
		return b.messages(a.cookie, identity.NewPasswordRecord, identity.PasswordMessages{Whole: record})
	}
	t.Run("a password", func(t *testing.T) {
		b := opaqueBench(t)
		a := b.shows(b.opens("alice", true), right)
		if a.allow || !slices.Equal(a.offers, []identity.FactorKind{identity.NewPassword}) {
			t.Fatalf("%s, %v", a.outcome(), a.offers)
		}
		if a = register(b, a, longer); !a.allow || len(a.id) == 0 || len(a.session) != 0 || len(b.audited("password.change")) != 1 {
			t.Errorf("%+v", a)
		}
		if b.shows(b.opens("alice", false), right).allow || !b.shows(b.opens("alice", false), longer).allow {
			t.Error("the old one works, or the new one does not")
		}
	})
	t.Run("a password without its code", func(t *testing.T) {
		b := opaqueBench(t)
		b.totp()
		a := b.shows(b.opens("alice", true), right)
		if !slices.Equal(a.offers, []identity.FactorKind{identity.TOTP}) {
			t.Fatalf("%s, %v", a.outcome(), a.offers)
		}
		if a = register(b, a, longer); a.allow || a.cookie != "" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("an account that gets a code meanwhile", func(t *testing.T) {
		b := opaqueBench(t)
		a := b.shows(b.opens("alice", true), right)
		b.totp()
		if a = register(b, a, longer); a.allow {
			t.Errorf("%+v", a)
		}
	})
	t.Run("a record that is none", func(t *testing.T) {
		b := opaqueBench(t)
		a := b.shows(b.opens("alice", true), right)
		request, err := b.client().Register(identity.NewSecret([]byte(longer)))
		b.must(nil, err)
		a = b.messages(a.cookie, identity.NewPassword, identity.PasswordMessages{Whole: request})
		if a = b.messages(a.cookie, identity.NewPasswordRecord, identity.PasswordMessages{Whole: []byte("junk")}); a.outcome() != "deny" || !b.shows(b.opens("alice", false), right).allow {
			t.Errorf("%+v", a)
		}
	})
}

func TestADamagedRegistrationLetsNobodyIn(t *testing.T) {
	for _, phc := range []string{registeredPrefix, registeredPrefix + "$", registeredPrefix + "YQ$", registeredPrefix + "YQ$!", registeredPrefix + "YQ$YQ", "$opaque$v=2$YQ$YQ"} {
		b := opaqueBench(t)
		b.keep(phc)
		c := b.client()
		ke1, err := c.Login(identity.NewSecret([]byte(right)))
		b.must(nil, err)
		m := identity.PasswordMessages{Whole: ke1}
		text, err := m.Encode()
		b.must(nil, err)
		a, err := b.step(t.Context(), machineAsClient(b.box), b.opens("alice", false), identity.PasswordByOPAQUE, text, false)
		if a.allow || err == nil && strings.HasPrefix(phc, registeredPrefix) && a.cookie != "" {
			t.Errorf("%s: %s, %v", phc, a.outcome(), err)
		}
	}
}
