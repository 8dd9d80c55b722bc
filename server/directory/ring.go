package directory

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/store"
)

// Bounds of what is kept of the change log. A stream that is further behind reads the
// database by itself.
const (
	maxKept      = 4096
	maxKeptBytes = 8 << 20
	// maxAge is how old a token may be that is sent: as old as one that is asked for.
	maxAge = 10 * time.Minute
)

// kept is one change as streams send it.
type kept struct {
	store.Change
	// signed is the account's token, in each form that a machine was there for; empty where
	// the account is gone.
	signed [forms][]byte
	// superseded: a later change of the same account follows.
	superseded bool
	made       time.Time
}

func (k *kept) size() (n int) {
	for _, s := range k.signed {
		n += len(s)
	}
	return n + 128
}

// ring keeps the newest changes of one history, oldest first: all after from, up to upTo.
type ring struct {
	history    uuid.UUID
	from, upTo uint64
	kept       []*kept
	newest     map[uuid.UUID]*kept
	bytes      int
	maxKept    int
	maxBytes   int
}

func newRing() *ring { return &ring{maxKept: maxKept, maxBytes: maxKeptBytes} }

// begin forgets everything, and begins after that revision of that history.
func (r *ring) begin(history uuid.UUID, at uint64) {
	r.history, r.from, r.upTo = history, at, at
	r.kept, r.newest, r.bytes = nil, make(map[uuid.UUID]*kept), 0
}

func (r *ring) add(k *kept) {
	if old := r.newest[k.Account]; old != nil {
		r.bytes -= old.size()
		old.superseded, old.signed = true, [forms][]byte{}
		r.bytes += old.size()
	}
	r.kept, r.newest[k.Account], r.upTo = append(r.kept, k), k, k.Revision
	r.bytes += k.size()
	n := 0
	for ; len(r.kept)-n > r.maxKept || r.bytes > r.maxBytes; n++ {
		old := r.kept[n]
		r.from, r.bytes = old.Revision, r.bytes-old.size()
		if r.newest[old.Account] == old {
			delete(r.newest, old.Account)
		}
		r.kept[n] = nil
	}
	r.kept = r.kept[n:]
}

// after copies at most limit changes after a position and not after another, in that form,
// and tells up to where the stream then has everything; ok is false where the ring cannot
// go on from there.
func (r *ring) after(history uuid.UUID, position, until uint64, form, limit int, now time.Time) (some []kept, upTo uint64, ok bool) {
	if history != r.history || position < r.from || position > r.upTo {
		return nil, 0, false
	}
	i, _ := slices.BinarySearchFunc(r.kept, position+1, func(k *kept, rev uint64) int { return cmp.Compare(k.Revision, rev) })
	for _, k := range r.kept[i:] {
		switch {
		case k.Revision > until:
			return some, max(until, position), true
		case len(some) == limit:
			return some, some[limit-1].Revision, true
		case k.superseded:
		case !k.Gone && k.signed[form] == nil:
			return nil, 0, false // nobody of that form was there
		case now.Sub(k.made) > maxAge || now.Before(k.made):
			return nil, 0, false
		default:
			some = append(some, *k)
		}
	}
	return some, max(min(r.upTo, until), position), true
}
