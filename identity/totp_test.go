package identity

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"
)

// TestCodesAreThoseOfRFC6238 takes the SHA-1 vectors of its appendix B; six digits
// are the last six of the eight printed there.
// Promise otp-same-offline.
func TestCodesAreThoseOfRFC6238(t *testing.T) {
	secret := NewSecret([]byte(base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))))
	for at, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		for drift := int64(-2); drift <= 2; drift++ {
			now := time.Unix(at+drift*TOTPPeriod, 0)
			if now.Unix() < 0 {
				continue
			}
			step, ok, err := TOTPStep(secret, NewSecret([]byte(code)), now)
			if want := drift >= -1 && drift <= 1; err != nil || ok != want || ok && step != at/TOTPPeriod {
				t.Errorf("%s of %d, seen %d steps later: step %d, %t, %v", code, at, drift, step, ok, err)
			}
		}
	}
}

func TestASecretThatIsNoneIsRefusedWithoutRepeatingIt(t *testing.T) {
	for _, s := range []string{"", "!", "abc", "JBSWY3DP=", "1"} {
		if _, ok, err := TOTPStep(NewSecret([]byte(s)), NewSecret([]byte("000000")), time.Unix(0, 0)); err == nil || ok {
			t.Errorf("%q: %t, %v", s, ok, err)
		}
	}
}

func TestALineIsSplitOnlyBeforeSixDigits(t *testing.T) {
	for line, want := range map[string]string{
		"horse123456": "horse|123456", "1123456": "1|123456", "123456": "", "": "", "horse12345": "", "horse12345a": "",
		"horse12345６": "", "horse 123456": "horse |123456", "horse123456\n": "",
	} {
		p, c, ok := SplitCode(NewSecret([]byte(line)))
		if got := string(p.Reveal()) + "|" + string(c.Reveal()); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %t", line, got, ok)
		}
	}
}

// Promise otp-sealed-here.
func TestEveryPurposeIsSealedForItselfAlone(t *testing.T) {
	seen := map[string]string{}
	a, b := uuid.New(), uuid.New()
	for _, realm := range []string{"", "a", "ab"} {
		for _, machine := range []uuid.UUID{a, b} {
			for _, account := range []uuid.UUID{a, b} {
				for _, kind := range []FactorKind{"", "totp", "totpx"} {
					for _, epoch := range []uint64{0, 1, 1 << 63} {
						what := fmt.Sprint(realm, machine, account, kind, epoch)
						info := string(SealInfo(realm, machine, account, kind, epoch))
						if was, ok := seen[info]; ok {
							t.Fatalf("%s is sealed as %s is", what, was)
						}
						seen[info] = what
					}
				}
			}
		}
	}
}

// FuzzCodes: whatever is taken for a secret or a code, the check agrees with the
// library's, and a line is taken apart without losing a byte.
func FuzzCodes(f *testing.F) {
	f.Add([]byte("JBSWY3DPEHPK3PXP"), []byte("123456"), int64(59))
	f.Add([]byte("jbsw y3dp"), []byte("horse123456"), int64(0))
	f.Add([]byte(""), []byte(""), int64(1<<40))
	f.Fuzz(func(t *testing.T, secret, typed []byte, at int64) {
		now := time.Unix(at&(1<<40-1), 0)
		if p, c, ok := SplitCode(NewSecret(typed)); ok && (!bytes.Equal(append(bytes.Clone(p.Reveal()), c.Reveal()...), typed) || c.Len() != TOTPDigits || p.Len() == 0) {
			t.Fatalf("%q", typed)
		}
		if _, ok, err := TOTPStep(NewSecret(bytes.Clone(secret)), NewSecret(typed), now); ok && err != nil {
			t.Fatal(err)
		} else if err != nil {
			return
		}
		want, err := totp.GenerateCode(string(secret), now)
		if err != nil {
			return // it wants more of a secret than we do
		}
		step, ok, err := TOTPStep(NewSecret(secret), NewSecret([]byte(want)), now)
		if err != nil || !ok || step < now.Unix()/TOTPPeriod-TOTPDrift {
			t.Fatalf("%q at %d: %s is refused: %v", secret, now.Unix(), want, err)
		}
	})
}
