package directory

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Packed is one account as the index holds it, small because there may be a
// hundred thousand: two blocks of memory, 176 bytes for a common one. It does not
// change once it is in the index; a new token makes a new one. [Entry] is the same,
// unfolded for whoever decides.
type Packed struct {
	uuid uuid.UUID
	// own is the account's own group, when it is as most are: named like the
	// account, with its uid for a gid, and no other member. Nil: it is a group like
	// others, first of the list.
	own        uuid.UUID
	rest       string // what has no fixed length, see pack
	revision   uint64
	fetched    uint32 // Unix seconds
	seq        uint32 // order of arrival; it wraps
	uid, gid   uint32
	offlineFor uint32
	keys       uint16
	state      identity.State
	blocked    bool
}

// pack makes rest: four lengths and their texts, the two dates, the number of
// the realm's table of points and that of the history, the factors, and the numbers of the groups.
func pack(e *Entry, table, history int, groups []uint32) *Packed {
	a := e.account
	b := make([]byte, 0, 256)
	for _, s := range []string{string(a.Name), a.FullName, a.Home, a.Shell} {
		b = binary.AppendUvarint(b, uint64(len(s)))
	}
	b = append(append(append(append(b, a.Name...), a.FullName...), a.Home...), a.Shell...)
	b = binary.AppendVarint(binary.AppendVarint(b, e.validFrom), e.validUntil)
	b = binary.AppendUvarint(b, uint64(table))   //nolint:gosec // an index
	b = binary.AppendUvarint(b, uint64(history)) //nolint:gosec // an index
	b = binary.AppendUvarint(b, uint64(len(e.factors)))
	for _, f := range e.factors {
		b = append(binary.AppendUvarint(b, uint64(len(f.Kind))), f.Kind...)
		b = append(binary.AppendUvarint(b, uint64(len(f.Label))), f.Label...)
		b = binary.AppendVarint(binary.AppendUvarint(b, f.Epoch), f.ChangeBy)
	}
	b = binary.AppendUvarint(b, uint64(len(groups)))
	for _, g := range groups {
		b = binary.AppendUvarint(b, uint64(g))
	}
	return &Packed{
		uuid: a.UUID, rest: string(b), revision: e.revision, seq: e.seq, uid: a.UID, gid: a.GID,
		fetched:    uint32(min(max(e.fetched.Unix(), 0), math.MaxUint32)),
		offlineFor: e.offlineFor, keys: uint16(min(e.keys, math.MaxUint16)), state: e.state, blocked: e.blocked != "", //nolint:gosec // bounded
	}
}

// unpacker reads rest. What it reads was written by pack, so it checks nothing.
type unpacker string

func (u *unpacker) number() uint64 {
	var v uint64
	for i := 0; ; i++ {
		c := (*u)[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			*u = (*u)[i+1:]
			return v
		}
	}
}

func (u *unpacker) signed() int64 {
	v := u.number()
	return int64(v>>1) ^ -int64(v&1) // zigzag, as encoding/binary
}

func (u *unpacker) text(n uint64) string {
	s := (*u)[:n]
	*u = (*u)[n:]
	return string(s)
}

// texts reads the account's texts, and leaves the rest. They are parts of rest:
// nothing is allocated.
func (p *Packed) texts() (name, full, home, shell string, left unpacker) {
	u := unpacker(p.rest)
	n, f, h, s := u.number(), u.number(), u.number(), u.number()
	return u.text(n), u.text(f), u.text(h), u.text(s), u
}

// Name is the account's.
func (p *Packed) Name() identity.Name {
	name, _, _, _, _ := p.texts()
	return identity.Name(name)
}

// Account is what programs are told.
func (p *Packed) Account() identity.Account {
	name, full, home, shell, _ := p.texts()
	return identity.Account{
		UUID: p.uuid, Name: identity.Name(name), UID: p.uid, GID: p.gid, FullName: full, Home: home, Shell: shell,
	}
}

// groups calls each with the number of every group but a folded one, in the
// token's order.
func (p *Packed) groups(each func(number uint32)) {
	_, _, _, _, u := p.texts()
	u.signed()
	u.signed()
	u.number()
	u.number()
	for range u.number() {
		u.text(u.number())
		u.text(u.number())
		u.number()
		u.signed()
	}
	for range u.number() {
		each(uint32(u.number())) //nolint:gosec // pack wrote 32 bits
	}
}

func (p *Packed) numbers() []uint32 {
	var list []uint32
	p.groups(func(n uint32) { list = append(list, n) })
	return list
}

// ownGroup is the group that own stands for.
func (p *Packed) ownGroup() identity.Group {
	return identity.Group{UUID: p.own, Name: p.Name(), GID: p.gid}
}

// table is the number of the realm's table of points.
func (p *Packed) table() int {
	_, _, _, _, u := p.texts()
	u.signed()
	u.signed()
	return int(u.number()) //nolint:gosec // pack wrote it
}

// history is the number of the token's history in the index.
func (p *Packed) history() int {
	_, _, _, _, u := p.texts()
	u.signed()
	u.signed()
	u.number()
	return int(u.number()) //nolint:gosec // pack wrote it
}

// Entry unpacks all but the points and the groups, which [Directory.unpack] and
// [Directory.GroupsOf] read.
func (p *Packed) Entry() *Entry {
	_, _, _, _, u := p.texts()
	e := &Entry{
		account: p.Account(), state: p.state, validFrom: u.signed(), validUntil: u.signed(), offlineFor: p.offlineFor,
		revision: p.revision, keys: int(p.keys), fetched: p.FetchedAt(), seq: p.seq, packed: p,
	}
	u.number()
	u.number()
	for range u.number() {
		f := identity.Factor{Kind: identity.FactorKind(u.text(u.number())), Label: u.text(u.number())}
		f.Epoch = u.number()
		f.ChangeBy = u.signed()
		e.factors = append(e.factors, f)
	}
	return e
}

// FetchedAt is when the account's token came.
func (p *Packed) FetchedAt() time.Time { return time.Unix(int64(p.fetched), 0) }

// UUID is the account's.
func (p *Packed) UUID() uuid.UUID { return p.uuid }

// UID is the account's.
func (p *Packed) UID() uint32 { return p.uid }
