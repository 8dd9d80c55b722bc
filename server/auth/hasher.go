package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
)

// params are the costs of Argon2id (RFC 9106).
type params struct {
	memory uint32 // KiB
	time   uint32
	lanes  uint8
}

// owasp is the least that the OWASP password storage cheat sheet recommends.
var owasp = params{memory: 19 * 1024, time: 2, lanes: 1} //nolint:gochecknoglobals // a constant

const (
	saltLen = 16
	hashLen = 32
)

// hasher computes Argon2id, a few at a time: a flood of guesses waits, it does
// not use up the memory.
type hasher struct {
	params params
	// slots are shared out evenly between machines.
	slots *fair[uuid.UUID]
	// dummy is the hash of a password that nobody knows, for those without one.
	dummy string
	// computed counts computations, so that equal work can be shown.
	computed atomic.Uint64
}

func newHasher(p params, slots int) *hasher {
	h := &hasher{params: p, slots: newFair[uuid.UUID](slots, maxWaiting)}
	h.dummy = format(p, random(saltLen), random(hashLen))
	return h
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	return b
}

func format(p params, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.lanes,
		b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// parsePHC reads the PHC string format. Its limits keep a damaged row from
// asking for all the memory there is.
func parsePHC(s string) (p params, salt, sum []byte, err error) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errors.New("not an Argon2id hash")
	}
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil {
		return p, nil, nil, fmt.Errorf("parameters of a password hash: %w", err)
	}
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(f[4])
	sum, err2 := base64.RawStdEncoding.Strict().DecodeString(f[5])
	if err := errors.Join(err1, err2); err != nil {
		return p, nil, nil, fmt.Errorf("password hash: %w", err)
	}
	if p.memory > 1<<20 || p.time == 0 || p.time > 64 || p.lanes == 0 || p.lanes > 64 ||
		len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return p, nil, nil, errors.New("password hash outside the limits")
	}
	return p, salt, sum, nil
}

func (h *hasher) compute(ctx context.Context, who uuid.UUID, p params, password identity.Secret, salt []byte, n uint32) ([]byte, error) {
	done, err := h.slots.take(ctx, who)
	if err != nil {
		return nil, fmt.Errorf("hash: %w", err)
	}
	defer done()
	h.computed.Add(1)
	return argon2.IDKey(password.Reveal(), salt, p.time, p.memory, p.lanes, n), nil
}

// hash makes the PHC string of a password, in the share of that machine; uuid.Nil is
// the administrator.
func (h *hasher) hash(ctx context.Context, who uuid.UUID, password identity.Secret) (string, error) {
	form, err := opaque.Prepare(password)
	if err != nil {
		return "", err //nolint:wrapcheck // it says all
	}
	defer form.Wipe()
	salt := random(saltLen)
	sum, err := h.compute(ctx, who, h.params, form, salt, hashLen)
	if err != nil {
		return "", err
	}
	return format(h.params, salt, sum), nil
}

// verify tells whether the password is that of the PHC string, and whether the string
// should be made anew: it cost less than today's, or was made of the password as it was
// typed, before it was prepared. What has two forms (see opaque.Forms) costs two hashes
// where the first is wrong. An empty PHC string is nobody's: it costs the same and is
// never right.
func (h *hasher) verify(ctx context.Context, who uuid.UUID, phc string, password identity.Secret) (ok, outdated bool, err error) {
	real := phc != ""
	if !real {
		phc = h.dummy
	}
	p, salt, sum, err := parsePHC(phc)
	if err != nil {
		return false, false, err
	}
	forms := opaque.Forms(password)
	defer opaque.Wipe(forms)
	if len(forms) == 0 {
		real, forms = false, []identity.Secret{{}} // never right, and nothing long to hash
	}
	weak := p.memory < h.params.memory || p.time < h.params.time
	for i, form := range forms {
		got, err := h.compute(ctx, who, p, form, salt, uint32(len(sum))) //nolint:gosec // parsePHC bounds it
		if err != nil {
			return false, false, err
		}
		if subtle.ConstantTimeCompare(got, sum) == 1 && real {
			return true, weak || i > 0, nil
		}
	}
	return false, false, nil
}
