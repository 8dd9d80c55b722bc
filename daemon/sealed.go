package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
	"github.com/sallyport-auth/sallyport/seal"
)

// hash is what the machine seals of a password: the Argon2id hash and what it is
// for. At most two are computed at a time: each takes its share of memory and of a
// processor. The caller clears it.
func (d *Gate) hash(ctx context.Context, v cache.Verifier, password identity.Secret) ([]byte, error) {
	if password.Len() == 0 || len(v.Salt) < saltLen || v.Time == 0 || v.Threads == 0 || v.Memory > maxMemory {
		return nil, errors.New("verifier: it is not one")
	}
	select {
	case d.hashing <- struct{}{}:
		defer d.hashed(v.Memory)
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

// verifier computes the seal over the hash of a password, in the form that is hashed.
func (d *Gate) verifier(ctx context.Context, v cache.Verifier, password identity.Secret) ([]byte, error) {
	forms := opaque.Forms(password)
	defer opaque.Wipe(forms)
	if len(forms) == 0 {
		return nil, errors.New("verifier: no password")
	}
	data, err := d.hash(ctx, v, forms[0])
	if err != nil {
		return nil, err
	}
	defer clear(data)
	mac, err := d.o.Sealer.HMAC(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	if len(mac) == 0 {
		return nil, errors.New("verifier: the seal is empty")
	}
	return mac, nil
}

// checkVerifier tells whether the password is the one that v was made of, in any of its
// forms (see opaque.Forms). One that the key of before has sealed counts, and so does one
// that was made of the password as it was typed; both are made anew: what a removed file
// left on the disk is then of no use for it. If that fails, the next login does it.
func (d *Gate) checkVerifier(ctx context.Context, v cache.Verifier, password identity.Secret) (bool, error) {
	forms := opaque.Forms(password)
	defer opaque.Wipe(forms)
	for i, form := range forms {
		match, err := d.matches(ctx, v, form)
		if err != nil {
			return false, err
		}
		if match == seal.NoMatch {
			continue
		}
		if match == seal.MatchesFormer || i > 0 {
			d.makeAnew(ctx, v, forms[0])
		}
		return true, nil
	}
	return false, nil
}

func (d *Gate) matches(ctx context.Context, v cache.Verifier, form identity.Secret) (seal.Match, error) {
	data, err := d.hash(ctx, v, form)
	if err != nil {
		return seal.NoMatch, err
	}
	defer clear(data)
	match, err := seal.Verify(ctx, d.o.Sealer, data, v.MAC)
	if err != nil {
		return seal.NoMatch, fmt.Errorf("verifier: %w", err)
	}
	return match, nil
}

// makeAnew replaces a verifier by one of today's key and of the form that is hashed.
func (d *Gate) makeAnew(ctx context.Context, v cache.Verifier, password identity.Secret) {
	var err error
	v.Made = d.Clock().Now()
	if v.Key, err = seal.KeyID(ctx, d.o.Sealer); err == nil {
		v.MAC, err = d.verifier(ctx, v, password)
	}
	if err == nil {
		err = d.KeepVerifier(ctx, v)
	}
	if err != nil {
		d.log.WarnContext(ctx, "offline verifier is not made anew", "error", err)
	}
}
