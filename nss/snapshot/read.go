package snapshot

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
)

// Reader is a mapped file. Its methods are safe for concurrent use; what they
// return is copied. After Close they say [identity.ErrUnavailable].
type Reader struct {
	h     *header
	words // of the whole file: data is the same bytes
	data  []byte
	now   func() time.Time

	mu     sync.RWMutex
	closed bool
}

// Open maps a file. Its error is [ErrFormat] when that is not sound as far as the
// header tells; records are checked as they are read.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() < headerSize || info.Size() >= maxSize {
		return nil, fmt.Errorf("open %s: %w: %d bytes", path, ErrFormat, info.Size())
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	h, err := decode(append([]byte(nil), b[:headerSize]...), uint64(len(b)))
	if err != nil {
		_ = unix.Munmap(b)
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Reader{h: h, words: words{b}, data: b, now: time.Now}, nil
}

// Close unmaps the file.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	if err := unix.Munmap(r.data); err != nil {
		return fmt.Errorf("unmap snapshot: %w", err)
	}
	return nil
}

// Info is what the header says.
type Info struct {
	Written          time.Time
	Realms           []Realm
	Aliases          bool
	Accounts, Groups int // groups without those of one account alone
	Size             int64
	AbsentUntil      time.Time // zero: the daemon is to be asked
	ValidUntil       time.Time
}

// Info returns what the header says now.
func (r *Reader) Info() Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	i := Info{
		Written: time.Unix(0, int64(r.h.written)), Realms: r.h.realms, Aliases: r.h.flags&flagAliases != 0, //nolint:gosec // nanoseconds
		Accounts: int(r.h.part[accounts].count), Groups: int(r.h.part[groups].count), //nolint:gosec // below the size
		Size: int64(r.h.size), //nolint:gosec // the same
	}
	if !r.closed {
		i.AbsentUntil, i.ValidUntil = moment(r.absentUntil().Load()), moment(r.validUntil().Load())
	}
	return i
}

func moment(s uint64) time.Time {
	switch {
	case s == 0:
		return time.Time{}
	case s >= uint64(identity.Never):
		return identity.Forever()
	default:
		return time.Unix(int64(s), 0)
	}
}

// Superseded tells whether a newer file is in place.
func (r *Reader) Superseded() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.closed && r.superseded().Load() != 0
}

// longestAbsence bounds how far ahead "absent until" may lie: what is further was
// written by another clock.
const longestAbsence = time.Hour

// read calls f while the file is mapped, unless it answers nothing any more.
func read[T any](r *Reader, f func() (T, error)) (T, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var none T
	if r.closed {
		return none, fmt.Errorf("%w: the snapshot is closed", identity.ErrUnavailable)
	}
	if now := uint64(r.now().Unix()); now >= r.validUntil().Load() { //nolint:gosec // after 1970
		return none, fmt.Errorf("%w: the snapshot is too old", identity.ErrUnavailable)
	}
	v, err := f()
	if err != nil {
		return none, err
	}
	return v, nil
}

// absent is the error for what is not here.
func (r *Reader) absent() error {
	now, until := uint64(r.now().Unix()), r.absentUntil().Load() //nolint:gosec // after 1970
	if r.superseded().Load() == 0 && now < until && until-now <= uint64(longestAbsence/time.Second) {
		return identity.ErrNotFound
	}
	return fmt.Errorf("%w: not in the snapshot", identity.ErrUnavailable)
}

// spelling is a name to look for, and the number of the realm that it must be of.
type spelling struct {
	name  identity.Name
	realm int
}

const anyRealm = -1

// spellings are the names that may be meant by what was typed, the likeliest first.
func (r *Reader) spellings(typed string, qualified func(Realm) bool) []spelling {
	aliases := r.h.flags&flagAliases != 0
	if aliases {
		typed = identity.FoldName(typed)
	}
	name, err := identity.ParseName(typed)
	if err != nil {
		return nil
	}
	list := []spelling{{name, anyRealm}}
	if !aliases {
		return list
	}
	for i, realm := range r.h.realms {
		n := identity.Naming{Realm: realm.Name, Qualified: qualified(realm), Aliases: true}
		if other, err := n.Canonical(typed); err == nil && other != name {
			list = append(list, spelling{other, i})
		}
	}
	return list
}

// spelled asks for each spelling until one is there.
func spelled[T any](r *Reader, list []spelling, ask func(spelling) (T, error)) (T, error) {
	var none T
	if len(list) == 0 {
		return none, identity.ErrNotFound
	}
	return read(r, func() (v T, err error) {
		for _, s := range list {
			if v, err = ask(s); !isAbsent(err) {
				break
			}
		}
		return v, err
	})
}

// AccountByName finds the account that a name stands for.
func (r *Reader) AccountByName(typed string) (identity.Listed, error) {
	a, err := spelled(r, r.spellings(typed, func(m Realm) bool { return m.QualifiedUsers }), r.accountNamed)
	return a.Listed, err
}

func (r *Reader) accountNamed(s spelling) (record, error) {
	return probe(r, accountNames, hashName(r.h.seed, []byte(s.name)), r.account,
		func(a record) bool { return a.Name == s.name && (s.realm == anyRealm || s.realm == a.Realm) })
}

// AccountByUID finds an account by its user id.
func (r *Reader) AccountByUID(uid uint32) (identity.Listed, error) {
	return read(r, func() (identity.Listed, error) {
		a, err := r.accountWith(uid)
		return a.Listed, err
	})
}

func (r *Reader) accountWith(uid uint32) (record, error) {
	return probe(r, accountUIDs, hashID(r.h.seed, uid), r.account,
		func(a record) bool { return a.UID == uid })
}

// GroupByName finds a group with its members.
func (r *Reader) GroupByName(typed string) (identity.GroupEntry, error) {
	return spelled(r, r.spellings(typed, func(m Realm) bool { return m.QualifiedGroups }), r.groupNamed)
}

func (r *Reader) groupNamed(s spelling) (identity.GroupEntry, error) {
	g, err := probe(r, groupNames, hashName(r.h.seed, []byte(s.name)), r.group,
		func(g groupRecord) bool { return g.Name == s.name && (s.realm == anyRealm || s.realm == g.realm) })
	if !isAbsent(err) {
		return g.GroupEntry, err
	}
	a, aerr := r.accountNamed(s)
	return ownGroupOf(a, aerr, err)
}

// GroupByGID is GroupByName by group id.
func (r *Reader) GroupByGID(gid uint32) (identity.GroupEntry, error) {
	return read(r, func() (identity.GroupEntry, error) {
		g, err := probe(r, groupGIDs, hashID(r.h.seed, gid), r.group,
			func(g groupRecord) bool { return g.GID == gid })
		if !isAbsent(err) {
			return g.GroupEntry, err
		}
		a, aerr := r.accountWith(gid)
		return ownGroupOf(a, aerr, err)
	})
}
