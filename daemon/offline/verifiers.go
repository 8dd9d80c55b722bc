package offline

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
	"github.com/sallyport-auth/sallyport/seal"
	"golang.org/x/crypto/argon2"
)

// Hashes is how many passwords are hashed at a time: each takes its share of memory, and
// all that a processor has.
const Hashes = 2

const (
	saltLen   = 16
	maxMemory = 4 << 20 // KiB; a row that asks for more is damaged
)

// connect is what to do where only the server can help.
const connect = "Connect to the network and try again."

// Verifiers check passwords against what is kept of them. They are safe for concurrent use.
type Verifiers struct {
	cache  *cache.Cache
	sealer seal.Sealer
	now    func() time.Time
	cost   policy.Argon
	log    *slog.Logger
	keep   func(context.Context, cache.Verifier) error

	hashing chan struct{} // at most Hashes Argon2 at a time
	maker   chan struct{} // at most one of them makes a verifier
}

// NewVerifiers makes them. By the trusted clock now they date what they make; keep stores a
// verifier unless its credential has ended meanwhile.
func NewVerifiers(c *cache.Cache, s seal.Sealer, now func() time.Time, cost policy.Argon, log *slog.Logger, keep func(context.Context, cache.Verifier) error) *Verifiers {
	return &Verifiers{
		cache: c, sealer: s, now: now, cost: cost, log: log, keep: keep,
		hashing: make(chan struct{}, Hashes), maker: make(chan struct{}, 1),
	}
}

// Of finds what the account's password is checked against, or says why there is nothing.
func (k *Verifiers) Of(ctx context.Context, e *directory.Entry) (cache.Verifier, checks.Ruling) {
	epoch, _ := e.Epoch(identity.Password)
	v, err := k.cache.Verifier(ctx, e.Account().UUID, identity.Password)
	switch {
	case errors.Is(err, identity.ErrNotFound), err == nil && v.Epoch != epoch:
		return v, checks.Ruling{
			Code: identity.NotPermitted, Tell: true, Detail: "Offline, and your password was not yet used here.",
			Mend: "Connect to the network and log in once.",
		}
	case err == nil && seal.Lost(ctx, k.sealer, v.Key):
		return v, checks.Ruling{
			Code: identity.NotPermitted, Tell: true,
			Detail: "Offline. Your password was kept with another sealing key.",
			Mend:   "Connect to the network and log in once.",
		}
	case err != nil:
		k.log.ErrorContext(ctx, "offline verifier", "error", err)
		return v, checks.Ruling{
			Code: identity.Unavailable, // a fault, not a decision
			Tell: true, Detail: "Offline, and what is kept of your password cannot be read.", Mend: connect,
		}
	}
	return v, checks.Fine("")
}

// IsOf tells whether the password is the one that v was made of, in any of its forms (see
// opaque.Forms). One that the key of before has sealed counts, and so does one that was
// made of the password as it was typed; both are made anew: what a removed file left on
// the disk is then of no use for it. If that fails, the next login does it.
func (k *Verifiers) IsOf(ctx context.Context, v cache.Verifier, password identity.Secret) (bool, error) {
	forms := opaque.Forms(password)
	defer opaque.Wipe(forms)
	for i, form := range forms {
		match, err := k.matches(ctx, v, form)
		if err != nil {
			return false, err
		}
		if match == seal.NoMatch {
			continue
		}
		if match == seal.MatchesFormer || i > 0 {
			k.makeAnew(ctx, v, forms[0])
		}
		return true, nil
	}
	return false, nil
}

// Renew keeps a verifier of a password that was right just now, unless there is one made in
// the same way. outdated tells whether that one is of another password all the same.
func (k *Verifiers) Renew(ctx context.Context, e *directory.Entry, password identity.Secret, outdated func(cache.Verifier) bool) error {
	id := e.Account().UUID
	epoch, _ := e.Epoch(identity.Password)
	key, err := seal.KeyID(ctx, k.sealer)
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	a := k.cost
	old, err := k.cache.Verifier(ctx, id, identity.Password)
	if err == nil && !seal.MadeBefore(k.sealer, old.Made) && bytes.Equal(old.Key, key) && old.Epoch == epoch && old.Memory == a.Memory && old.Time == a.Time && old.Threads == a.Threads &&
		!outdated(old) {
		return nil
	}
	v := cache.Verifier{
		UUID: id, Kind: identity.Password, Epoch: epoch, Salt: make([]byte, saltLen),
		Memory: a.Memory, Time: a.Time, Threads: a.Threads, Made: k.now(), Key: key,
	}
	_, _ = rand.Read(v.Salt) // never fails, see crypto/rand
	if v.MAC, err = k.fresh(ctx, v, password); err != nil {
		return err
	}
	return k.keep(ctx, v)
}

