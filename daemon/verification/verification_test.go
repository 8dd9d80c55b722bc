package verification_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
)

// side is one of the two, at a machine of theirs.
type side struct {
	*verification.Desk
	t           *testing.T
	folder      string
	cache       *cache.Cache
	sealer      seal.Sealer
	machine, id uuid.UUID
	name, realm string
	key         cache.VerifyKey
}

func newSide(t *testing.T, name string, now *time.Time) *side {
	t.Helper()
	return newSideOf(t, "example", name, now)
}

func newSideOf(t *testing.T, realm, name string, now *time.Time) *side {
	t.Helper()
	s := &side{t: t, folder: t.TempDir(), id: uuid.New(), name: name, realm: realm}
	var err error
	s.cache, err = cache.Open(t.Context(), filepath.Join(s.folder, "cache.db"), cache.Options{})
	s.must(err)
	t.Cleanup(func() { _ = s.cache.Close() })
	s.sealer, err = seal.CreateFile(filepath.Join(s.folder, "seal.key"))
	s.must(err)
	s.machine = uuid.New()
	s.restarts(now)
	s.sets()
	return s
}

// restarts is the daemon's.
func (s *side) restarts(now *time.Time) {
	s.Desk = verification.New(verification.Options{Cache: s.cache, Sealer: s.sealer, Realm: s.realm, Machine: s.machine, Now: func() time.Time { return *now }, Log: slog.New(slog.DiscardHandler), Name: func(id uuid.UUID) (identity.Name, error) {
		if id != s.id {
			return "", identity.ErrNotFound
		}
		return identity.Name(s.name), nil
	}})
}

func (s *side) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *side) sets() {
	s.t.Helper()
	var err error
	s.key, err = s.NewKey(s.t.Context(), s.id)
	s.must(err)
	s.must(s.Keep(s.t.Context(), s.id, s.key))
}

// told is what the realm says of somebody.
func (s *side) told() provider.VerifyPerson {
	return provider.VerifyPerson{ID: s.id, Name: s.name, Public: s.key.Public}
}

func (s *side) learns(other *side) {
	s.t.Helper()
	s.must(s.Learn(s.t.Context(), s.id, other.told(), s.told()))
}

func (s *side) says(to *side) report.VerifyCall {
	s.t.Helper()
	c, _, err := s.Say(s.t.Context(), s.id, verification.Who{Name: to.name})
	s.must(err)
	return c
}

func (s *side) hears(from *side, code string, want verify.Verdict) {
	s.t.Helper()
	v, is, err := s.Hear(s.t.Context(), s.id, verification.Who{Name: from.name}, report.VerifyHeard{PublicKey: from.key.Public, Code: code})
	s.must(err)
	if v.Verdict != want || is.ID != from.id {
		s.t.Fatalf("%s hears %s of %s: %+v, want %s", s.name, code, from.name, v, want)
	}
}

func two(t *testing.T) (ada, bob *side, now *time.Time) {
	t.Helper()
	at := time.Unix(1_800_000_030, 0)
	ada, bob = newSide(t, "ada", &at), newSide(t, "bob", &at)
	ada.learns(bob)
	bob.learns(ada)
	return ada, bob, &at
}

// other is a code that is not this one.
func other(code string) string {
	return code[:8] + map[bool]string{true: "1", false: "0"}[code[8] == '0']
}

// Promise verify-heard.
func TestEachRowOfWhatIsHeardHolds(t *testing.T) {
	ada, bob, now := two(t)
	code := bob.says(ada).Say
	if back := ada.says(bob).Say; back == code || len(code) != 9 {
		t.Fatalf("%q and %q are said", code, back)
	}
	ada.hears(bob, ada.says(bob).Say, verify.Wrong) // said back
	ada.hears(bob, "123", verify.NoCode)
	ada.hears(bob, code, verify.Confirmed)
	ada.hears(bob, code, verify.Used)
	*now = now.Add(verify.Step * time.Second)
	ada.hears(bob, code, verify.Used)
	for range 4 {
		ada.hears(bob, "123", verify.NoCode)
		ada.hears(bob, other(bob.says(ada).Say), verify.Wrong)
	}
	ada.hears(bob, other(bob.says(ada).Say), verify.Locked)
	ada.hears(bob, bob.says(ada).Say, verify.Locked)
	if c := ada.says(bob); c.Say != "" || c.LockedUntil.IsZero() {
		t.Errorf("locked, and said: %+v", c)
	}
	*now = now.Add(5 * time.Minute)
	ada.hears(bob, bob.says(ada).Say, verify.Confirmed)
	*now = now.Add(time.Minute)
	ada.hears(bob, other(bob.says(ada).Say), verify.Wrong) // the count began anew
	bob.hears(ada, ada.says(bob).Say, verify.Confirmed)
}

