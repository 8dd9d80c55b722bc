package seal

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// TPM is a Sealer whose keys are a TPM 2.0's: it makes them, and uses them; nobody
// else can. Make it with [Open].
//
// One command is on its way at a time; who waits, waits no longer than its context
// allows, and [patience] at most. A command cannot be called back: a caller that
// leaves leaves it to end by itself, and the next waits for that. After any error
// the device is opened anew and the call made once more, for a TPM that was reset,
// as by hibernation, has forgotten what was loaded.
type TPM struct {
	device, path string
	blob         *blob
	point        *ecdh.PublicKey
	turn         chan struct{}        // who has it owns talk
	talk         *talk                // nil: not open
	former       atomic.Pointer[File] // the file of before, once it was unsealed
	trouble      atomic.Pointer[error]
}

// patience is how long a call waits for the TPM, its turn included: the slowest
// that is sold takes about a second for what we ask, all keys loaded anew.
const patience = 10 * time.Second

func newTPM(device, path string, b *blob) (*TPM, error) {
	point, err := b.point()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTPMFile, path, err)
	}
	t := &TPM{device: device, path: path, blob: b, point: point, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t, nil
}

// readTPM reads seal.tpm without asking the TPM.
func readTPM(device, path string) (*TPM, error) {
	text, err := readOwn(path, ErrTPMFile, minBlob, maxBlob)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	b, err := parseBlob(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w; restore it, or remove it and start anew: then everybody must log in online once", ErrTPMFile, path, err)
	}
	return newTPM(device, path, b)
}

// makeTPM makes new keys and their file, and seals the file's key into the TPM if
// there is one. It never replaces a file.
func makeTPM(ctx context.Context, device, path string, former []byte, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type made struct {
		b   *blob
		err error
	}
	done := make(chan made, 1)
	former = bytes.Clone(former)
	go func() {
		defer clear(former)
		b, err := makeBlob(device, former, now.Unix())
		done <- made{b, err}
	}()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: it does not answer: %w", ErrTPM, ctx.Err())
	case m := <-done:
		if m.err != nil {
			return judge(device, path, m.err)
		}
		text, err := m.b.encode()
		if err != nil {
			return err
		}
		if err := writeNew(path, text); err != nil {
			return fmt.Errorf("create %s: %w", path, err)
		}
		return nil
	}
}

func makeBlob(device string, former []byte, now int64) (*blob, error) {
	t, err := begin(device)
	if err != nil {
		return nil, err
	}
	b, err := t.makeKeys(former, now)
	return b, errors.Join(err, t.end())
}

// Kind returns "tpm".
func (t *TPM) Kind() string { return KindTPM }

// Trouble is why the last call that asked the TPM was not answered; nil if it was.
func (t *TPM) Trouble() error {
	if err := t.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// HMAC asks the TPM.
func (t *TPM) HMAC(ctx context.Context, data []byte) ([]byte, error) {
	if len(data) > MaxData {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(data), MaxData)
	}
	data = bytes.Clone(data) // the caller may wipe its own before the TPM has it
	return ask(ctx, t, func(k *talk) ([]byte, error) { return k.mac(data) })
}

// Public does not ask the TPM.
func (t *TPM) Public(context.Context) ([]byte, error) { return t.point.Bytes(), nil }

// Open asks the TPM, and then, for what was sealed before the machine's keys were
// moved, the key of the file.
func (t *TPM) Open(ctx context.Context, info, sealed []byte) ([]byte, error) {
	x := &exchanger{t: t, ctx: ctx}
	key, err := hpke.NewDHKEMPrivateKey(x)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	secret, err := openWith(key, info, sealed)
	switch {
	case x.err != nil:
		return nil, x.err // not a word of the secret
	case err == nil:
		return secret, nil
	}
	if f := t.former.Load(); f != nil {
		return f.Open(ctx, info, sealed)
	}
	return nil, err
}

// exchanger is the ecdh.KeyExchanger of one Open.
type exchanger struct {
	t   *TPM
	ctx context.Context //nolint:containedctx // lives for one call; the interface has no place for it
	err error           // that the TPM gave no answer
}

func (x *exchanger) PublicKey() *ecdh.PublicKey { return x.t.point }
func (x *exchanger) Curve() ecdh.Curve          { return ecdh.P256() }

func (x *exchanger) ECDH(with *ecdh.PublicKey) ([]byte, error) {
	var shared []byte
	shared, x.err = ask(x.ctx, x.t, func(k *talk) ([]byte, error) { return k.exchange(with) })
	return shared, x.err
}

// Check opens the TPM and loads the keys, if that is not done yet, and tells
// whether they are usable.
func (t *TPM) Check(ctx context.Context) error {
	_, err := ask(ctx, t, func(*talk) (struct{}, error) { return struct{}{}, nil })
	return err
}

// Close gives back what is loaded. A later call opens the TPM again.
func (t *TPM) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-t.turn:
		t.drop()
		t.turn <- struct{}{}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: a command is still on its way", ErrTPM)
	}
}

