package sallyport_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

// Promise otp-password-change.
func TestChangingThePasswordOfAnAccountWithACodeNeedsTheCode(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	if _, err := r.admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")}); err != nil {
		t.Fatal(err)
	}
	p := r.machine()
	change := func(code string) error {
		_, err := p.ChangePassword(t.Context(), "alice", identity.Seat(), secret(testPassword), secret(code), secret("another long one"))
		return err
	}
	if err := change(""); !errors.Is(err, provider.ErrElsewhere) {
		t.Fatal(err)
	}
	if err := change("no code"); !errors.Is(err, provider.ErrDenied) {
		t.Fatal(err)
	}
	code := codeOf(t, totpKey, 0)
	if err := change(code); err != nil {
		t.Fatal(err)
	}
	if r := steps(t, p, provider.Attempt{Name: "alice"}, say(identity.PasswordAndTOTP, "another long one"+code)); r.Outcome != provider.Deny {
		t.Fatal("the code is good once more")
	}
	next := codeOf(t, totpKey, identity.TOTPPeriod*time.Second)
	if r := steps(t, p, provider.Attempt{Name: "alice"}, say(identity.PasswordAndTOTP, "another long one"+next)); r.Outcome != provider.Allow {
		t.Fatal("the new password does not work")
	}
}
