package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/sallyport-auth/sallyport/identity"
)

func isAbsent(err error) bool {
	return errors.Is(err, identity.ErrNotFound) || errors.Is(err, identity.ErrUnavailable)
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// line returns a line of a section whose check holds.
func (r *Reader) line(part int, i uint64) ([]byte, error) {
	s := r.h.part[part]
	at := s.offset + i*lineSize
	b := r.data[at : at+lineSize]
	if native.Uint32(b) != r.h.check(at, b[4:]) {
		return nil, damaged("line at %d", at)
	}
	return b, nil
}

// probe looks a hash up in a table, and returns the record that is meant.
func probe[T any](r *Reader, part int, hash uint64, decode func(offset uint64) (T, uint64, error), meant func(T) bool) (T, error) {
	var none T
	n := r.h.part[part].length / lineSize
	if n == 0 {
		return none, r.absent()
	}
	at := (hash >> 32) * n >> 32
	for range n {
		b, err := r.line(part, at)
		if err != nil {
			return none, err
		}
		for p := 8; p < lineSize; p += 8 {
			ref := native.Uint32(b[p+4:])
			if ref == 0 || native.Uint32(b[p:]) != uint32(hash) { //nolint:gosec // its low half
				continue
			}
			v, _, err := decode(uint64(ref) * 8)
			if err != nil {
				return none, err
			}
			if meant(v) {
				return v, nil
			}
		}
		if native.Uint32(b[4:]) == 0 {
			break
		}
		if at++; at == n {
			at = 0
		}
	}
	return none, r.absent()
}

// within returns n bytes at an offset, if they lie in the section.
func (r *Reader) within(part int, offset, n uint64) ([]byte, error) {
	s := r.h.part[part]
	if offset < s.offset || offset-s.offset > s.length || n > s.length-(offset-s.offset) {
		return nil, damaged("record at %d reaches outside", offset)
	}
	return r.data[offset : offset+n], nil
}

// record is an account as the file has it.
type record struct {
	identity.Listed
	own bool // its group has no record of its own
}

// account reads a record, and tells where the next begins.
func (r *Reader) account(at uint64) (a record, next uint64, err error) {
	head, err := r.within(accounts, at, accountHead)
	if err != nil {
		return a, 0, err
	}
	lens := [5]int{int(head[24]), 1, int(native.Uint16(head[16:])), int(native.Uint16(head[18:])), int(native.Uint16(head[20:]))}
	texts := accountHead
	for _, n := range lens {
		texts += n + 1
	}
	list := texts + pad(texts, 4)
	gids, local := int(native.Uint16(head[22:])), int(head[25])
	end := list + 4*(gids+local)
	b, err := r.within(accounts, at, uint64(end+pad(end, 8))) //nolint:gosec // not negative
	if err != nil {
		return a, 0, err
	}
	if native.Uint32(b) != r.h.check(at, b[4:texts]) ||
		native.Uint32(b[4:]) != r.h.check(at+uint64(list), b[list:end]) { //nolint:gosec // not negative
		return a, 0, damaged("account at %d", at)
	}
	var text [5]string
	p := accountHead
	for i, n := range lens {
		text[i] = string(b[p : p+n])
		p += n + 1
	}
	a.Account = identity.Account{
		Name: identity.Name(text[0]), UID: native.Uint32(b[8:]), GID: native.Uint32(b[12:]),
		FullName: text[2], Home: text[3], Shell: text[4],
	}
	a.own, a.Realm = b[26]&ownGroup != 0, int(b[27])
	a.GIDs = append(a.GIDs, a.GID)
	for i := range gids {
		a.GIDs = append(a.GIDs, native.Uint32(b[list+4*i:]))
	}
	for i := range local {
		a.Local = append(a.Local, native.Uint32(b[list+4*(gids+i):]))
	}
	return a, at + uint64(len(b)), nil
}

// groupRecord is a group as the file has it.
type groupRecord struct {
	identity.GroupEntry
	realm int
}

// group reads a record, and tells where the next begins.
func (r *Reader) group(at uint64) (g groupRecord, next uint64, err error) {
	head, err := r.within(groups, at, groupHead)
	if err != nil {
		return g, 0, err
	}
	n, count, size := int(head[20]), native.Uint32(head[12:]), uint64(native.Uint32(head[16:]))
	texts := groupHead + n + 3
	list := uint64(texts + pad(texts, 8)) //nolint:gosec // not negative
	end := list + size
	b, err := r.within(groups, at, (end+7)&^7)
	if err != nil {
		return g, 0, err
	}
	if native.Uint32(b) != r.h.check(at, b[4:texts]) || native.Uint32(b[4:]) != r.h.check(at+list, b[list:end]) {
		return g, 0, damaged("group at %d", at)
	}
	g.Name, g.GID, g.realm = identity.Name(b[groupHead:groupHead+n]), native.Uint32(b[8:]), int(b[21])
	for member := range bytes.SplitAfterSeq(b[list:end], []byte{0}) {
		if len(member) > 0 {
			g.Members = append(g.Members, identity.Name(member[:len(member)-1]))
		}
	}
	if len(g.Members) != int(count) {
		return g, 0, damaged("group at %d has %d members, not %d", at, len(g.Members), count)
	}
	return g, at + uint64(len(b)), nil
}

// ownGroupOf answers for a group that may be an account's own, when no group's
// record did; none is what that said.
func ownGroupOf(a record, err, none error) (identity.GroupEntry, error) {
	switch {
	case err == nil && a.own:
		return identity.GroupEntry{Group: identity.Group{Name: a.Name, GID: a.GID}, Members: []identity.Name{a.Name}}, nil
	case err == nil || isAbsent(err):
		return identity.GroupEntry{}, none
	default:
		return identity.GroupEntry{}, err
	}
}

// Accounts yields every account, uids ascending, and ends with an error when the
// file is damaged or answers nothing any more.
func (r *Reader) Accounts() iter.Seq2[identity.Listed, error] {
	return func(yield func(identity.Listed, error) bool) {
		walk(r, accounts, r.account, func(a record, err error) bool { return yield(a.Listed, err) })
	}
}

// Groups yields every group: those of one account alone first, then the others,
// gids ascending in each.
func (r *Reader) Groups() iter.Seq2[identity.GroupEntry, error] {
	return func(yield func(identity.GroupEntry, error) bool) {
		more := walk(r, accounts, r.account, func(a record, err error) bool {
			if err == nil && !a.own {
				return true
			}
			g, err := ownGroupOf(a, err, err)
			return yield(g, err)
		})
		if more {
			walk(r, groups, r.group, func(g groupRecord, err error) bool { return yield(g.GroupEntry, err) })
		}
	}
}

// walk goes from record to record. The file is not held mapped while yield runs.
func walk[T any](r *Reader, part int, decode func(uint64) (T, uint64, error), yield func(T, error) bool) (more bool) {
	s := r.h.part[part]
	at := s.offset
	for range s.count {
		v, err := read(r, func() (v T, err error) {
			v, at, err = decode(at)
			return v, err
		})
		if !yield(v, err) || err != nil {
			return false
		}
	}
	if at != s.offset+s.length {
		var none T
		yield(none, damaged("%d records end at %d", s.count, at))
		return false
	}
	return true
}

// Check reads the whole file: every record, every table, and each record by its
// name and id.
func (r *Reader) Check() error {
	n := uint64(0)
	for a, err := range r.Accounts() {
		if err != nil {
			return fmt.Errorf("account %d: %w", n, err)
		}
		byName, err1 := r.accountNamed(spelling{a.Name, anyRealm})
		byUID, err2 := r.accountWith(a.UID)
		if err := errors.Join(err1, err2); err != nil || byName.UID != a.UID || byUID.Name != a.Name {
			return fmt.Errorf("%w: account %s is not found: %w", ErrFormat, a.Name, err)
		}
		n++
	}
	for g, err := range r.Groups() {
		if err != nil {
			return fmt.Errorf("group: %w", err)
		}
		byName, err1 := r.GroupByName(string(g.Name))
		byGID, err2 := r.GroupByGID(g.GID)
		if err := errors.Join(err1, err2); err != nil || byName.GID != g.GID || byGID.Name != g.Name {
			return fmt.Errorf("%w: group %s is not found: %w", ErrFormat, g.Name, err)
		}
	}
	for part := accountNames; part < sections; part++ {
		for i := range r.h.part[part].length / lineSize {
			if _, err := r.line(part, i); err != nil {
				return err
			}
		}
	}
	return nil
}
