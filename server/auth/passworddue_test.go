package auth

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// attempt is a login of alice by password, as that machine begins it.
func (b *bench) attempt(change func(*session)) answer {
	b.t.Helper()
	s := &session{client: machineAsClient(b.box), name: "alice", origin: "host 192.0.2.1", service: "test", asksNew: true}
	if change != nil {
		change(s)
	}
	a, err := b.admit(s)
	b.must(nil, err)
	return b.answer(b.box, a.cookie, identity.Password, right)
}

func (b *bench) sessionOf(a answer) *identity.SessionToken {
	b.t.Helper()
	if !a.allow {
		b.t.Fatalf("refused: %+v", a)
	}
	t, err := b.ring().SessionToken(a.session)
	b.must(nil, err)
	return t
}

// Promise password-due-no-more.
func TestADuePasswordBringsNoMoreThanItsChangeTakes(t *testing.T) {
	b := newBench(t)
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "admins", Demands: []string{"password"}}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "admins", Member: "alice"}))
	whole := b.sessionOf(b.attempt(nil))
	if len(whole.Groups) == 0 || time.Unix(whole.ExpiresAt, 0).Sub(time.Unix(whole.AuthenticatedAt, 0)) != sessionLife {
		t.Fatalf("a session by a password that is not due: %+v", whole)
	}
	b.must(b.admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", MustChange: proto.Bool(true)}))
	due := b.sessionOf(b.attempt(nil))
	if len(due.Groups) != 0 || time.Unix(due.ExpiresAt, 0).Sub(time.Unix(due.AuthenticatedAt, 0)) != dueSessionLife || !slices.Equal(due.Methods, whole.Methods) {
		t.Errorf("a session by a password that is due: %+v", due)
	}
	for _, s := range []func(*session){func(s *session) { s.enrol = identity.TOTP }, func(s *session) { s.enrol = identity.PIV }} {
		if a := b.attempt(s); a.outcome() != "deny" || a.message != dueFirst {
			t.Errorf("a factor is made: %+v", a)
		}
	}
}

// Promise password-due-no-more.
func TestAMachineThatCannotAskLetsNobodyInWithADuePassword(t *testing.T) {
	b := newBench(t)
	old := func(s *session) { s.asksNew = false }
	if !b.attempt(old).allow {
		t.Fatal("refused before it was due")
	}
	b.rules(&v1.SetRealmRequest{PasswordMaxAge: proto.Uint32(1)})
	if !b.attempt(old).allow {
		t.Fatal("refused before its day")
	}
	b.unix.Add(24*3600 + 1)
	a := b.attempt(old)
	if a.allow || a.message != dueElsewhere || !a.proved() || len(a.id)+len(a.session) > 0 {
		t.Errorf("an older machine: %+v", a)
	}
	if a := b.try("alice", "wrong"); a.message != denial {
		t.Errorf("a wrong password is told that it is due: %q", a.message)
	}
	view, err := b.admin.ListAudit(t.Context(), &v1.ListAuditRequest{})
	b.must(nil, err)
	if !slices.ContainsFunc(view.GetRows(), func(r *v1.AuditRow) bool { return strings.Contains(r.GetDetail(), "upgrade it") }) {
		t.Error("the audit log does not say which machine to upgrade")
	}
	if a, err := b.changeTo(right, "", "another long one"); err != nil || !a.allow {
		t.Errorf("passwd there: %+v, %v", a, err)
	}
	if !b.try("alice", "another long one").allow {
		t.Error("refused after the change")
	}
	for _, m := range []string{dueElsewhere, dueFirst} {
		if len(m) > 60 {
			t.Errorf("%q is too long for a login screen", m)
		}
	}
}

// Promise password-due-code.
func TestACodeOfTheLoginCountsForTheChangeOnce(t *testing.T) {
	b := newBench(t)
	b.totp()
	signIn := func(word string) {
		t.Helper()
		s := &session{client: machineAsClient(b.box), name: "alice", origin: "host 192.0.2.1", service: "test", asksNew: true}
		a, err := b.admit(s)
		b.must(nil, err)
		a = b.answer(b.box, a.cookie, identity.Password, word)
		b.unix.Add(60) // another code
		if a = b.answer(b.box, a.cookie, identity.TOTP, b.code(0)); !a.allow {
			t.Fatalf("the login: %+v", a)
		}
	}
	needs := func(when, old string) {
		t.Helper()
		if a, err := b.changeTo(old, "", "yet another long one"); !errors.Is(err, errNeedsCode) {
			t.Errorf("%s: %+v, %v", when, a, err)
		}
	}
	must := func() {
		t.Helper()
		b.must(b.admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", MustChange: proto.Bool(true)}))
	}
	signIn(right)
	needs("the password is not due", right)
	must()
	needs("nothing was proved while it was", right)
	signIn(right)
	other := b.machine("other")
	if _, err := b.changePassword(t.Context(), machineAsClient(other), "alice", "seat", identity.NewSecret([]byte(right)), identity.Secret{}, identity.NewSecret([]byte("yet another long one"))); !errors.Is(err, errNeedsCode) {
		t.Errorf("another machine: %v", err)
	}
	if a, err := b.changeTo("wrong", "", "yet another long one"); err != nil || a.allow {
		t.Errorf("a wrong password: %+v, %v", a, err)
	}
	if _, err := b.changeTo(right, "", "password"); !refused(err, "common") {
		t.Errorf("a bad password: %v", err)
	}
	if a, err := b.changeTo(right, "", "another long one"); err != nil || !a.allow {
		t.Fatalf("the change: %+v, %v", a, err)
	}
	needs("it was used", "another long one")
	must()
	signIn("another long one")
	b.unix.Add(int64(dueSessionLife/time.Second) + 1)
	needs("too late", "another long one")
	signIn("another long one")
	b.totp()
	needs("the secret is another", "another long one")
}
