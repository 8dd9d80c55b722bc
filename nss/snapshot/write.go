package snapshot

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Options of [Write].
type Options struct {
	// Realms are those that Listed.Realm numbers. Aliases: other spellings find
	// accounts and groups too, see the package comment.
	Realms  []Realm
	Aliases bool
	// Standing says until when the file answers, and whether what is not in it
	// is not there. AbsentUntil bounds the latter, and must be renewed with
	// [Marks]: a writer that died can no longer tell.
	Standing    identity.DirectoryStanding
	AbsentUntil time.Time
	// Seed of the hash tables; zero: a random one.
	Seed [2]uint64
}

// Stats say what was written. Skipped counts accounts and groups that break a
// rule of package identity and were left out.
type Stats struct {
	Accounts, Groups, Skipped int
	Size                      int64
}

// maxSize is as far as the tables' references reach.
const maxSize = 8 << 32

// Write writes a view into an empty file. The header comes last: until then the
// file is none. It takes memory for the tables and for four bytes a membership,
// and writes the rest as it comes. Syncing, renaming and closing are the caller's.
func Write(f *os.File, v identity.View, o Options) (Stats, error) {
	if err := checkRealms(o.Realms); err != nil {
		return Stats{}, fmt.Errorf("write snapshot: %w", err)
	}
	w := &writer{file: f, out: bufio.NewWriterSize(f, 256<<10), at: headerSize}
	w.h = header{seed: o.Seed, written: uint64(time.Now().UnixNano())}
	if w.h.seed == [2]uint64{} {
		w.h.seed = randomSeed()
	}
	if w.h.realms = o.Realms; o.Aliases {
		w.h.flags = flagAliases
	}
	if _, err := f.Seek(headerSize, 0); err != nil {
		return Stats{}, fmt.Errorf("write snapshot: %w", err)
	}
	w.survey(v)
	w.accounts(v)
	w.groups(v)
	for i := range w.tables {
		p := w.begin(accountNames + i)
		w.put(w.tables[i].lines(&w.h, p.offset))
		p.count = uint64(len(w.tables[i].hashes))
		w.end(p)
	}
	if err := w.finish(o); err != nil {
		return Stats{}, fmt.Errorf("write snapshot: %w", err)
	}
	w.stats.Size = int64(w.at) //nolint:gosec // below maxSize
	return w.stats, nil
}

// writer streams one file. The first error ends all writing and is kept.
type writer struct {
	file  *os.File
	out   *bufio.Writer
	at    uint64 // how far it has come
	err   error
	h     header
	stats Stats

	gids    []uint32 // of all groups, ascending
	size    []int32  // their members
	own     []bool   // folded into the account of the same number
	members [][]int32
	names   []identity.Name // of the accounts, in order
	shared  map[uint32]int  // index of the groups that are not own
	tables  [4]table
	buf     []byte
	list    []uint32
}

func (w *writer) put(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
	if w.at += uint64(len(b)); w.at >= maxSize && w.err == nil {
		w.err = errors.New("it would be larger than 32 GiB")
	}
}

func (w *writer) begin(part int) *section {
	w.put(make([]byte, pad(int(w.at%lineSize), lineSize)))
	w.h.part[part].offset = w.at
	return &w.h.part[part]
}

func (w *writer) end(p *section) { p.length = w.at - p.offset }

// group finds the index of a group that accounts share; -1 when there is none.
func (w *writer) group(gid uint32) int {
	i, ok := w.shared[gid]
	if !ok {
		if i, ok = slices.BinarySearch(w.gids, gid); !ok {
			i = -1
		}
		w.shared[gid] = i
	}
	return i
}

