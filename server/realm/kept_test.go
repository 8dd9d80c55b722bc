package realm

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestRowsOfRefusalsAreCountedByTheMinute(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b, m := newRowBudget(), uuid.New()
	rows := func(n int) (written int) {
		for range n {
			if b.Note(m, "machine box", RowStray, now) {
				written++
			}
		}
		return written
	}
	if n := rows(strayRows + 3); n != strayRows {
		t.Errorf("%d rows in the first minute", n)
	}
	now = now.Add(rowsEvery - time.Second)
	if told := b.Drain(now); len(told) != 0 || rows(1) != 0 {
		t.Errorf("the minute ended early: %v", told)
	}
	now = now.Add(time.Second)
	if told := b.Drain(now); len(told) != 1 || told[0].More != 4 || told[0].Actor != "machine box" {
		t.Errorf("the rest of the minute: %v", told)
	}
	if n := rows(2); n != 2 {
		t.Errorf("%d rows in the next minute", n)
	}
	// A clock that was set back ends the minute, or nothing would be written until then.
	now = now.Add(-24 * time.Hour)
	if told := b.Drain(now); len(told) != 0 || len(b.m) != 0 {
		t.Errorf("nothing was left out, and this is told: %v, %v", told, b.m)
	}
}

func TestATokenIsHandedOutAgainOnlyAsItWasSigned(t *testing.T) {
	c, now := newTokenCache(), time.Unix(1_800_000_000, 0)
	of := tokenFor{uuid.New(), uuid.New()}
	c.put(of, cachedToken{revision: 7, key: "k1", made: now, signed: []byte("signed")})
	for what, q := range map[string]struct {
		of       tokenFor
		revision uint64
		key      string
		at       time.Time
		want     bool
	}{
		"as it was":                    {of, 7, "k1", now.Add(tokenLife - time.Second), true},
		"after a change":               {of, 8, "k1", now, false},
		"after a change that was lost": {of, 6, "k1", now, false},
		"another key signs":            {of, 7, "k2", now, false},
		"it is old":                    {of, 7, "k1", now.Add(tokenLife), false},
		"the clock was set back":       {of, 7, "k1", now.Add(-time.Second), false},
		"another account":              {tokenFor{uuid.New(), of.history}, 7, "k1", now, false},
		"another history":              {tokenFor{of.account, uuid.New()}, 7, "k1", now, false},
		"nobody, and nothing":          {tokenFor{}, 0, "", time.Time{}, false},
	} {
		if _, ok := c.get(q.of, q.revision, q.key, q.at); ok != q.want {
			t.Errorf("%s: %t", what, ok)
		}
	}
}

// TestTokensThatAreKeptHaveABound, and what was asked for a moment ago is not what goes.
func TestTokensThatAreKeptHaveABound(t *testing.T) {
	c, now := newTokenCache(), time.Unix(1_800_000_000, 0)
	const fit = 10
	c.maxBytes = fit * (overCached + len("signed"))
	for n := range 100 {
		of := tokenFor{account: uuid.New()}
		for range 3 { // once more is not one more
			c.put(of, cachedToken{revision: uint64(n), key: "k1", made: now, signed: []byte("signed")})
		}
		if kept := len(c.new) + len(c.old); kept > fit || n >= fit && kept < fit/2 {
			t.Fatalf("%d tokens are kept, and %d fit", kept, fit)
		}
		if _, ok := c.get(of, uint64(n), "k1", now); !ok {
			t.Fatal("the last one is gone")
		}
	}
}
