package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/passwords"
	"github.com/sallyport-auth/sallyport/server/store"
)

const longer = "another long one"

func (b *bench) changes(name identity.Name, old, code, replacement string) (answer, error) {
	b.t.Helper()
	return b.changePassword(b.t.Context(), machineAsClient(b.box), name, "seat", identity.NewSecret([]byte(old)), identity.NewSecret([]byte(code)), identity.NewSecret([]byte(replacement)))
}

func TestAPasswordIsChangedByAllThatTheAccountProves(t *testing.T) {
	for sentence, c := range map[string]struct {
		name             identity.Name
		coded            bool
		old, code, fresh string // code "right" is the one of now
		allow            bool
		err              error
	}{
		"with a password alone":       {"alice", false, right, "", longer, true, nil},
		"with a wrong one":            {"alice", false, "wrong", "", longer, false, nil},
		"nobody of that name":         {"nobody", false, right, "", longer, false, nil},
		"an account without one":      {"carol", false, "", "", longer, false, nil},
		"an account that is disabled": {"dora", false, right, "", longer, false, nil},
		"the new one is the old one":  {"alice", false, right, "", right, false, passwords.RefusalError("That password is the old one.")},
		"the new one is short":        {"alice", false, right, "", "short", false, passwords.RefusalError("That password is too short: at least 8 characters.")},
		"the new one is too long":     {"alice", false, right, "", strings.Repeat("xy", 1024), false, passwords.RefusalError("That password is too long: at most 1024 bytes.")},
		"with a code as well":         {"alice", true, right, "right", longer, true, nil},
		"without the code":            {"alice", true, right, "", longer, false, errNeedsCode},
		"with a wrong code":           {"alice", true, right, "000000", longer, false, nil},
		"with a code that is none":    {"alice", true, right, "abc", longer, false, nil},
		"with a code and a wrong one": {"alice", true, "wrong", "right", longer, false, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := newBench(t)
			if c.coded {
				b.totp()
			}
			if c.code == "right" {
				c.code = b.code(0)
			}
			a, err := b.changes(c.name, c.old, c.code, c.fresh)
			if a.allow != c.allow || !errors.Is(err, c.err) || (len(a.id) > 0) != c.allow {
				t.Fatalf("%+v, %v", a, err)
			}
			if n := len(b.audited("password.change")); (n == 1) != c.allow {
				t.Errorf("%d rows tell of a change", n)
			}
			b.unix.Add(3600)
			if got := b.try(c.name, longer); !c.coded && got.allow != c.allow || c.coded && (got.outcome() == "deny") == c.allow {
				t.Errorf("the new password: %s", got.outcome())
			}
		})
	}
}

func TestACodeChangesAPasswordOnce(t *testing.T) {
	b := newBench(t)
	b.totp()
	code := b.code(0)
	if a, err := b.changes("alice", right, code, longer); err != nil || !a.allow {
		t.Fatal(a, err)
	}
	if a, err := b.changes("alice", longer, code, right); err != nil || a.allow {
		t.Errorf("the same code once more: %+v, %v", a, err)
	}
	a := b.try("alice", longer)
	if got := b.answer(b.box, a.cookie, identity.TOTP, code); got.allow {
		t.Error("the same code signs in")
	}
}

func TestAGuesserOfOldPasswordsIsLockedAsAtALogin(t *testing.T) {
	b := newBench(t)
	for range originBrake.From {
		if a, err := b.changes("alice", "wrong", "", longer); err != nil || a.allow {
			t.Fatal(a, err)
		}
	}
	if a, err := b.changes("alice", right, "", longer); err != nil || a.allow || !a.locked {
		t.Errorf("%+v, %v", a, err)
	}
}

// Between the proof and the new hash, which takes its time, an administrator did the same.
func TestWhatChangedMeanwhileIsNotOverwritten(t *testing.T) {
	for sentence, c := range map[string]struct{ before, meanwhile func(*bench) }{
		"another password":     {func(*bench) {}, func(b *bench) { b.password("alice", "set by somebody else") }},
		"a generator":          {func(*bench) {}, func(b *bench) { b.totp() }},
		"another generator":    {func(b *bench) { b.totp() }, func(b *bench) { b.totp() }},
		"the generator is off": {func(b *bench) { b.totp() }, func(b *bench) { b.must(b.admin.RemoveTOTP(b.t.Context(), alice())) }},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := newBench(t)
			c.before(b)
			s := &session{client: machineAsClient(b.box), name: "alice", origin: "seat", service: "change-password"}
			f, err := b.facts(t.Context(), s)
			b.must(nil, err)
			c.meanwhile(b)
			phc, err := b.hasher.hash(t.Context(), b.box.UUID, identity.NewSecret([]byte(longer)))
			b.must(nil, err)
			if a, err := b.replacePassword(t.Context(), s, f, b.unix.Load()/identity.TOTPPeriod, phc); a.allow || err == nil {
				t.Errorf("%+v, %v", a, err)
			}
			var now store.Password
			b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
				a, err := tx.AccountByName("alice")
				if err == nil {
					now, err = tx.Password(a.UUID)
				}
				return err
			}))
			if now.PHC == phc {
				t.Error("it is overwritten")
			}
		})
	}
}

func TestADamagedHashIsNobodysPassword(t *testing.T) {
	const salt, sum = "c2FsdHNhbHRzYWx0c2FsdA", "c3Vtc3Vtc3Vtc3Vtc3Vtc3Vtc3Vtc3Vtc3Vtc3Vtc3U"
	if _, _, _, err := parsePHC("$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + sum); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("YWFh", 22) // 66 bytes
	for sentence, phc := range map[string]string{
		"something before":     "x$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + sum,
		"a part too few":       "$argon2id$v=19$m=64,t=1,p=1$" + salt,
		"a part too many":      "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + sum + "$",
		"another algorithm":    "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + sum,
		"another version":      "$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + sum,
		"no parameters":        "$argon2id$v=19$$" + salt + "$" + sum,
		"too much memory":      "$argon2id$v=19$m=1048577,t=1,p=1$" + salt + "$" + sum,
		"no time":              "$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + sum,
		"too much time":        "$argon2id$v=19$m=64,t=65,p=1$" + salt + "$" + sum,
		"no lane":              "$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + sum,
		"too many lanes":       "$argon2id$v=19$m=64,t=1,p=65$" + salt + "$" + sum,
		"no salt":              "$argon2id$v=19$m=64,t=1,p=1$$" + sum,
		"a long salt":          "$argon2id$v=19$m=64,t=1,p=1$" + long + "$" + sum,
		"a salt that is none":  "$argon2id$v=19$m=64,t=1,p=1$" + salt + "!$" + sum,
		"no hash":              "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$",
		"a short hash":         "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$YWFhYWFh",
		"a long hash":          "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + long,
		"a hash that is none":  "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + sum + "!",
		"nothing but dividers": "$$$$$",
	} {
		if _, _, _, err := parsePHC(phc); err == nil {
			t.Errorf("%s is taken", sentence)
		}
	}
}

// Who holds a card and a generator signs in by the card alone.
func TestNoSecretIsSealedWhereNoCodeWasProved(t *testing.T) {
	b, _ := travelling(t)
	b.policy(true, true)
	c := b.card("P-256", "alice")
	b.give("alice", c)
	if a := b.sign(b.begin(session{}), c, false); !a.allow || len(a.sealed) != 0 {
		t.Errorf("allow %t, %d sealed", a.allow, len(a.sealed))
	}
}
