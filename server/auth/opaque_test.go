package auth

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// One password as two keyboards type it: the ü of one character, and of two.
const (
	composed   = "gr\u00fcn ist die hoffnung"
	decomposed = "gru\u0308n ist die hoffnung"
)

// hashOfOld is a hash as it was made before passwords were prepared.
func (b *bench) hashOfOld(typed string) string {
	b.t.Helper()
	salt := random(saltLen)
	sum, err := b.hasher.compute(context.Background(), uuid.Nil, b.hasher.params, identity.NewSecret([]byte(typed)), salt, hashLen)
	b.must(nil, err)
	return format(b.hasher.params, salt, sum)
}

func (b *bench) keep(phc string) {
	b.t.Helper()
	b.must(nil, b.Write(b.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		if err != nil {
			return err
		}
		return tx.SetPassword(a.UUID, phc, b.Now())
	}))
}

func (b *bench) passwordOfAlice() (p store.Password) {
	b.t.Helper()
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName("alice")
		if err == nil {
			p, err = tx.Password(a.UUID)
		}
		return err
	}))
	return p
}

// Promise password-form.
func TestAnUmlautTypedEitherWayIsOnePassword(t *testing.T) {
	b := newBench(t)
	for _, set := range []string{composed, decomposed} {
		b.password("alice", set)
		for _, typed := range []string{composed, decomposed, strings.ReplaceAll(composed, " ", "\u00a0")} {
			if !b.try("alice", typed).allow {
				t.Errorf("set as %+q, typed as %+q: refused", set, typed)
			}
		}
	}
	if _, err := b.changeTo(composed, "", decomposed); !refused(err, "the old one") {
		t.Errorf("changed to itself: %v", err)
	}
	if a, err := b.changeTo(decomposed, "", "another \u00fc long one"); err != nil || !a.allow {
		t.Errorf("the change: %v, %v", a, err)
	}
	if _, err := b.admin.SetPassword(t.Context(), &v1.SetPasswordRequest{Name: "alice"}); err == nil {
		t.Error("an empty password was set")
	}
	for _, bad := range []string{"", "another u long one", strings.Repeat("u\u0308", 4000)} {
		if b.try("alice", bad).allow {
			t.Errorf("%.20q was taken", bad)
		}
	}
}

// Promise password-form.
func TestAHashOfBeforeGoesOnAndIsMadeAnew(t *testing.T) {
	b := newBench(t)
	b.keep(b.hashOfOld(decomposed))
	before := b.passwordOfAlice()
	if b.try("alice", composed).allow {
		t.Fatal("the hash is of what was typed, and another form is taken")
	}
	if !b.try("alice", decomposed).allow {
		t.Fatal("refused as it was typed")
	}
	if now := b.passwordOfAlice(); now.PHC == before.PHC || now.Epoch != before.Epoch {
		t.Errorf("the hash is not made anew, or the epoch is another: %v, %v", before, now)
	}
	for _, typed := range []string{composed, decomposed} {
		if !b.try("alice", typed).allow {
			t.Errorf("%+q is refused afterwards", typed)
		}
	}
	// A tab has no form: it cannot be set any more, and goes on.
	b.keep(b.hashOfOld("a tab\tof old"))
	if before = b.passwordOfAlice(); !b.try("alice", "a tab\tof old").allow || b.passwordOfAlice() != before {
		t.Error("what has no form does not go on as it is")
	}
	// Nor does one that cost less.
	b.hasher.params.time++
	if !b.try("alice", "a tab\tof old").allow {
		t.Error("what has no form is refused once hashes cost more")
	}
}

// Promise password-form-guess.
func TestTwoFormsAreOneGuess(t *testing.T) {
	b := newBench(t)
	wrong := decomposed + " nicht"
	cost := func(name identity.Name, typed string) uint64 {
		t.Helper()
		before := b.hasher.computed.Load()
		b.try(name, typed)
		return b.hasher.computed.Load() - before
	}
	if a, n := cost("alice", wrong), cost("nobody", wrong); a != 2 || n != 2 {
		t.Errorf("alice's guess took %d hashes, nobody's %d", a, n)
	}
	if long := cost("alice", strings.Repeat("u\u0308", 4000)); long != 1 {
		t.Errorf("what is too long took %d hashes", long)
	}
	view, err := b.admin.ShowAccount(t.Context(), alice())
	b.must(nil, err)
	if view.GetFailures() != 2 {
		t.Errorf("two wrong answers were counted as %d", view.GetFailures())
	}
}
