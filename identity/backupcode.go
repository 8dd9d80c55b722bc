package identity

import "crypto/rand"

// A backup code is twelve letters and digits of Crockford's base32, which has no
// i, l, o and u: 60 random bits. It is shown as three groups of four, and as it is
// longer than a one-time code and never six digits, a prompt can take either.
const (
	backupCodeLen   = 12
	backupCodeGroup = 4
	crockford       = "0123456789abcdefghjkmnpqrstvwxyz"
)

// NewBackupCode makes one, as people are shown it: "h3kd-0w9x-tz5m".
func NewBackupCode() Secret {
	var random [backupCodeLen]byte
	defer clear(random[:])
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	code := make([]byte, 0, backupCodeLen+backupCodeLen/backupCodeGroup-1)
	for i, r := range random {
		if i > 0 && i%backupCodeGroup == 0 {
			code = append(code, '-')
		}
		code = append(code, crockford[r%32])
	}
	return NewSecret(code)
}

// ParseBackupCode brings what was typed into the one form that is compared: lower
// case, no blanks and no dashes, and the letters that look like a digit taken for
// it. It is not ok when that cannot be a backup code. The result is a copy.
func ParseBackupCode(typed Secret) (code Secret, ok bool) {
	b := make([]byte, 0, backupCodeLen)
	for _, c := range typed.b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		switch c {
		case ' ', '-', '\t':
			continue
		case 'o':
			c = '0'
		case 'i', 'l':
			c = '1'
		}
		if len(b) == backupCodeLen || !isCrockford(c) {
			clear(b)
			return Secret{}, false
		}
		b = append(b, c)
	}
	return Secret{b}, len(b) == backupCodeLen
}

func isCrockford(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' && c != 'i' && c != 'l' && c != 'o' && c != 'u'
}
