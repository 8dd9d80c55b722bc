package daemon

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

func TestTheEndOfAnEnrolmentIsCheckedAsAnyYes(t *testing.T) {
	for sentence, tamper := range map[string]func(*provider.Reply){
		"for another machine":      func(r *provider.Reply) { r.Session.Machine = uuid.New() },
		"for another account":      func(r *provider.Reply) { r.Record.Token.Account.UUID = uuid.New() },
		"without a token":          func(r *provider.Reply) { r.Record = provider.Record{} },
		"by less than a login":     func(r *provider.Reply) { r.Session.Methods = []identity.FactorKind{identity.BackupCode} },
		"of another realm":         func(r *provider.Reply) { r.Session.Realm = "elsewhere" },
		"no yes but a no":          func(r *provider.Reply) { r.Outcome = provider.Deny },
		"an outcome of no meaning": func(r *provider.Reply) { r.Outcome = 77 },
	} {
		t.Run(sentence, func(t *testing.T) {
			h := plainAlice(t)
			e := h.begun(report.EnrolArgs{Password: "secret"})
			h.srv.mu.Lock()
			h.srv.tamper = tamper
			h.srv.mu.Unlock()
			a, err := h.enrol(aliceUID, report.VerbEnrolConfirm, report.ConfirmArgs{Handle: e.Handle, Code: h.newCode()})
			if !errors.Is(err, errEnrol) {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// forgetful is a server of an older release: it does not know what is wished for.
type forgetful struct{ *server }

func (s forgetful) Begin(ctx context.Context, a provider.Attempt) (provider.Exchange, provider.Reply, error) {
	a.Enrol, a.Remove = "", ""
	return s.server.Begin(ctx, a)
}

func TestAYesToNoOfferIsNoEnrolment(t *testing.T) {
	h := plainAlice(t)
	h.d.Gate.o.Provider = provider.SourceOf(forgetful{h.srv})
	a, err := h.enrol(aliceUID, report.VerbEnrolTOTP, report.EnrolArgs{Password: "secret"})
	if !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "cannot enrol that") {
		t.Errorf("%+v, %v", a, err)
	}
}

// The uid is hers by the directory and a local user's by /etc/passwd.
func TestWhoIsHiddenHereEnrolsNothing(t *testing.T) {
	h := plainAlice(t)
	h.local("passwd", "root:x:0:0::/root:/bin/sh\nother:x:1900000100:1::/:/bin/sh\n")
	if _, err := h.enrol(aliceUID, report.VerbEnrolTOTP, report.EnrolArgs{Password: "secret"}); !errors.Is(err, report.ErrForbidden) {
		t.Error(err)
	}
	if n := h.srv.begins.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestAnEnrolmentEndsNobodyElses(t *testing.T) {
	var l enrolments
	now := time.Unix(1000, 0)
	wait := func(uid uint32, until time.Time) (string, bool) {
		return l.put(&enrolment{uid: uid, until: until}, now)
	}
	first, ok := wait(1, now.Add(time.Minute))
	if !ok {
		t.Fatal("the first finds no room")
	}
	for uid := uint32(2); uid <= maxEnrolling; uid++ {
		if _, ok := wait(uid, now.Add(time.Second)); !ok {
			t.Fatalf("uid %d finds no room", uid)
		}
	}
	if _, ok := wait(1000, now.Add(time.Minute)); ok {
		t.Error("there is no bound")
	}
	now = now.Add(2 * time.Second) // all but the first are over
	if _, ok := wait(1000, now.Add(time.Minute)); !ok {
		t.Error("what is over takes room")
	}
	e, ok := l.take(first, 1, now)
	if !ok {
		t.Fatal("the first is gone")
	}
	if !l.again(first, e, now) {
		t.Error("it may not wait again")
	}
	if e, ok = l.take(first, 1, now); !ok {
		t.Fatal("it did not wait")
	}
	if _, ok := wait(1, now.Add(time.Minute)); !ok || l.again(first, e, now) {
		t.Error("two of one uid wait")
	}
}

func TestACardOfAnotherIsKnownAndOnesOwnIsNot(t *testing.T) {
	own, others, lost := validCard(t), validCard(t), validCard(t)
	h, _ := makes(t, own)
	h.srv.set(t, token("bob", 1900000101), func(p *person) {
		carded(others)(p)
		p.token.RevokedCards = [][]byte{lost.fingerprint()}
	})
	h.wait("bob's card", func() bool { _, has := h.d.Directory().WithUID(1900000101).Epoch(identity.PIV); return has })
	is, err := h.d.othersCards(bg, h.d.Directory().WithUID(aliceUID))
	must(t, err)
	if is(own.fingerprint()) || !is(others.fingerprint()) || !is(lost.fingerprint()) {
		t.Errorf("her own %t, bob's %t, one that bob lost %t", is(own.fingerprint()), is(others.fingerprint()), is(lost.fingerprint()))
	}
}

func TestACardOfAnotherRealmIsAnothers(t *testing.T) {
	w := newTwoRealms(t)
	carols := validCard(t)
	w.second.srv.mu.Lock()
	var id uuid.UUID
	for _, p := range w.second.srv.people {
		if p.token.Account.Name == "carol" {
			id = p.token.Account.UUID
		}
	}
	tok := w.second.srv.people[id].token
	w.second.srv.mu.Unlock()
	w.second.srv.set(t, tok, carded(carols))
	w.second.wait("the card", func() bool { _, has := w.second.d.Directory().WithUUID(id).Epoch(identity.PIV); return has })
	is, err := w.first.d.othersCards(bg, w.first.d.Directory().Named("ada"))
	must(t, err)
	if !is(carols.fingerprint()) {
		t.Error("carol's card may be overwritten by ada")
	}
}

func TestAnOrderForACardIsWithinItsLimits(t *testing.T) {
	h, _ := makes(t)
	e := &enrolment{login: &login{d: h.d.Gate, q: checks.Question{Entry: h.d.Directory().WithUID(aliceUID)}}}
	for _, digits := range []int{0, 32, 48, 64} {
		if _, err := h.d.orderOf(e, report.CardArgs{ManagementKey: strings.Repeat("0", digits)}); err != nil {
			t.Errorf("%d digits: %v", digits, err)
		}
	}
	for sentence, a := range map[string]report.CardArgs{
		"a key of 2 digits":         {ManagementKey: "00"},
		"a key of 66 digits":        {ManagementKey: strings.Repeat("0", 66)},
		"32 digits and a letter":    {ManagementKey: strings.Repeat("0", 32) + "x"},
		"a day too few":             {ValidDays: -1},
		"a day too many":            {ValidDays: maxCertificateDays + 1},
		"an unknown kind of key":    {Key: "rsa512"},
		"a label with a line break": {Label: "a\nb"},
	} {
		if _, err := h.d.orderOf(e, a); !errors.Is(err, report.ErrVerb) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestAProgramOfOnesOwnGuessesNoPasswordByChangingIt(t *testing.T) {
	h := plainAlice(t)
	change := func(old string) identity.Code {
		return h.d.Decide(bg, identity.Login{
			Operation: identity.OpChangePassword, User: "alice", Peer: identity.Peer{UID: aliceUID}, OldPass: identity.NewSecret([]byte(old)),
		}, typing("longer", "longer")).Code
	}
	for i := range h.d.p.OfflineTries {
		if c := change("wrong" + strconv.Itoa(i)); c != identity.PasswordMismatch {
			t.Fatal(c)
		}
	}
	if c := change("secret"); c != identity.TooManyTries {
		t.Error(c)
	}
}
