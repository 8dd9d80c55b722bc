package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise enrol-second-card.
func TestWhatIsGivenUpIsNamedRightly(t *testing.T) {
	h, _ := makes(t)
	proof := report.EnrolArgs{Password: "secret"}
	for _, a := range []report.RemoveArgs{
		{EnrolArgs: proof, Kind: "password"},
		{EnrolArgs: proof},
		{EnrolArgs: proof, Kind: "new-piv"},
		{EnrolArgs: proof, Kind: "totp", Card: strings.Repeat("ab", 32)},
		{EnrolArgs: proof, Kind: "piv", Card: "abcd"},
		{EnrolArgs: proof, Kind: "piv", Card: "no digits"},
	} {
		if _, err := h.enrol(aliceUID, report.VerbEnrolRemove, a); !errors.Is(err, report.ErrVerb) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	if _, err := h.enrol(aliceUID, report.VerbEnrolRemove, report.RemoveArgs{EnrolArgs: proof, Kind: "piv"}); !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "has no card") {
		t.Error(err)
	}
	if n := h.srv.begins.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestBackupCodesAreShownOnceAndCountOnce(t *testing.T) {
	h := sealedHere(t)
	ask := func(code string) (report.Enrolment, error) {
		a, err := h.enrol(aliceUID, report.VerbEnrolCodes, report.EnrolArgs{Password: "secret", Code: code})
		e, _ := a.(report.Enrolment)
		return e, err
	}
	if e, err := ask(""); err != nil || !e.NeedsCode || len(e.BackupCodes) != 0 {
		t.Fatalf("without a code: %+v, %v", e, err)
	}
	if e, err := ask("000000"); err == nil || len(e.BackupCodes) != 0 {
		t.Fatalf("with a wrong code: %+v", e)
	}
	e, err := ask(h.code(0))
	if err != nil || !e.Done || e.Handle != "" || len(e.BackupCodes) != 2 {
		t.Fatalf("%+v, %v", e, err)
	}
	h.expect(identity.Granted, "alice", "secret", e.BackupCodes[0])
	h.expect(identity.Denied, "alice", "secret", e.BackupCodes[0])
	next, err := ask(e.BackupCodes[1]) // one stands in for a code here, too
	if err != nil || len(next.BackupCodes) != 2 {
		t.Fatalf("%+v, %v", next, err)
	}
}

func TestAGeneratorThatIsGivenUpIsAskedForNoMore(t *testing.T) {
	h := sealedHere(t)
	remove := func(code string) (any, error) {
		return h.enrol(aliceUID, report.VerbEnrolRemove, report.RemoveArgs{EnrolArgs: report.EnrolArgs{Password: "secret", Code: code}, Kind: "totp"})
	}
	if a, err := remove(""); err != nil || !a.(report.Enrolment).NeedsCode {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := remove("000000"); !errors.Is(err, errEnrol) {
		t.Fatal(err)
	}
	if a, err := remove(h.code(0)); err != nil || !a.(report.Enrolment).Done {
		t.Fatalf("%+v, %v", a, err)
	}
	if conv := h.expect(identity.Granted, "alice", "secret"); len(conv.prompts) != 1 {
		t.Errorf("prompts %q", conv.prompts)
	}
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
}

func TestOnlyWhoMaySeesWhatIsInTheReaders(t *testing.T) {
	held := validCard(t)
	h, m := makes(t, held)
	m.insert(held)
	see := func(uid uint32) report.Cards {
		a, err := h.enrol(uid, report.VerbCards, nil)
		must(t, err)
		return a.(report.Cards)
	}
	yours := func(c report.Cards) (list []bool) {
		for _, card := range c.Readers[0].Cards {
			list = append(list, card.Yours)
		}
		return list
	}
	if got := yours(see(aliceUID)); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("alice: %v", got)
	}
	for _, uid := range []uint32{0, 1900000101} {
		if got := yours(see(uid)); !slices.Equal(got, []bool{false, false}) {
			t.Errorf("uid %d: %v", uid, got)
		}
	}
	if _, err := h.enrol(1000, report.VerbCards, nil); !errors.Is(err, report.ErrForbidden) {
		t.Errorf("a local account: %v", err)
	}
	a, err := h.enrol(aliceUID, report.VerbEnrolRemove, report.RemoveArgs{EnrolArgs: report.EnrolArgs{PIN: cardPIN}, Kind: "piv"})
	if err != nil || !a.(report.Enrolment).Done {
		t.Fatalf("%+v, %v", a, err)
	}
	if c := see(aliceUID).Readers[0].Cards[0]; c.Yours || !c.Revoked {
		t.Errorf("the card that was given up: %+v", c)
	}
}

func TestAMachineWithoutCardsEnrolsNone(t *testing.T) {
	h := plainAlice(t)
	for _, verb := range []string{report.VerbEnrolPIV, report.VerbCards} {
		if _, err := h.enrol(aliceUID, verb, report.EnrolArgs{Password: "secret"}); err == nil || !strings.Contains(err.Error(), "uses no cards") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// Promise enrol-offline.
func TestTryingToEnrolWithoutTheServerIsNoWrongAnswer(t *testing.T) {
	h, _ := makes(t)
	try := func() {
		t.Helper()
		_, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{Password: "secret"})
		if !errors.Is(err, errEnrol) || !strings.Contains(err.Error(), "cannot be reached") {
			t.Fatal(err)
		}
	}
	h.lost()
	for range h.d.p.OfflineTries + 1 {
		try()
		h.d.Note(resolver.Answered, nil) // as it is some seconds later: it is offline still
		try()
	}
	f, err := h.cache.Failures(bg, h.alice(), lockout.Locker, originUID(aliceUID))
	if err != nil || f.Count != 0 {
		t.Errorf("%d failures, %v", f.Count, err)
	}
}

// Promise enrol-offline.
func TestALostAnswerToAPasswordStaysCounted(t *testing.T) {
	h, _ := makes(t)
	h.srv.lostStepAt(1)
	if _, err := h.enrol(aliceUID, report.VerbEnrolPIV, report.EnrolArgs{Password: "guess"}); !errors.Is(err, errEnrol) {
		t.Fatal(err)
	}
	if f, err := h.cache.Failures(bg, h.alice(), lockout.Locker, originUID(aliceUID)); err != nil || f.Count != 1 {
		t.Errorf("%d failures, %v", f.Count, err)
	}
}

func originUID(uid uint32) string {
	return (&identity.Login{Peer: identity.Peer{UID: uid}}).Origin().String()
}
