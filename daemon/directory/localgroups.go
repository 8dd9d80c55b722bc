package directory

import (
	"math"
	"slices"

	"github.com/google/uuid"
)

// localGroups are the gids of this machine's own groups that the policy gives to
// members of the realm's, by the realm's uuid. What is not in /etc/group, and
// root's group, is left out.
func (x *Directory) localGroups(l Local) map[uuid.UUID][]uint32 {
	if len(x.rules.LocalGroups) == 0 {
		return nil
	}
	of := make(map[uuid.UUID][]uint32, len(x.rules.LocalGroups))
	for name, id := range x.rules.LocalGroups {
		if gid, ok := l.GidOf(name); ok && MayGive(gid) {
			of[id] = append(of[id], gid)
		}
	}
	return of
}

// MayGive is the rule of identity.GroupIDs.
func MayGive(gid uint32) bool { return gid != 0 && gid < math.MaxUint32-1 }

// settleLocal puts an account's local groups in order. One that is blocked has
// none: it is named, and let nowhere.
func settleLocal(list []uint32, blocked bool) []uint32 {
	if blocked {
		return list[:0]
	}
	slices.Sort(list)
	return slices.Compact(list)
}