// Promise verify-changed.
func TestAnotherKeyThanTheConfirmedOneIsSaidUntilItIsConfirmed(t *testing.T) {
	ada, bob, now := two(t)
	if c := ada.says(bob); c.Key != verify.First {
		t.Errorf("before the first time: %+v", c)
	}
	ada.hears(bob, bob.says(ada).Say, verify.Confirmed)
	if c := ada.says(bob); c.Key != verify.Same {
		t.Errorf("after it: %+v", c)
	}
	before := verify.Fingerprint(bob.key.Public)
	shown := bob.key.Public
	bob.sets()
	ada.learns(bob)
	bob.learns(ada)
	*now = now.Add(time.Minute)
	if _, _, err := ada.Hear(t.Context(), ada.id, verification.Who{Name: "bob"}, report.VerifyHeard{PublicKey: shown, Code: bob.says(ada).Say}); !errors.Is(err, verification.ErrChanged) {
		t.Errorf("changed since it was shown: %v", err)
	}
	for range 2 {
		if c := ada.says(bob); c.Key != verify.Another || c.FingerprintBefore != before {
			t.Errorf("another key: %+v", c)
		}
		ada.hears(bob, other(bob.says(ada).Say), verify.Wrong)
		ada.learns(bob)
	}
	ada.hears(bob, bob.says(ada).Say, verify.Confirmed)
	if c := ada.says(bob); c.Key != verify.Same {
		t.Errorf("once that is confirmed: %+v", c)
	}
	mallory := newSide(t, "b0b", now)
	ada.learns(mallory)
	if c := ada.says(mallory); len(c.LooksLike) != 1 || c.LooksLike[0] != "bob@example" {
		t.Errorf("a name that looks like his: %+v", c)
	}
	*now = now.Add(time.Minute)
	again := newSide(t, "bob", now) // another account of the same name
	ada.learns(again)
	if c := ada.says(again); c.Key != verify.First || len(c.LooksLike) != 1 {
		t.Errorf("another account of his name: %+v", c)
	}
}

// Promise verify-sealed.
func TestThePrivateHalfIsStoredSealedForThisAccountHere(t *testing.T) {
	ada, bob, _ := two(t)
	beside := uuid.New() // another account, at ada's machine
	ada.must(ada.Keep(t.Context(), beside, ada.key))
	ada.must(ada.Learn(t.Context(), beside, bob.told(), provider.VerifyPerson{ID: beside, Public: ada.key.Public}))
	if c, _, err := ada.Say(t.Context(), beside, verification.Who{Name: "bob"}); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("sealed for another account, and said: %+v, %v", c, err)
	}
	ada.must(ada.Remove(t.Context(), beside))
	opened, err := ada.sealer.Open(t.Context(), identity.SealInfo("example", ada.machine, ada.id, "verify", 1), ada.key.Sealed)
	ada.must(err)
	if raw, err := verify.Public(identity.NewSecret(opened)); err != nil || !bytes.Equal(raw, ada.key.Public) {
		t.Errorf("what is sealed is not the private half: %v", err)
	}
	if err := ada.Learn(t.Context(), ada.id, bob.told(), provider.VerifyPerson{ID: ada.id, Public: bob.key.Public}); !errors.Is(err, verification.ErrOtherKey) {
		t.Errorf("the realm has another key of hers: %v", err)
	}
	if _, _, err := ada.Say(t.Context(), ada.id, verification.Who{Name: "carol"}); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("one who was never asked about: %v", err)
	}
	ada.must(ada.Remove(t.Context(), ada.id))
	if _, _, err := ada.Say(t.Context(), ada.id, verification.Who{Name: "bob"}); !errors.Is(err, verification.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	list, err := os.ReadDir(ada.folder)
	ada.must(err)
	for _, f := range list {
		b, err := os.ReadFile(filepath.Join(ada.folder, f.Name()))
		ada.must(err)
		if bytes.Contains(b, ada.key.Sealed) || bytes.Contains(b, opened) {
			t.Errorf("what was removed is in %s", f.Name())
		}
	}
}
