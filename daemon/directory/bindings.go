package directory

import (
	"fmt"

	"github.com/google/uuid"
)

// bindings remember which number belongs to whom, also when its owner is gone. The
// index keeps a binding only for what is not in it: an account that is there holds its
// uid, and with its own group the gid, by being there.
type bindings struct {
	owner map[uint32]uuid.UUID
	of    map[uuid.UUID]uint32
}

func newBindings() bindings {
	return bindings{owner: make(map[uint32]uuid.UUID), of: make(map[uuid.UUID]uint32)}
}

func (p bindings) set(id uint32, who uuid.UUID) (isNew bool) {
	if _, ok := p.owner[id]; ok {
		return false
	}
	p.owner[id], p.of[who] = who, id
	return true
}

func (p bindings) drop(who uuid.UUID) {
	if id, ok := p.of[who]; ok {
		delete(p.owner, id)
		delete(p.of, who)
	}
}

// fitted is the same in maps of the right size: a map never gives back what it
// once held.
func (p bindings) fitted() bindings {
	f := bindings{owner: make(map[uint32]uuid.UUID, len(p.owner)), of: make(map[uuid.UUID]uint32, len(p.of))}
	for id, who := range p.owner {
		f.owner[id] = who
	}
	for who, id := range p.of {
		f.of[who] = id
	}
	return f
}

// Binding is one number that belongs to an account or to a group.
type Binding struct {
	Group bool // the number is a gid
	ID    uint32
	UUID  uuid.UUID
}

// FirstSeen stands in the reason of a number that is another's here, for good.
const FirstSeen = " was first seen "

// conflict tells why id cannot be who's; "" when it can.
func conflict(what string, id uint32, who uuid.UUID, owner uuid.UUID, was uint32) string {
	switch {
	case owner != uuid.Nil && owner != who:
		return fmt.Sprintf("%s %d"+FirstSeen+"for %s", what, id, owner)
	case was != 0 && was != id:
		return fmt.Sprintf("%s"+FirstSeen+"as %d and is now %d", what, was, id)
	default:
		return ""
	}
}

// checkUID tells why uid cannot be that account's; "" when it can.
func (x *Directory) checkUID(uid uint32, who uuid.UUID) string {
	owner := x.uids.owner[uid]
	if p := x.atUID(uid); p != nil {
		owner = p.uuid
	}
	return conflict("uid", uid, who, owner, x.uidOf(who))
}

// checkGID tells why gid cannot be that group's; "" when it can.
func (x *Directory) checkGID(gid uint32, who uuid.UUID) string {
	owner := x.gids.owner[gid]
	if p := x.atUID(gid); p != nil && p.own != uuid.Nil {
		owner = p.own
	}
	return conflict("gid", gid, who, owner, x.gidOf(who))
}

// uidOf is the uid that the account was first seen with; 0: never seen.
func (x *Directory) uidOf(who uuid.UUID) uint32 {
	if p := x.atUUID(who); p != nil {
		return p.uid
	}
	return x.uids.of[who]
}

// gidOf is the gid that the group was first seen with; 0: never seen.
func (x *Directory) gidOf(who uuid.UUID) uint32 {
	if n, ok := x.ownedBy(who); ok {
		return x.accounts[n].gid
	}
	return x.gids.of[who]
}

// BoundUID is the uid that the account was first seen with; 0: never seen.
func (x *Directory) BoundUID(who uuid.UUID) uint32 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.uidOf(who)
}

// EachID calls f with every number that an account or a group uses, or was ever
// seen with.
func (x *Directory) EachID(f func(uint32)) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, p := range x.accounts {
		if p != nil {
			f(p.uid)
			f(p.gid)
		}
	}
	for id := range x.uids.owner {
		f(id)
	}
	for id := range x.gids.owner {
		f(id)
	}
	for _, g := range x.groups {
		f(g.GID)
	}
}
