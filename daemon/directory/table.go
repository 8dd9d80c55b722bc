package directory

// table finds records by hash: open addressing with linear probing over the
// records' numbers, four bytes a place. It holds no key; whoever uses it compares.
// The zero value is empty.
type table struct {
	places []uint32 // number+1; 0 is free. Its length is a power of two.
	used   int
}

// find returns the first number with that hash that is the one.
func (t *table) find(hash uint64, is func(n uint32) bool) (uint32, bool) {
	if t.used == 0 {
		return 0, false
	}
	mask := t.mask()
	for at := hash & mask; ; at = (at + 1) & mask {
		switch n := t.places[at]; {
		case n == 0:
			return 0, false
		case is(n - 1):
			return n - 1, true
		}
	}
}

// add puts a number in; hash tells that of each number.
func (t *table) add(n uint32, hash func(n uint32) uint64) {
	if 4*(t.used+1) > 3*len(t.places) {
		old := t.places
		t.places = make([]uint32, max(16, 2*len(old)))
		for _, m := range old {
			if m != 0 {
				t.place(m-1, hash(m-1))
			}
		}
	}
	t.place(n, hash(n))
	t.used++
}

// mask is what a hash is cut to.
func (t *table) mask() uint64 { return uint64(len(t.places) - 1) } //nolint:gosec // not empty

func (t *table) place(n uint32, hash uint64) {
	mask := t.mask()
	at := hash & mask
	for t.places[at] != 0 {
		at = (at + 1) & mask
	}
	t.places[at] = n + 1
}

// drop takes a number out that is in, and moves up those that it stood in the
// way of. It must still hash as when it was added.
func (t *table) drop(n uint32, hash func(n uint32) uint64) {
	mask := t.mask()
	at := hash(n) & mask
	for t.places[at] != n+1 {
		at = (at + 1) & mask
	}
	t.used--
	for next := (at + 1) & mask; ; next = (next + 1) & mask {
		m := t.places[next]
		if m == 0 {
			break
		}
		home := hash(m-1) & mask
		// m may move to at unless its home lies behind at, on the way to next.
		if (next-home)&mask >= (next-at)&mask {
			t.places[at] = m
			at = next
		}
	}
	t.places[at] = 0
}
