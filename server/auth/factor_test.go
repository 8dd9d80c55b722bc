package auth

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// phraseFactor is a factor that there is not: all that the server needs to have one more.
type phraseFactor struct{ removed *int }

func (phraseFactor) traits() traits {
	return traits{kind: "phrase", counted: "phrase", first: true}
}

func (phraseFactor) held(*store.Person) (held any, left bool) {
	return "open sesame", true
}

func (phraseFactor) step(ctx context.Context, t *attempt, credential identity.Secret) (answer, error) {
	switch held, _ := t.f.holds["phrase"].(string); {
	case t.f.locked("phrase"):
		return t.locked(ctx)
	case held == "" || string(credential.Reveal()) != held:
		return t.failed(ctx, "phrase", "phrase")
	}
	return t.advance(ctx, result{proofs: []proof{{kind: "phrase", account: t.f.account.UUID}}})
}

func (phraseFactor) enrol(ctx context.Context, t *attempt) (answer, error) {
	return t.deny(ctx, answer{message: "Choose a phrase."})
}

func (f phraseFactor) remove(*store.Tx, *session, uuid.UUID) error {
	if *f.removed++; *f.removed > 1 {
		return identity.ErrNotFound
	}
	return nil
}

// Promise factor-table.
func TestAFactorMoreTakesARowOfTheTable(t *testing.T) {
	b := newBench(t)
	if got := b.answer(b.box, b.start("alice"), "phrase", "open sesame"); got.outcome() != "deny" || got.proved() {
		t.Fatalf("before: %+v", got)
	}
	removed := 0
	b.factors = append(b.factors, phraseFactor{&removed})
	begin := func(s session) answer {
		t.Helper()
		s.client, s.name, s.origin = machineAsClient(b.box), "alice", "seat"
		a, err := b.admit(&s)
		b.must(nil, err)
		return a
	}
	if a := begin(session{}); !slices.Contains(a.offers, "phrase") {
		t.Errorf("not offered: %v", a.offers)
	}
	// What is proved counts only where the database says that the account holds it.
	if got := b.answer(b.box, begin(session{}).cookie, "phrase", "open sesame"); got.outcome() != "deny" || got.locked {
		t.Errorf("right: %+v", got)
	}
	for range originBrake.From {
		b.answer(b.box, begin(session{}).cookie, "phrase", "wrong")
	}
	if got := b.answer(b.box, begin(session{}).cookie, "phrase", "open sesame"); !got.locked {
		t.Errorf("not locked: %+v", got)
	}
	got := b.answer(b.box, begin(session{enrol: "phrase"}).cookie, identity.Password, right)
	if got.message != "Choose a phrase." {
		t.Errorf("enrol: %+v", got)
	}
	got = b.answer(b.box, begin(session{remove: "phrase"}).cookie, identity.Password, right)
	if !got.allow || removed != 1 {
		t.Errorf("remove: %+v, %d times", got, removed)
	}
	err := b.factors.checkAlteration(&v1.BeginRequest{Enrol: "password"})
	if err == nil || err.Error() != `"totp", "piv", "backup-code" and "phrase" can be enrolled and removed` {
		t.Error(err)
	}
}

// Promise factor-table.
func TestEveryKindOfTheTableIsThereOnce(t *testing.T) {
	all := newFactors()
	seen := make(map[identity.FactorKind]bool)
	for i, f := range all {
		kind := f.traits().kind
		if seen[kind] {
			t.Errorf("row %d: %q is there twice", i, kind)
		}
		seen[kind] = true
		if by, ok := all.of(kind); !ok || by != f {
			t.Errorf("row %d: %q leads to %T", i, kind, by)
		}
		if c := all.counted(kind); c != "" && all.counted(c) != c {
			t.Errorf("%q is counted as %q, which is counted as %q", kind, c, all.counted(c))
		}
	}
	for _, kind := range []identity.FactorKind{"", "phrase"} {
		if f, ok := all.of(kind); ok || f != nil {
			t.Errorf("%q: %T", kind, f)
		}
	}
}
