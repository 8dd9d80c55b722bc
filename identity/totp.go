package identity

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238's default, and what authenticator apps know; HMAC does not rest on collisions
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// One-time codes (RFC 6238) as authenticator apps make them: HMAC-SHA-1, six
// digits, a new one every 30 seconds. Server and machine check them with the same
// function, so that offline takes what online takes.
const (
	TOTPPeriod = 30 // seconds
	TOTPDigits = 6
	// TOTPDrift is by how many steps a clock may be wrong, either way.
	TOTPDrift = 1
)

// errTOTPSecret does not repeat what it is about.
var errTOTPSecret = errors.New("the TOTP secret is not base32")

// TOTPStep finds the time step, of those that may be used at that time, whose
// code this is. The secret is base32 without padding (RFC 4648). That a step is
// used once is the caller's to see to.
func TOTPStep(secret, code Secret, now time.Time) (step int64, ok bool, err error) {
	key := make([]byte, base32.StdEncoding.WithPadding(base32.NoPadding).DecodedLen(secret.Len()))
	defer clear(key)
	n, err := base32.StdEncoding.WithPadding(base32.NoPadding).Decode(key, secret.Reveal())
	if err != nil || n == 0 {
		return 0, false, errTOTPSecret
	}
	current := now.Unix() / TOTPPeriod
	for s := max(current-TOTPDrift, 0); s <= current+TOTPDrift; s++ {
		if subtle.ConstantTimeCompare(hotp(key[:n], uint64(s)), code.Reveal()) == 1 {
			step, ok = s, true
		}
	}
	return step, ok, nil
}

// hotp is RFC 4226 with six digits. It is written out here because the library's
// takes and makes copies of the key that nobody can wipe.
func hotp(key []byte, counter uint64) []byte {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, counter) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff
	return fmt.Appendf(nil, "%06d", n%1_000_000)
}

// SplitCode takes a line apart that may be a password with a one-time code right
// behind it. It is not when the line does not end in six digits with something
// before them. Both parts share the line's memory.
func SplitCode(line Secret) (password, code Secret, ok bool) {
	at := line.Len() - TOTPDigits
	if at <= 0 {
		return Secret{}, Secret{}, false
	}
	for _, c := range line.b[at:] {
		if c < '0' || c > '9' {
			return Secret{}, Secret{}, false
		}
	}
	return Secret{line.b[:at:at]}, Secret{line.b[at:]}, true
}
