package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
)

// NewTOTP makes a secret and the address that authenticator apps scan.
func (e *Engine) NewTOTP(name identity.Name) (secret identity.Secret, url string, err error) {
	k, err := totp.Generate(totp.GenerateOpts{Issuer: e.Name, AccountName: string(name)})
	if err != nil {
		return identity.Secret{}, "", fmt.Errorf("make totp secret: %w", err)
	}
	return identity.NewSecret([]byte(k.Secret())), k.URL(), nil
}

// ParseTOTP accepts a secret that an administrator brings.
func (*Engine) ParseTOTP(b []byte) (identity.Secret, error) { return parseTOTP(b) }

// parseTOTP accepts a base32 secret as people copy it: spaces, lower case and
// padding are let pass.
func parseTOTP(b []byte) (identity.Secret, error) {
	s := strings.ToUpper(strings.TrimRight(strings.Join(strings.Fields(string(b)), ""), "="))
	if len(s) < 16 || len(s) > 256 {
		return identity.Secret{}, fmt.Errorf("the TOTP secret has %d characters, want 16 to 256 of base32", len(s))
	}
	secret := identity.NewSecret([]byte(s))
	if _, _, err := identity.TOTPStep(secret, identity.Secret{}, time.Unix(0, 0)); err != nil {
		return identity.Secret{}, errors.New("the TOTP secret is not base32 (A to Z, 2 to 7)")
	}
	return secret, nil
}
