package auth

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
)

// Promise damage-hash.
func TestWhatHasNoFormIsNobodysPassword(t *testing.T) {
	h := newHasher(params{memory: 64, time: 1, lanes: 1}, 1)
	salt := random(saltLen)
	// Of an empty password, which nobody can set.
	phc := format(h.params, salt, argon2.IDKey(nil, salt, 1, 64, 1, hashLen))
	for what, typed := range map[string]string{"nothing": "", "too much": strings.Repeat("x", opaque.MaxLen+1)} {
		for of, phc := range map[string]string{"an empty password": phc, "nobody": ""} {
			if ok, outdated, err := h.verify(t.Context(), uuid.Nil, phc, identity.NewSecret([]byte(typed))); ok || outdated || err != nil {
				t.Errorf("%s for that of %s: %t %t %v", what, of, ok, outdated, err)
			}
		}
		if phc, err := h.hash(t.Context(), uuid.Nil, identity.NewSecret([]byte(typed))); err == nil {
			t.Errorf("%s has a hash: %s", what, phc)
		}
	}
}

// Promise damage-hash.
func TestADamagedPasswordHashIsAFault(t *testing.T) {
	h := newHasher(params{memory: 64, time: 1, lanes: 1}, 1)
	const salt, sum = "$AAAAAAAAAAAAAAAAAAAAAA", "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	long := "$" + strings.Repeat("AAAA", 22) // 66 bytes
	for what, phc := range map[string]string{
		"another kind":      "$argon2i$v=19$m=64,t=1,p=1" + salt + sum,
		"another version":   "$argon2id$v=16$m=64,t=1,p=1" + salt + sum,
		"text before it":    "x$argon2id$v=19$m=64,t=1,p=1" + salt + sum,
		"a part too many":   "$argon2id$v=19$m=64,t=1,p=1" + salt + sum + "$",
		"no numbers":        "$argon2id$v=19$m=64,t=1" + salt + sum,
		"much memory":       "$argon2id$v=19$m=1048577,t=1,p=1" + salt + sum,
		"no passes":         "$argon2id$v=19$m=64,t=0,p=1" + salt + sum,
		"many passes":       "$argon2id$v=19$m=64,t=65,p=1" + salt + sum,
		"no lanes":          "$argon2id$v=19$m=64,t=1,p=0" + salt + sum,
		"many lanes":        "$argon2id$v=19$m=64,t=1,p=65" + salt + sum,
		"a short salt":      "$argon2id$v=19$m=64,t=1,p=1$AAAAAAA" + sum,
		"a long salt":       "$argon2id$v=19$m=64,t=1,p=1" + long + sum,
		"a short sum":       "$argon2id$v=19$m=64,t=1,p=1" + salt + "$AAAAAAA",
		"a long sum":        "$argon2id$v=19$m=64,t=1,p=1" + salt + long,
		"a salt that is no": "$argon2id$v=19$m=64,t=1,p=1$*" + sum,
	} {
		if ok, _, err := h.verify(t.Context(), uuid.Nil, phc, identity.NewSecret([]byte("x"))); ok || err == nil {
			t.Errorf("%s: %t %v", what, ok, err)
		}
	}
}

func TestASecretForCodesHas80BitsAndMoreOfBase32(t *testing.T) {
	for text, want := range map[string]bool{
		"JBSWY3DPEHPK3PX":            false,
		"JBSWY3DPEHPK3PXP":           true,
		"jbsw y3dp ehpk 3pxp====":    true,
		strings.Repeat("A", 256):     true,
		strings.Repeat("A", 257):     false,
		"JBSWY3DPEHPK3PX1":           false,
		"":                           false,
		"otpauth://totp/x?secret=AA": false,
	} {
		if _, err := parseTOTP([]byte(text)); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