// survey counts members, and finds the groups that need no record: see ownGroup.
func (w *writer) survey(v identity.View) {
	var names []identity.Name
	for g := range v.Groups() {
		if bad := w.checkGroup(g); bad != nil || (len(w.gids) > 0 && g.GID <= w.gids[len(w.gids)-1]) {
			w.stats.Skipped++
			continue
		}
		w.gids, names = append(w.gids, g.GID), append(names, g.Name)
	}
	w.size, w.own, w.shared = make([]int32, len(w.gids)), make([]bool, len(w.gids)), make(map[uint32]int)
	next, people := 0, 0 // uids and gids both ascend
	for a := range v.Accounts() {
		people++
		for next < len(w.gids) && w.gids[next] < a.UID {
			next++
		}
		mine := next < len(w.gids) && w.gids[next] == a.UID && a.GID == a.UID
		for i, gid := range a.GIDs {
			switch {
			case slices.Contains(a.GIDs[:i], gid):
			case mine && gid == a.GID:
				w.size[next]++
				w.own[next] = names[next] == a.Name
			default:
				if g := w.group(gid); g >= 0 {
					w.size[g]++
				}
			}
		}
	}
	w.tables[0].grow(people)
	w.tables[1].grow(people)
	w.names = make([]identity.Name, 0, people)
	w.members = make([][]int32, len(w.gids))
	arena := make([]int32, 0, sum(w.size))
	for i, n := range w.size {
		if w.own[i] = w.own[i] && n == 1; w.own[i] {
			continue
		}
		w.members[i] = arena[len(arena):len(arena):min(len(arena)+int(n), cap(arena))]
		arena = arena[:len(arena)+int(n)]
	}
}

func sum(list []int32) (n int) {
	for _, v := range list {
		n += int(v)
	}
	return n
}

func (w *writer) accounts(v identity.View) {
	p := w.begin(accounts)
	last := uint32(0)
	for a := range v.Accounts() {
		if w.err != nil {
			break
		}
		if err := w.checkAccount(a); err != nil || a.UID <= last {
			w.stats.Skipped++
			continue
		}
		last = a.UID
		w.account(a)
	}
	p.count = uint64(w.stats.Accounts) //nolint:gosec // a count
	w.end(p)
}

// head begins a record in the buffer that all share.
func (w *writer) head(n int) []byte {
	w.buf = slices.Grow(w.buf[:0], n)[:n]
	clear(w.buf)
	return w.buf
}

// account writes one record; the package doc has its form.
func (w *writer) account(a *identity.Listed) {
	b := w.head(accountHead)
	native.PutUint32(b[8:], a.UID)
	native.PutUint32(b[12:], a.GID)
	native.PutUint16(b[16:], uint16(len(a.FullName)))    //nolint:gosec // identity.MaxText
	native.PutUint16(b[18:], uint16(len(a.Home)))        //nolint:gosec // the same
	native.PutUint16(b[20:], uint16(len(a.Shell)))       //nolint:gosec // the same
	b[24], b[25] = byte(len(a.Name)), byte(len(a.Local)) //nolint:gosec // identity.MaxQualifiedLen, MaxLocalGroups
	b[27] = byte(a.Realm)                                //nolint:gosec // checked
	for _, text := range [...]string{string(a.Name), "x", a.FullName, a.Home, a.Shell} {
		b = append(append(b, text...), 0)
	}
	texts := len(b)
	b = append(b, make([]byte, pad(len(b), 4))...)
	list := len(b)
	b = w.memberships(b, a)
	native.PutUint16(b[22:], uint16((len(b)-list)/4)) //nolint:gosec // maxGIDs
	for _, gid := range a.Local {
		b = native.AppendUint32(b, gid)
	}
	native.PutUint32(b[4:], w.h.check(w.at+uint64(list), b[list:]))
	native.PutUint32(b, w.h.check(w.at, b[4:texts]))
	b = append(b, make([]byte, pad(len(b), 8))...)
	w.tables[0].add(hashName(w.h.seed, []byte(a.Name)), w.at)
	w.tables[1].add(hashID(w.h.seed, a.UID), w.at)
	w.put(b)
	w.buf = b
	w.names = append(w.names, a.Name)
	w.stats.Accounts++
}

