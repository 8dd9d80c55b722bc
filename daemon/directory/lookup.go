package directory

import (
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Named is the account of that name; nil: there is none.
func (x *Directory) Named(n identity.Name) *Entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.unpack(x.atName(n))
}

// WithUID is Named by user id.
func (x *Directory) WithUID(uid uint32) *Entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.unpack(x.atUID(uid))
}

// WithUUID is Named by the account's uuid.
func (x *Directory) WithUUID(id uuid.UUID) *Entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.unpack(x.atUUID(id))
}

// All returns every account, in no order.
func (x *Directory) All() []*Packed {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.gather()
}

func (x *Directory) gather() []*Packed {
	list := make([]*Packed, 0, len(x.accounts)-len(x.vacant))
	for _, p := range x.accounts {
		if p != nil {
			list = append(list, p)
		}
	}
	return list
}

// HasGroup tells whether a group of that name is served, or folded into an account.
func (x *Directory) HasGroup(name identity.Name) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if p := x.atName(name); p != nil && p.own != uuid.Nil {
		return true
	}
	return x.groupName[name] != nil
}

// HasGID is hasGroup by number.
func (x *Directory) HasGID(gid uint32) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if p := x.atUID(gid); p != nil && p.own != uuid.Nil {
		return true
	}
	return x.groupGID[gid] != nil
}

// CountOnDemand is how many groups are remembered because somebody asked for them.
func (x *Directory) CountOnDemand() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.onDemand)
}

// KnowsGroup tells whether the realm has shown the group, be it in an account or by
// itself. It only ever takes from others; see the package comment.
func (x *Directory) KnowsGroup(id uuid.UUID) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, own := x.ownedBy(id)
	return own || x.groups[id] != nil
}

// GroupNamed copies the served group of that name.
func (x *Directory) GroupNamed(name identity.Name, l Local) (identity.GroupEntry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if p := x.atName(name); p != nil && p.own != uuid.Nil {
		return p.ownEntry(l)
	}
	return x.served(x.groupName[name], l)
}

// GroupAt copies the served group with that gid.
func (x *Directory) GroupAt(gid uint32, l Local) (identity.GroupEntry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if p := x.atUID(gid); p != nil && p.own != uuid.Nil {
		return p.ownEntry(l)
	}
	return x.served(x.groupGID[gid], l)
}

// groupWith copies the served group of that uuid, unless it is folded.
func (x *Directory) groupWith(id uuid.UUID, l Local) (identity.GroupEntry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.served(x.groups[id], l)
}

// ownEntry is an account's own group, where the account is answered here.
func (p *Packed) ownEntry(l Local) (identity.GroupEntry, bool) {
	if l.Hides(p.Name(), p.uid, p.gid) {
		return identity.GroupEntry{}, false
	}
	return identity.GroupEntry{Group: p.ownGroup(), Members: []identity.Name{p.Name()}}, true
}
