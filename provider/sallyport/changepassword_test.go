package sallyport_test

import (
	"errors"
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

func TestChangingThePasswordOfAnAccountWithACodeIsForElsewhere(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	if _, err := r.admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")}); err != nil {
		t.Fatal(err)
	}
	p := r.machine()
	if _, err := p.ChangePassword(t.Context(), "alice", secret(testPassword), secret("another long one")); !errors.Is(err, provider.ErrElsewhere) {
		t.Fatal(err)
	}
}
