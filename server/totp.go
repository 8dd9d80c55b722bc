package server

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
)

const (
	totpPeriod = 30 // seconds
	totpDrift  = 1  // steps either way
)

// totpStep finds the time step, of those that may be used at that time, whose
// code this is (RFC 6238: SHA-1, 6 digits, 30 seconds).
func totpStep(secret, code identity.Secret, now time.Time) (step int64, ok bool, err error) {
	current := now.Unix() / totpPeriod
	for s := current - totpDrift; s <= current+totpDrift; s++ {
		want, err := hotp.GenerateCodeCustom(string(secret.Reveal()), uint64(s), //nolint:gosec // times are after 1970
			hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false, fmt.Errorf("totp: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), code.Reveal()) == 1 {
			step, ok = s, true
		}
	}
	return step, ok, nil
}

// newTOTP makes a secret and the address that authenticator apps scan.
func newTOTP(realm string, name identity.Name) (secret identity.Secret, url string, err error) {
	k, err := totp.Generate(totp.GenerateOpts{Issuer: realm, AccountName: string(name)})
	if err != nil {
		return identity.Secret{}, "", fmt.Errorf("make totp secret: %w", err)
	}
	return identity.NewSecret([]byte(k.Secret())), k.URL(), nil
}

// parseTOTP accepts a base32 secret as people copy it: spaces, lower case and
// padding are let pass.
func parseTOTP(b []byte) (identity.Secret, error) {
	s := strings.ToUpper(strings.TrimRight(strings.Join(strings.Fields(string(b)), ""), "="))
	if len(s) < 16 || len(s) > 256 {
		return identity.Secret{}, fmt.Errorf("the TOTP secret has %d characters, want 16 to 256 of base32", len(s))
	}
	if _, err := hotp.GenerateCode(s, 0); err != nil {
		return identity.Secret{}, errors.New("the TOTP secret is not base32 (A to Z, 2 to 7)")
	}
	return identity.NewSecret([]byte(s)), nil
}