// memberships appends the gids besides the account's own, sorted, and notes the
// account as their member.
func (w *writer) memberships(b []byte, a *identity.Listed) []byte {
	w.list = append(w.list[:0], a.GIDs...)
	slices.Sort(w.list)
	n := 0
	for _, gid := range slices.Compact(w.list) {
		if gid == a.GID && a.GID == a.UID {
			if at, ok := slices.BinarySearch(w.gids, gid); ok && w.own[at] {
				b[26] |= ownGroup
				continue
			}
		}
		i := w.group(gid)
		if i < 0 {
			continue
		}
		if m := w.members[i]; len(m) < cap(m) {
			w.members[i] = append(m, int32(w.stats.Accounts)) //nolint:gosec // as many as uids at most
		}
		if gid != a.GID && n < maxGIDs {
			b = native.AppendUint32(b, gid)
			n++
		}
	}
	return b
}

func (w *writer) groups(v identity.View) {
	p := w.begin(groups)
	i := 0
	for g := range v.Groups() {
		if i == len(w.gids) || w.err != nil {
			break
		}
		if g.GID != w.gids[i] {
			continue // left out above
		}
		if !w.own[i] {
			w.group1(g, w.members[i])
		}
		i++
	}
	p.count = uint64(w.stats.Groups) //nolint:gosec // a count
	w.end(p)
}

func (w *writer) group1(g identity.ListedGroup, members []int32) {
	bytes := 0
	for _, m := range members {
		bytes += len(w.names[m]) + 1
	}
	if bytes > math.MaxUint32 {
		w.stats.Skipped++
		return
	}
	b := w.head(groupHead)
	native.PutUint32(b[8:], g.GID)
	native.PutUint32(b[12:], uint32(len(members))) //nolint:gosec // below the bytes
	native.PutUint32(b[16:], uint32(bytes))
	b[20], b[21] = byte(len(g.Name)), byte(g.Realm) //nolint:gosec // identity.MaxQualifiedLen; checked
	b = append(append(b, g.Name...), 0, 'x', 0)
	texts := len(b)
	b = append(b, make([]byte, pad(len(b), 8))...)
	list := len(b)
	for _, m := range members {
		b = append(append(b, w.names[m]...), 0)
	}
	native.PutUint32(b[4:], w.h.check(w.at+uint64(list), b[list:]))
	native.PutUint32(b, w.h.check(w.at, b[4:texts]))
	b = append(b, make([]byte, pad(len(b), 8))...)
	w.tables[2].add(hashName(w.h.seed, []byte(g.Name)), w.at)
	w.tables[3].add(hashID(w.h.seed, g.GID), w.at)
	w.put(b)
	w.buf = b
	w.stats.Groups++
}

// finish writes what is buffered, and then the header.
func (w *writer) finish(o Options) error {
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if w.err != nil {
		return w.err
	}
	w.h.size = w.at
	absent := uint64(0)
	if o.Standing.Absent {
		absent = seconds(o.AbsentUntil)
	}
	_, err := w.file.WriteAt(w.h.encode(absent, seconds(o.Standing.Until)), 0)
	return err //nolint:wrapcheck // Write does
}

// seconds is a moment as the file has it: 0 for none.
func seconds(t time.Time) uint64 {
	switch u := t.Unix(); {
	case t.IsZero() || u <= 0:
		return 0
	case u >= identity.Never:
		return never
	default:
		return uint64(u)
	}
}

func (w *writer) checkGroup(g identity.ListedGroup) error {
	_, err := identity.ParseName(string(g.Name))
	return errors.Join(err, identity.CheckID(g.GID), w.checkRealm(g.Realm))
}

func (w *writer) checkAccount(a *identity.Listed) error {
	return errors.Join(a.CheckEntry(), a.Validate(), checkAbsolute(a.Home), checkAbsolute(a.Shell), w.checkRealm(a.Realm))
}

// checkRealm refuses the number of a realm that the header does not name. A file may
// name none: then all are of the realm 0.
func (w *writer) checkRealm(n int) error {
	if n < 0 || n >= max(len(w.h.realms), 1) {
		return fmt.Errorf("realm %d of %d", n, len(w.h.realms))
	}
	return nil
}

func checkAbsolute(s string) error {
	if s == "" || s[0] != '/' {
		return fmt.Errorf("%q is no absolute path", s)
	}
	return nil
}
