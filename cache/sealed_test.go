package cache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func sealedFor(id uuid.UUID, epoch uint64, mark string) Sealed {
	return Sealed{UUID: id, Kind: identity.TOTP, Epoch: epoch, Blob: []byte("blob-" + mark)}
}

// Promise otp-sealed-ends.
func TestASealedFactorEndsWithItsEpochAndLeavesNoByte(t *testing.T) {
	for sentence, end := range map[string]func(c *Cache, p Put) error{
		"another epoch": func(c *Cache, p Put) error {
			p.Keep = []Epoch{{identity.TOTP, 4}}
			return c.Apply(bg, Batch{Put: []Put{p}})
		},
		"none":        func(c *Cache, p Put) error { p.Keep = nil; return c.Apply(bg, Batch{Put: []Put{p}}) },
		"replaced":    func(c *Cache, p Put) error { return c.PutSealed(bg, sealedFor(p.UUID, 4, "next"), 0) },
		"deleted":     func(c *Cache, p Put) error { return c.DeleteSealed(bg, p.UUID) },
		"all deleted": func(c *Cache, p Put) error { return c.DeleteVerifiers(bg, p.UUID) },
		"removed":     func(c *Cache, p Put) error { return c.Apply(bg, Batch{Remove: []uuid.UUID{p.UUID}}) },
		"forgotten":   func(c *Cache, p Put) error { return c.Forget(bg, p.UUID, uuid.Nil) },
		"cleared":     func(c *Cache, _ Put) error { return c.Clear(bg) },
	} {
		t.Run(sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.db")
			c := openAt(t, path)
			p := tokenFor("alice", 1)
			must(t, c.PutSealed(bg, sealedFor(p.UUID, 1<<63+3, "MARK"), 7))
			must(t, c.PutVerifier(bg, verifierFor(p.UUID, 7, "v"))) // leaves it alone
			p.Keep = []Epoch{{identity.Password, 7}, {identity.TOTP, 1<<63 + 3}}
			must(t, c.Apply(bg, Batch{Put: []Put{p}}))
			if s, err := c.Sealed(bg, p.UUID, identity.TOTP); err != nil || string(s.Blob) != "blob-MARK" || s.Epoch != 1<<63+3 {
				t.Fatal(s, err)
			}
			must(t, end(c, p))
			if s, err := c.Sealed(bg, p.UUID, identity.TOTP); sentence != "replaced" && !errors.Is(err, identity.ErrNotFound) {
				t.Fatal(s, err)
			}
			for _, name := range []string{path, path + "-wal"} {
				if b, _ := os.ReadFile(name); bytes.Contains(b, []byte("MARK")) {
					t.Errorf("%s still holds it", filepath.Base(name))
				}
			}
			if n, err := c.UsedStep(bg, p.UUID, Epoch{identity.TOTP, 1<<63 + 3}); sentence != "replaced" && (err != nil || n != 7) {
				t.Errorf("the used step is %d, %v", n, err)
			}
		})
	}
}

func TestAStepIsUsedOnceAndForItsEpoch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path)
	id, of := tokenFor("alice", 1).UUID, Epoch{identity.TOTP, 3}
	for _, one := range []struct {
		of   Epoch
		step int64
		used bool
	}{
		{of, 10, false},
		{of, 10, true},
		{of, 9, true},
		{of, 11, false},
		{Epoch{identity.TOTP, 4}, 5, false}, // another secret's codes are others
		{Epoch{identity.TOTP, 4}, 5, true},
		{Epoch{"other", 4}, 5, false},
	} {
		must(t, c.Close())
		c = openAt(t, path)
		if err := c.UseStep(bg, id, one.of, one.step); errors.Is(err, ErrUsed) != one.used || err != nil && !one.used {
			t.Errorf("%+v: %v", one, err)
		}
	}
	must(t, c.PutSealed(bg, sealedFor(id, 4, "x"), 20)) // used at the server
	must(t, c.PutSealed(bg, sealedFor(id, 4, "x"), 2))
	if n, err := c.UsedStep(bg, id, Epoch{identity.TOTP, 4}); err != nil || n != 20 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := c.UsedStep(bg, id, of); err != nil || n != 0 {
		t.Errorf("of an older secret: %d, %v", n, err)
	}
}