// fresh leaves a place for those who wait for their answer: of the two that hash at a
// time, at most one makes a verifier.
func (k *Verifiers) fresh(ctx context.Context, v cache.Verifier, password identity.Secret) ([]byte, error) {
	select {
	case k.maker <- struct{}{}:
		defer func() { <-k.maker }()
	case <-ctx.Done():
		return nil, fmt.Errorf("verifier: %w", ctx.Err())
	}
	return k.MAC(ctx, v, password)
}

// MAC is the seal over the hash of a password, in the form that is hashed.
func (k *Verifiers) MAC(ctx context.Context, v cache.Verifier, password identity.Secret) ([]byte, error) {
	forms := opaque.Forms(password)
	defer opaque.Wipe(forms)
	if len(forms) == 0 {
		return nil, errors.New("verifier: no password")
	}
	data, err := k.hash(ctx, v, forms[0])
	if err != nil {
		return nil, err
	}
	defer clear(data)
	mac, err := k.sealer.HMAC(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	if len(mac) == 0 {
		return nil, errors.New("verifier: the seal is empty")
	}
	return mac, nil
}

// hash is what the machine seals of a password: the Argon2id hash and what it is for. At
// most two are computed at a time: each takes its share of memory and of a processor. The
// caller clears it.
func (k *Verifiers) hash(ctx context.Context, v cache.Verifier, password identity.Secret) ([]byte, error) {
	if password.Len() == 0 || len(v.Salt) < saltLen || v.Time == 0 || v.Threads == 0 || v.Memory > maxMemory {
		return nil, errors.New("verifier: it is not one")
	}
	select {
	case k.hashing <- struct{}{}:
		defer k.hashed(v.Memory)
	case <-ctx.Done():
		return nil, fmt.Errorf("verifier: %w", ctx.Err())
	}
	key := argon2.IDKey(password.Reveal(), v.Salt, v.Time, v.Memory, v.Threads, 32)
	defer clear(key)
	// What it is for is sealed with it: a row copied to another account is dead.
	data := append([]byte("sallyport offline verifier v1\x00"), v.UUID[:]...)
	data = append(append(data, v.Kind...), 0)
	return append(binary.BigEndian.AppendUint64(data, v.Epoch), key...), nil
}

// hashed gives the place back, and with the last one the memory: what a hash has filled is
// garbage many times the size of all that the daemon keeps, and the runtime would hold it
// for minutes.
func (k *Verifiers) hashed(kib uint32) {
	<-k.hashing
	if kib >= 1<<10 && len(k.hashing) == 0 {
		go debug.FreeOSMemory()
	}
}

func (k *Verifiers) matches(ctx context.Context, v cache.Verifier, form identity.Secret) (seal.Match, error) {
	data, err := k.hash(ctx, v, form)
	if err != nil {
		return seal.NoMatch, err
	}
	defer clear(data)
	match, err := seal.Verify(ctx, k.sealer, data, v.MAC)
	if err != nil {
		return seal.NoMatch, fmt.Errorf("verifier: %w", err)
	}
	return match, nil
}

// makeAnew replaces a verifier by one of today's key and of the form that is hashed.
func (k *Verifiers) makeAnew(ctx context.Context, v cache.Verifier, password identity.Secret) {
	var err error
	v.Made = k.now()
	if v.Key, err = seal.KeyID(ctx, k.sealer); err == nil {
		v.MAC, err = k.MAC(ctx, v, password)
	}
	if err == nil {
		err = k.keep(ctx, v)
	}
	if err != nil {
		k.log.WarnContext(ctx, "offline verifier is not made anew", "error", err)
	}
}
