package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/subid"
)

// subIDs are the ranges of subordinate ids that this machine has given out. They
// are its own: another machine gives the same account another range. A range is
// never given twice and never taken back, also when its account goes; only with a
// database that was lost is the memory of them, and then others may be given.
type subIDs struct {
	full atomic.Bool

	mu     sync.RWMutex
	of     map[uuid.UUID]uint32
	starts []uint32 // ascending
}

func (s *subIDs) set(id uuid.UUID, start uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[uuid.UUID]uint32)
	}
	s.of[id] = start
	at, _ := slices.BinarySearch(s.starts, start)
	s.starts = slices.Insert(s.starts, at, start)
}

func (s *subIDs) start(id uuid.UUID) (uint32, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	start, ok := s.of[id]
	return start, ok
}

// GivenSubIDs has the ranges of those whose uid is known.
func (d *Resolver) GivenSubIDs() []identity.SubIDs {
	given := d.subs.all()
	list := make([]identity.SubIDs, 0, len(given))
	for id, start := range given {
		if uid := d.index.BoundUID(id); uid != 0 {
			list = append(list, identity.SubIDs{UID: uid, Start: start})
		}
	}
	return list
}

func (s *subIDs) all() map[uuid.UUID]uint32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.of)
}

// hold tells whether the id lies in a range that was given out.
func (s *subIDs) hold(id uint32) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, found := slices.BinarySearch(s.starts, id)
	return found || (at > 0 && id-s.starts[at-1] < identity.SubIDCount)
}

func (d *Resolver) loadSubIDs(ctx context.Context) error {
	all, err := d.o.Cache.SubIDs(ctx, d.o.Realm)
	if err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	for _, s := range all {
		if err := identity.CheckSubIDs(subid.Range(s.Start)); err != nil {
			return fmt.Errorf("subordinate ids: %w", err)
		}
		d.subs.set(s.UUID, s.Start)
	}
	return nil
}

// SubIDsOf returns the range of subordinate ids of an account. Anyone is told a
// range that was given out; root and the account itself get one when there was
// none. Others, and everybody once the machine's range is full, get
// identity.ErrUnavailable with the reason.
func (d *Resolver) SubIDsOf(ctx context.Context, peer identity.Peer, name string) (identity.IDRange, error) {
	e, err := d.named(ctx, name)
	if err != nil {
		return identity.IDRange{}, err
	}
	if start, ok := d.subs.start(e.Account().UUID); ok {
		return subid.Range(start), nil
	}
	if peer.UID != 0 && peer.UID != e.Account().UID {
		return identity.IDRange{}, fmt.Errorf("%w: only root and the account itself are given subordinate ids", identity.ErrUnavailable)
	}
	start, err := d.giveSubIDs(ctx, e.Account().UUID)
	if err != nil {
		return identity.IDRange{}, fmt.Errorf("%w: subordinate ids: %w", identity.ErrUnavailable, err)
	}
	return subid.Range(start), nil
}

// EnsureSubIDs gives a range to an account that has none.
func (d *Resolver) EnsureSubIDs(ctx context.Context, id uuid.UUID) error {
	if _, ok := d.subs.start(id); ok {
		return nil
	}
	_, err := d.giveSubIDs(ctx, id)
	return err
}

// ErrSubIDsFull says that no range is free.
var ErrSubIDsFull = errors.New("every range of this machine is taken")

// giveSubIDs takes the first range that is free. It is on disk before it is
// anyone's. No account arrives while it looks, of any realm.
func (d *Resolver) giveSubIDs(ctx context.Context, id uuid.UUID) (uint32, error) {
	d.o.Peers.giving.Lock() // held across SQLite; no lookup takes it
	defer d.o.Peers.giving.Unlock()
	if start, ok := d.subs.start(id); ok {
		return start, nil
	}
	for _, o := range d.o.Peers.list() {
		o.writing.Lock()
		defer o.writing.Unlock()
	}
	taken, err := d.takenSubIDs(id)
	if err != nil {
		return 0, err
	}
	start, ok := taken.own, taken.own != 0
	if !ok {
		start, ok = firstFree(d.p.SubIDs, taken.ranges)
	}
	d.subs.full.Store(!ok)
	if !ok {
		return 0, fmt.Errorf("%w: %s", ErrSubIDsFull, d.p.SubIDs)
	}
	// Who loses patience leaves a range that is theirs at the next question.
	err = d.o.Cache.GiveSubIDs(context.WithoutCancel(ctx), d.o.Realm, cache.SubIDs{UUID: id, Start: start})
	if err != nil {
		return 0, fmt.Errorf("keep: %w", err)
	}
	d.subs.set(id, start)
	d.o.Peers.Given()
	return start, nil
}

