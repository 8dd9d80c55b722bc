package realm

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// board is an open realm that a test closes and opens again, with a clock that it sets.
type board struct {
	*Realm
	t    testing.TB
	unix atomic.Int64 // the clock
}

func newBoard(t testing.TB) *board {
	t.Helper()
	b := &board{t: t}
	b.unix.Store(1_800_000_000)
	folder := filepath.Join(t.TempDir(), "realm")
	b.must(nil, Init(t.Context(), InitOptions{Dir: folder, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14}))
	b.open(folder)
	return b
}

func (b *board) open(folder string) {
	b.t.Helper()
	r, err := Open(b.t.Context(), Dir(folder), "", slog.New(slog.DiscardHandler), func() time.Time { return time.Unix(b.unix.Load(), 0) })
	b.must(nil, err)
	b.t.Cleanup(func() { _ = r.Close() })
	b.Realm = r
}

// reopen is a restart.
func (b *board) reopen() {
	b.t.Helper()
	b.must(nil, b.Close())
	b.open(string(b.Dir))
}

func (b *board) must(_ any, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// changer is who changes the keys, and writes down nothing.
func (b *board) changer() Keys {
	return Keys{Realm: b.Realm, Record: func(*store.Tx, *v1.KeysView) error { return nil }}
}

// rotate signs with a new key from now on.
func (b *board) rotate() {
	b.t.Helper()
	_, _, err := b.changer().Rotate(b.t.Context(), nil, false)
	b.must(nil, err)
}

// keys are as administrators see them.
func (b *board) keys() (v *v1.KeysView) {
	b.t.Helper()
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) (err error) {
		v, err = b.KeysView(tx)
		return err
	}))
	return v
}

// key is the one that signs tokens.
func (b *board) key() (k *SigningKey) {
	b.t.Helper()
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) (err error) {
		k, err = b.signing(tx)
		return err
	}))
	return k
}
