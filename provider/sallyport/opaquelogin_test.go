package sallyport_test

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

const newPassword = "another long one"

// opaqueRealm registers passwords by OPAQUE, and alice's is hashed still.
func opaqueRealm(t *testing.T) *liveRealm {
	t.Helper()
	r := newRealm(t)
	r.account("alice")
	r.registersPasswords(true)
	return r
}

func (r *liveRealm) registersPasswords(on bool) {
	r.t.Helper()
	ok(r.t, nil, second(r.admin.SetRealm(r.t.Context(), &v1.SetRealmRequest{OpaquePasswords: proto.Bool(on)})))
}

func (r *liveRealm) isRegistered() bool {
	r.t.Helper()
	a, err := r.admin.ShowAccount(r.t.Context(), &v1.NameRequest{Name: "alice"})
	ok(r.t, nil, err)
	return a.GetOpaquePassword()
}

func logIn(t *testing.T, p *sallyport.Provider, kind identity.FactorKind, typed string) provider.Outcome {
	t.Helper()
	return steps(t, p, provider.Attempt{Name: "alice"}, say(kind, typed)).Outcome
}

// Promise opaque-login.
func TestAHashedPasswordIsRegisteredAtALoginAndProvedByOPAQUEThen(t *testing.T) {
	r := opaqueRealm(t)
	p := r.machine()
	if logIn(t, p, identity.Password, "wrong") != provider.Deny || r.isRegistered() {
		t.Fatal("a wrong password is taken, or registered")
	}
	hashed, err := p.Fetch(t.Context(), "alice")
	ok(t, nil, err)
	before := steps(t, p, provider.Attempt{Name: "alice"}, say(identity.Password, testPassword))
	if before.Outcome != provider.Allow || !r.isRegistered() {
		t.Fatalf("%+v, registered %t", before, r.isRegistered())
	}
	for range 2 {
		after := steps(t, p, provider.Attempt{Name: "alice"}, say(identity.Password, testPassword))
		if after.Outcome != provider.Allow || after.Session == nil {
			t.Fatalf("%+v", after)
		}
		was, _ := hashed.Token.FactorEpoch(identity.Password)
		is, _ := after.Record.Token.FactorEpoch(identity.Password)
		if was == 0 || was != is {
			t.Errorf("the same password has epoch %d, then %d: machines forget it", was, is)
		}
	}
	for _, wrong := range []string{"", "wrong", testPassword + " ", testPassword + "123456"} {
		if logIn(t, p, identity.Password, wrong) != provider.Deny || logIn(t, p, identity.PasswordAndTOTP, wrong) != provider.Deny {
			t.Errorf("%q is let in", wrong)
		}
	}
	if steps(t, p, provider.Attempt{Name: "nobody"}, say(identity.Password, testPassword)).Outcome != provider.Deny {
		t.Error("nobody is let in")
	}
	ok(t, nil, second(r.admin.UnlockAccount(t.Context(), &v1.NameRequest{Name: "alice"})))
	// What is switched off for new passwords leaves those that are registered.
	r.registersPasswords(false)
	if logIn(t, p, identity.Password, testPassword) != provider.Allow {
		t.Error("it is no longer let in")
	}
	ok(t, nil, second(r.admin.SetPassword(t.Context(), &v1.SetPasswordRequest{Name: "alice", Password: []byte(newPassword)})))
	if logIn(t, p, identity.Password, newPassword) != provider.Allow || r.isRegistered() {
		t.Error("what an administrator sets does not replace it, or is registered in a realm that is to hash")
	}
}

// Promise opaque-one-line.
func TestOneLineOfPasswordAndCodeIsProvedByOPAQUE(t *testing.T) {
	r := opaqueRealm(t)
	p := r.machine()
	ok(t, nil, second(r.admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(totpKey)})))
	// By its own steps it is registered at the end, after the code.
	done := steps(t, p, provider.Attempt{Name: "alice"}, say(identity.Password, testPassword), say(identity.TOTP, codeOf(t, totpKey, 0)))
	if done.Outcome != provider.Allow || !r.isRegistered() {
		t.Fatalf("%+v", done)
	}
	if logIn(t, p, identity.PasswordAndTOTP, testPassword+"000000") != provider.Deny {
		t.Error("a wrong code is taken")
	}
	if logIn(t, p, identity.PasswordAndTOTP, "wrong"+codeOf(t, totpKey, identity.TOTPPeriod*time.Second)) != provider.Deny {
		t.Error("a wrong password before a right code is taken")
	}
	if logIn(t, p, identity.PasswordAndTOTP, testPassword+codeOf(t, totpKey, identity.TOTPPeriod*time.Second)) != provider.Allow {
		t.Error("password and code in one line are refused")
	}
	if logIn(t, p, identity.PasswordAndTOTP, testPassword) != provider.Continue {
		t.Error("a password alone asks for no code")
	}
}

// Promise opaque-change.
func TestANewPasswordIsRegisteredWithoutTheServerSeeingIt(t *testing.T) {
	for name, coded := range map[string]bool{"a password": false, "a password and a code": true} {
		t.Run(name, func(t *testing.T) {
			r := opaqueRealm(t)
			p := r.machine()
			code := ""
			if coded {
				ok(t, nil, second(r.admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(totpKey)})))
				code = codeOf(t, totpKey, 0)
			}
			change := func(old, code, fresh string) error {
				_, err := p.ChangePassword(t.Context(), "alice", identity.Seat(), secret(old), secret(code), secret(fresh))
				return err
			}
			if err := change(testPassword, code, "alice"); !errors.Is(err, provider.ErrWeak) {
				t.Errorf("a bad one: %v", err)
			}
			if err := change(testPassword, code, testPassword); !errors.Is(err, provider.ErrWeak) {
				t.Errorf("the same: %v", err)
			}
			if err := change("wrong", code, newPassword); !errors.Is(err, provider.ErrDenied) {
				t.Errorf("by a wrong one: %v", err)
			}
			if coded {
				if err := change(testPassword, "", newPassword); !errors.Is(err, provider.ErrElsewhere) {
					t.Errorf("without a code: %v", err)
				}
				if err := change(testPassword, "000000", newPassword); !errors.Is(err, provider.ErrDenied) {
					t.Errorf("with a wrong code: %v", err)
				}
			}
			if r.isRegistered() {
				t.Fatal("something that came to nothing registered a password")
			}
			// From one that is hashed to one that is registered, and from that to another.
			for i, p := range []string{testPassword, newPassword} {
				if coded && i > 0 {
					break // the code is used
				}
				if err := change(p, code, []string{newPassword, testPassword}[i]); err != nil || !r.isRegistered() {
					t.Fatalf("change %d: %v", i+1, err)
				}
			}
			right, wrong := testPassword, newPassword
			if coded {
				right, wrong = newPassword, testPassword
			}
			if logIn(t, p, identity.Password, wrong) != provider.Deny || logIn(t, p, identity.Password, right) == provider.Deny {
				t.Error("the old password works, or the new one does not")
			}
		})
	}
}
