package daemon

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/report"
)

// localGroups are the gids of this machine's own groups that the policy gives to
// members of the realm's, by the realm's uuid. What is not in /etc/group, and
// root's group, is left out.
func (d *Daemon) localGroups(l local) map[uuid.UUID][]uint32 {
	if len(d.p.LocalGroups) == 0 {
		return nil
	}
	of := make(map[uuid.UUID][]uint32, len(d.p.LocalGroups))
	for name, id := range d.p.LocalGroups {
		if gid, ok := l.groups.idOf[name]; ok && mayGive(gid) {
			of[id] = append(of[id], gid)
		}
	}
	return of
}

// mayGive is the rule of identity.GroupIDs.
func mayGive(gid uint32) bool { return gid != 0 && gid < math.MaxUint32-1 }

// settleLocal puts an account's local groups in order. One that is blocked has
// none: it is named, and let nowhere.
func settleLocal(list []uint32, blocked bool) []uint32 {
	if blocked {
		return list[:0]
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// localGroupFindings names the groups that cannot be given.
func (d *Daemon) localGroupFindings() []report.Finding {
	l, err := d.local.now()
	if err != nil {
		return nil // every lookup says so
	}
	var list []report.Finding
	for _, name := range slices.Sorted(maps.Keys(d.p.LocalGroups)) {
		gid, ok := l.groups.idOf[name]
		switch {
		case !ok:
			list = append(list, report.Finding{
				Check: "groups", Severity: report.Warning, Detail: fmt.Sprintf("The local group %s, which members of a group of the realm are to have, is not in /etc/group.", printable(name)),
				Mend: "Add it with groupadd, or take it out of [groups] local.",
			})
		case !mayGive(gid):
			list = append(list, report.Finding{
				Check: "groups", Severity: report.Problem, Detail: fmt.Sprintf("The local group %s has the id %d, which nobody is given.", printable(name), gid),
				Mend: "Take it out of [groups] local.",
			})
		}
	}
	return list
}