// firstFree finds the first of the range's shares that nothing taken reaches into.
func firstFree(in identity.IDRange, taken []identity.IDRange) (uint32, bool) {
	shares := (uint64(in.Max) - uint64(in.Min) + 1) / identity.SubIDCount
	used := make([]bool, shares)
	for _, r := range taken {
		if r.Max < in.Min || r.Min > in.Max {
			continue
		}
		first := uint64(max(r.Min, in.Min)-in.Min) / identity.SubIDCount
		last := uint64(r.Max-in.Min) / identity.SubIDCount
		for i := first; i <= last && i < shares; i++ {
			used[i] = true
		}
	}
	i := slices.Index(used, false)
	return in.Min + uint32(max(i, 0))*identity.SubIDCount, i >= 0 //nolint:gosec // within the range
}

// takenIDs are what a new range may not overlap, and what the account has already in
// the machine's files: then that is its range.
type takenIDs struct {
	ranges []identity.IDRange
	own    uint32 // where it begins; 0: there is none
}

// takenSubIDs lists ranges given out here and in /etc/subuid and /etc/subgid, and ids of
// local and of known accounts and groups.
func (d *Resolver) takenSubIDs(id uuid.UUID) (taken takenIDs, err error) {
	for _, o := range d.o.Peers.list() {
		o.subs.mu.RLock()
		for _, start := range o.subs.starts {
			taken.ranges = append(taken.ranges, subid.Range(start))
		}
		o.subs.mu.RUnlock()
	}
	given := slices.Clone(taken.ranges)
	lines, err := d.subIDLines()
	if err != nil {
		return takenIDs{}, err
	}
	for _, l := range lines {
		taken.ranges = append(taken.ranges, l.IDRange)
	}
	l, err := d.local.Now()
	if err != nil {
		return takenIDs{}, err
	}
	in := d.p.SubIDs
	var ids []identity.IDRange
	one := func(id uint32) {
		if in.Contains(id) {
			ids = append(ids, identity.IDRange{Min: id, Max: id})
		}
	}
	l.EachID(one)
	for _, o := range d.o.Peers.list() {
		o.index.EachID(one)
	}
	taken.ranges = append(taken.ranges, ids...)
	if e := d.index.WithUUID(id); e != nil {
		taken.own = ownRange(e.Account().UID, d.p.SubIDs, lines, slices.Concat(given, ids))
	}
	return taken, nil
}

// subIDLines reads both files.
func (d *Resolver) subIDLines() ([]subid.Line, error) {
	var all []subid.Line
	for _, name := range []string{"etc/subuid", "etc/subgid"} {
		b, err := os.ReadFile(filepath.Join(d.o.LocalFiles, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err //nolint:wrapcheck // names the file
		}
		all = append(all, subid.Parse(b)...)
	}
	return all, nil
}

// ownRange finds a range that the uid has in the files, that is as ours are, and that
// nobody else has.
func ownRange(uid uint32, in identity.IDRange, lines []subid.Line, others []identity.IDRange) uint32 {
	owner := strconv.FormatUint(uint64(uid), 10)
	for _, l := range lines {
		if l.Owner != owner || l.Min < in.Min || l.Max > in.Max || identity.CheckSubIDs(l.IDRange) != nil {
			continue
		}
		meets := func(r identity.IDRange) bool { return r.Min <= l.Max && l.Min <= r.Max }
		if !slices.ContainsFunc(others, meets) && !slices.ContainsFunc(lines, func(o subid.Line) bool { return o != l && meets(o.IDRange) }) {
			return l.Min
		}
	}
	return 0
}
