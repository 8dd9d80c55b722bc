package identity

import (
	"fmt"
	"iter"
	"math"
	"time"
)

// View is the directory at one moment, as the programs of this machine may know
// it: without what the machine's own files have, without what its rules refuse.
// It does not change, and may be walked any number of times.
type View interface {
	// Accounts yields every account, uids ascending. What it yields is valid
	// until the next one.
	Accounts() iter.Seq[*Listed]
	// Groups yields every group that an account lists, and those that its sessions
	// must earn, which no account lists; gids ascending. Its members are the
	// accounts that list its gid.
	Groups() iter.Seq[ListedGroup]
}

// Listed is one account of a [View] with the ids of its groups. Realm is whose it
// is, as a number in the order of the machine's realms.
type Listed struct {
	Account
	GroupIDs
	Realm int
}

// ListedGroup is one group of a [View]; Realm is as in [Listed].
type ListedGroup struct {
	Group
	Realm int
}

// GroupIDs are the groups of one account.
type GroupIDs struct {
	// GIDs are groups of the directory, the account's own among them.
	GIDs []uint32
	// Local are groups of this machine's own that its administrator gave to a
	// group of the directory. They may lie below the ids of a directory.
	Local []uint32
}

// MaxLocalGroups is how many groups of its own a machine may give an account.
const MaxLocalGroups = 255

// Validate refuses ids that may not be given to anybody, root's group above all.
func (g GroupIDs) Validate() error {
	if len(g.GIDs) > MaxGroups || len(g.Local) > MaxLocalGroups {
		return fmt.Errorf("%d groups and %d local ones of one account, at most %d and %d", len(g.GIDs), len(g.Local), MaxGroups, MaxLocalGroups)
	}
	for _, gid := range g.GIDs {
		if err := CheckID(gid); err != nil {
			return err
		}
	}
	for _, gid := range g.Local {
		if gid == 0 || gid >= math.MaxUint32-1 {
			return fmt.Errorf("%w: %d as a local group", ErrID, gid)
		}
	}
	return nil
}

// SubIDs is one account's range of subordinate user and group ids (subuid(5),
// subgid(5)): SubIDCount of them from Start.
type SubIDs struct {
	UID   uint32 // whose
	Start uint32
}

// SubIDCount is how many subordinate ids an account has: what a container needs.
const SubIDCount = 65536

// SubIDRange is where ranges are given out by default: above those that
// useradd(8) gives local people, up to the end of what systemd's UIDS-GIDS table
// keeps for containers. It holds 19,515 ranges.
var SubIDRange = IDRange{Min: 600113152, Max: 1879048191} //nolint:gochecknoglobals // a constant that Go cannot spell

// CheckSubIDs refuses a range that is not one account's, or reaches into ids of
// the system.
func CheckSubIDs(r IDRange) error {
	if uint64(r.Min)+SubIDCount-1 != uint64(r.Max) || r.Min <= 65535 || r.Max >= math.MaxInt32 {
		return fmt.Errorf("%w: %s as subordinate ids", ErrID, r)
	}
	return nil
}

// DirectoryStanding is how far a [View] may be trusted. The zero value: not at all.
type DirectoryStanding struct {
	// Absent: a name or id that is not in it does not exist.
	Absent bool
	// Until is when its names are no longer to be answered; zero: they are not.
	Until time.Time
}

// Forever is a [DirectoryStanding.Until] that never comes: 9999-12-31T23:59:59Z.
func Forever() time.Time { return time.Unix(Never, 0) }

// Revisions count what happened to the directory. Each grows, and says nothing
// else; who follows a directory compares them with those it has seen.
type Revisions struct {
	// Content: an account or a group that programs can see came, went or changed.
	Content uint64
	// Urgent: someone lost something, and it is to be seen at once. Content grew
	// too.
	Urgent uint64
	// Standing: what DirectoryStanding says changed.
	Standing uint64
}
