package realm

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"time"
)

// JoinCodeLife is how long a machine may be joined with its code.
const JoinCodeLife = time.Hour

// NewJoinCode makes a one-time join code of 130 random bits.
func NewJoinCode() string { return rand.Text() }

// HashJoinCode is how a code is stored. It has too many random bits to be guessed
// from a fast hash.
func HashJoinCode(code string) []byte {
	sum := sha256.Sum256([]byte("sallyport join code\x00" + strings.ToUpper(strings.TrimSpace(code))))
	return sum[:]
}
