package auth

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

func (b *bench) actions() string {
	b.t.Helper()
	log, err := b.admin.ListAudit(b.t.Context(), &v1.ListAuditRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	var list []string
	for _, row := range log.GetRows() {
		if a, ok := strings.CutPrefix(row.GetAction(), "auth."); ok {
			list = append(list, a+" "+row.GetSubject())
		}
	}
	return strings.Join(list, ", ")
}

func TestAnAuthenticationThatNobodyGoesOnWithIsInTheAuditLogOnce(t *testing.T) {
	b := newBench(t)
	b.start("alice")
	b.must(nil, b.Abandoned(t.Context()))
	if got := b.actions(); got != "" {
		t.Fatalf("it still waits, but the log has %q", got)
	}
	b.unix.Add(int64(stepTimeout.Seconds()))
	b.try("carol", "a wrong password")
	for range 2 {
		b.must(nil, b.Abandoned(t.Context()))
	}
	if got, want := b.actions(), "begin carol, deny carol, begin alice, abandon alice"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	b.must(b.admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{}))
}

func TestAnAuthenticationAbandonedAtItsSecondStepIsInTheAuditLog(t *testing.T) {
	b := newBench(t)
	b.totp()
	b.try("alice", right)
	b.unix.Add(int64(stepTimeout.Seconds()))
	b.must(nil, b.Abandoned(t.Context()))
	if got, want := b.actions(), "begin alice, abandon alice"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}

func TestWhatIsNoSessionLeavesNoBeginInTheAuditLog(t *testing.T) {
	b := newBench(t)
	b.answer(b.box, "made up", identity.Password, right)
	if got := b.actions(); got != "deny " {
		t.Fatalf("%q", got)
	}
}

func TestWhereACodeIsDemandedAPasswordAloneChangesNone(t *testing.T) {
	b := newBench(t)
	b.totp()
	change := func(old string) error {
		_, err := b.changePassword(t.Context(), machineAsClient(b.box), "alice", "seat", identity.NewSecret([]byte(old)), identity.Secret{}, identity.NewSecret([]byte("another good one")))
		return err
	}
	// Who does not know the password does not learn that there is a code.
	if err := change("a wrong password"); err != nil {
		t.Fatal(err)
	}
	if err := change(right); err == nil || !strings.Contains(err.Error(), "one-time code") {
		t.Fatalf("changed, or refused without a reason: %v", err)
	}
	if got := b.try("alice", right).outcome(); got != "offer totp" {
		t.Fatalf("the old password is %q", got)
	}
}
