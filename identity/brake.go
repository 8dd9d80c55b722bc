package identity

import "time"

// Tally counts the failures of one factor at one place. The zero value is none.
type Tally struct {
	Count       uint32
	Since       time.Time // of the newest failure, or up to when failures were forgotten
	LockedUntil time.Time
}

// Locked tells whether attempts are refused unseen.
func (t Tally) Locked(now time.Time) bool { return now.Before(t.LockedUntil) }

// Brake is how failures slow down whoever makes them. Exactly one of Quiet and
// Forget is set.
type Brake struct {
	// From is the count that locks first: for First, doubled by each further failure
	// up to Most.
	From        uint32
	First, Most time.Duration
	// Quiet is how long no failure may come until all are forgotten.
	Quiet time.Duration
	// Forget is how long it takes until one failure is forgotten: a leaky bucket.
	Forget time.Duration
}

// Now is what is left of the failures at that time.
func (b Brake) Now(t Tally, now time.Time) Tally {
	gone := now.Sub(t.Since)
	switch {
	case t.Count == 0, gone < 0:
	case b.Forget > 0:
		n := int64(gone / b.Forget)
		if n >= int64(t.Count) {
			t.Count, t.Since = 0, now
			break
		}
		t.Count -= uint32(n) //nolint:gosec // below a uint32
		t.Since = now.Add(-(gone % b.Forget))
	case gone >= b.Quiet:
		t.Count, t.Since = 0, now
	}
	return t
}

// Fail is what one more failure makes of it.
func (b Brake) Fail(t Tally, now time.Time) Tally {
	t = b.Now(t, now)
	if t.Count == 0 || b.Forget == 0 {
		t.Since = now
	}
	if t.Count < 1<<31 {
		t.Count++
	}
	if t.Count >= b.From {
		t.LockedUntil = now.Add(b.lock(t.Count - b.From))
	}
	return t
}

// lock is for how long, the n-th time after the first.
func (b Brake) lock(n uint32) time.Duration {
	d := b.First
	for ; n > 0 && d < b.Most; n-- {
		d *= 2
	}
	return min(d, b.Most)
}
