package daemon

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

const aliceUID = 1900000100

// enrol asks as a uid, and returns what came.
func (h *testMachine) enrol(uid uint32, verb string, args any) (answer any, err error) {
	h.t.Helper()
	b, err := json.Marshal(args)
	must(h.t, err)
	err = h.d.Handle(bg, identity.Peer{UID: uid}, verb, b, func(v any) error { answer = v; return nil })
	return answer, err
}

func (h *testMachine) begun(args report.EnrolArgs) report.Enrolment {
	h.t.Helper()
	a, err := h.enrol(aliceUID, report.VerbEnrolTOTP, args)
	must(h.t, err)
	return a.(report.Enrolment)
}

func (h *testMachine) newCode() string {
	h.t.Helper()
	c, err := totp.GenerateCode(newSecret, h.clk.now())
	must(h.t, err)
	return c
}

func plainAlice(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t)
	h.srv.set(t, token("alice", aliceUID), func(p *person) { p.shared = true })
	h.online()
	return h
}

func TestAPersonEnrolsAndIsAskedForCodesFromThenOn(t *testing.T) {
	h := plainAlice(t)
	e := h.begun(report.EnrolArgs{Password: "secret"})
	if !strings.Contains(e.URL, newSecret) || e.Handle == "" || e.NeedsCode {
		t.Fatalf("%+v", e)
	}
	h.expect(identity.Granted, "alice", "secret") // it counts for nothing yet
	a, err := h.enrol(aliceUID, report.VerbEnrolConfirm, report.ConfirmArgs{Handle: e.Handle, Code: " " + h.newCode() + "\n"})
	must(t, err)
	if !a.(report.Enrolled).Done {
		t.Fatalf("%+v", a)
	}
	if conv := h.expect(identity.Denied, "alice", "secret", h.newCode()); len(conv.prompts) != 2 { // that one confirmed
		t.Fatalf("prompts %q", conv.prompts)
	}
	h.later()
	h.expect(identity.Granted, "alice", "secret", h.newCode())
	h.later()
	h.lost()
	h.expect(identity.Granted, "alice", "secret", h.newCode())
}

func TestWhoHasAGeneratorProvesItToGetAnother(t *testing.T) {
	h := sealedHere(t)
	if e := h.begun(report.EnrolArgs{Password: "secret"}); !e.NeedsCode || e.URL != "" {
		t.Fatalf("%+v", e)
	}
	if n := h.srv.begins.Load(); n != 1 {
		t.Fatalf("the server was asked %d times", n)
	}
	if _, err := h.enrol(aliceUID, report.VerbEnrolTOTP, report.EnrolArgs{Password: "secret", Code: "000000"}); err == nil {
		t.Fatal("a wrong code will do")
	}
	e := h.begun(report.EnrolArgs{Password: "secret", Code: h.code(0)})
	if _, err := h.enrol(aliceUID, report.VerbEnrolConfirm, report.ConfirmArgs{Handle: e.Handle, Code: h.newCode()}); err != nil {
		t.Fatal(err)
	}
	h.later()
	h.expect(identity.Denied, "alice", "secret", h.code(0))
	h.expect(identity.Granted, "alice", "secret", h.newCode())
}

// Promise otp-new.
func TestNobodyEnrolsForAnother(t *testing.T) {
	h := plainAlice(t)
	h.srv.set(t, token("bob", 1900000101), nil)
	h.wait("bob", func() bool { return h.d.Directory().Named("bob") != nil })
	for _, uid := range []uint32{0, 1000, 4711} {
		if _, err := h.enrol(uid, report.VerbEnrolTOTP, report.EnrolArgs{Password: "secret"}); !errors.Is(err, report.ErrForbidden) {
			t.Errorf("uid %d: %v", uid, err)
		}
	}
	e := h.begun(report.EnrolArgs{Password: "secret"})
	for _, uid := range []uint32{0, 1900000101} {
		if _, err := h.enrol(uid, report.VerbEnrolConfirm, report.ConfirmArgs{Handle: e.Handle, Code: h.newCode()}); !errors.Is(err, errEnrol) {
			t.Errorf("uid %d goes on: %v", uid, err)
		}
	}
	if a, err := h.enrol(aliceUID, report.VerbEnrolConfirm, report.ConfirmArgs{Handle: e.Handle, Code: h.newCode()}); err != nil || !a.(report.Enrolled).Done {
		t.Fatalf("%v, %v", a, err)
	}
}

func TestAnEnrolmentEndsInTimeAndWithTheNext(t *testing.T) {
	h := plainAlice(t)
	confirm := func(e report.Enrolment) error {
		_, err := h.enrol(aliceUID, report.VerbEnrolConfirm, report.ConfirmArgs{Handle: e.Handle, Code: h.newCode()})
		return err
	}
	first := h.begun(report.EnrolArgs{Password: "secret"})
	second := h.begun(report.EnrolArgs{Password: "secret"})
	if err := confirm(first); !errors.Is(err, errEnrol) {
		t.Errorf("the one before: %v", err)
	}
	h.clk.pass(enrolWait)
	h.truth.pass(enrolWait)
	if err := confirm(second); !errors.Is(err, errEnrol) {
		t.Errorf("too late: %v", err)
	}
	third := h.begun(report.EnrolArgs{Password: "secret"})
	must(t, confirm(third))
	if err := confirm(third); !errors.Is(err, errEnrol) {
		t.Errorf("twice: %v", err)
	}
}

// Promise otp-new.
func TestGuessingByEnrollingIsCounted(t *testing.T) {
	h := plainAlice(t)
	for range h.d.p.OfflineTries {
		if _, err := h.enrol(aliceUID, report.VerbEnrolTOTP, report.EnrolArgs{Password: "wrong"}); !errors.Is(err, errEnrol) {
			t.Fatal(err)
		}
	}
	_, err := h.enrol(aliceUID, report.VerbEnrolTOTP, report.EnrolArgs{Password: "secret"})
	if err == nil || !strings.Contains(err.Error(), "Too many wrong answers") {
		t.Fatal(err)
	}
	h.clk.pass(2 * time.Minute)
	h.truth.pass(2 * time.Minute)
	h.begun(report.EnrolArgs{Password: "secret"})
}

func TestNothingIsEnrolledWithoutTheServer(t *testing.T) {
	h := plainAlice(t)
	e := h.begun(report.EnrolArgs{Password: "secret"})
	h.lost()
	_, err := h.enrol(aliceUID, report.VerbEnrolConfirm, report.ConfirmArgs{Handle: e.Handle, Code: h.newCode()})
	if !errors.Is(err, errEnrol) {
		t.Error(err)
	}
	_, err = h.enrol(aliceUID, report.VerbEnrolTOTP, report.EnrolArgs{Password: "secret"})
	if err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Error(err)
	}
}