// ask takes its turn, makes sure that the TPM is open, and asks.
func ask[T any](ctx context.Context, t *TPM, f func(*talk) (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	late := func() (T, error) {
		err := fmt.Errorf("%w: it does not answer: %w", ErrTPM, ctx.Err())
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // not for a caller that just left
			t.trouble.Store(&err)
		}
		return *new(T), err
	}
	select {
	case <-t.turn:
	case <-ctx.Done():
		return late()
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		a.v, a.err = attempt(t, f)
		t.turn <- struct{}{}
		done <- a
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
		return late()
	}
}

// attempt is made by whoever has the turn.
func attempt[T any](t *TPM, f func(*talk) (T, error)) (T, error) {
	for {
		fresh := t.talk == nil
		v, err := once(t, f)
		if err == nil {
			t.trouble.Store(nil)
			return v, nil
		}
		t.drop()
		if fresh {
			err = judge(t.device, t.path, err)
			t.trouble.Store(&err)
			return v, err
		}
	}
}

func once[T any](t *TPM, f func(*talk) (T, error)) (T, error) {
	if t.talk == nil {
		if err := t.open(); err != nil {
			return *new(T), err
		}
	}
	return f(t.talk)
}

func (t *TPM) open() error {
	k, err := begin(t.device)
	if err != nil {
		return err
	}
	key, err := k.loadKeys(t.blob)
	if err != nil {
		return errors.Join(err, k.end())
	}
	t.talk = k
	if key == nil || t.former.Load() != nil {
		return nil
	}
	f, err := newFile(key)
	if err != nil {
		return err
	}
	t.former.Store(f)
	return nil
}

func (t *TPM) drop() {
	if t.talk != nil {
		_ = t.talk.end() // it is gone either way
		t.talk = nil
	}
}

// Match tells what a MAC was made with.
type Match int

// The ways a MAC may match.
const (
	// NoMatch: it is not of this data, or not of this machine.
	NoMatch Match = iota
	// Matches: it is the machine's.
	Matches
	// MatchesFormer: it is of the key that the machine had before; make it anew.
	MatchesFormer
)

// Verify compares a MAC with that of data, under the machine's key and then under
// the key that the machine had in a file before it moved to its TPM.
func Verify(ctx context.Context, s Sealer, data, mac []byte) (Match, error) {
	own, err := s.HMAC(ctx, data)
	if err != nil {
		return NoMatch, err //nolint:wrapcheck // ours
	}
	if same(own, mac) {
		return Matches, nil
	}
	if t, ok := s.(*TPM); ok {
		if f := t.former.Load(); f != nil {
			if own, err = f.HMAC(ctx, data); err == nil && same(own, mac) {
				return MatchesFormer, nil
			}
		}
	}
	return NoMatch, nil
}

// KeyIDLen is the length of what [KeyID] returns, in bytes.
const KeyIDLen = 16

// KeyID names the key that the machine seals with: the first bytes of the SHA-256 of
// [Sealer.Public]. A new key has another name.
func KeyID(ctx context.Context, s Sealer) ([]byte, error) {
	public, err := s.Public(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // ours
	}
	sum := sha256.Sum256(public)
	return sum[:KeyIDLen], nil
}

// Lost tells whether what a key of that name made can never be checked here again: the
// key is neither the machine's nor the one that it had in a file before it moved to its
// TPM. Of no name, and while the TPM does not answer, it cannot be told and is false.
func Lost(ctx context.Context, s Sealer, id []byte) bool {
	own, err := KeyID(ctx, s)
	if err != nil || len(id) == 0 || same(own, id) {
		return false
	}
	t, ok := s.(*TPM)
	if !ok || t.blob.moved == 0 {
		return true
	}
	if t.Check(ctx) != nil {
		return false
	}
	f := t.former.Load()
	if f == nil {
		return false
	}
	former, err := KeyID(ctx, f)
	return err == nil && !same(former, id)
}

// MadeBefore tells whether what the machine made at that time may be of the key that
// it had before. A clock that was wrong costs a renewal, or delays one.
func MadeBefore(s Sealer, at time.Time) bool {
	t, ok := s.(*TPM)
	return ok && t.blob.moved != 0 && !at.After(t.blob.when())
}

// refers tells whether the key at path is the one that is sealed in the TPM, or
// what an interrupted move left of it.
func (t *TPM) refers(key []byte) bool {
	f := t.former.Load()
	return f != nil && (same(f.key, key) || same(key, make([]byte, KeyLen)))
}

// destroy overwrites a key and removes it. What a disk keeps of the blocks that it
// replaced is beyond us: hence new keys, and not the old one in a new place.
func destroy(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("destroy %s: %w", path, err)
	}
	_, werr := f.WriteAt(make([]byte, KeyLen), 0)
	if err := errors.Join(werr, f.Sync(), f.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("destroy %s: %w", path, err)
	}
	return nil
}
