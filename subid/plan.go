package subid

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
)

// Host is the machine whose files lie below Root, normally "/".
type Host struct{ Root string }

func (h Host) path(name string) string { return filepath.Join(h.Root, "etc", name) }

// files are the two that are written.
func files() []string { return []string{"subuid", "subgid"} }

// Refusal says why a range of the list is not added.
type Refusal struct {
	UID uint32
	Why string
}

// Plan is what is to be done with a list of ranges.
type Plan struct {
	// Add has, for each of the two files that exists, what is missing in it.
	Add map[string][]identity.SubIDs
	// Absent are the files that do not exist.
	Absent  []string
	Refused []Refusal
}

// Missing counts the people whose range is not in both files and will be added.
func (p Plan) Missing() int {
	people := map[uint32]bool{}
	for _, list := range p.Add {
		for _, s := range list {
			people[s.UID] = true
		}
	}
	return len(people)
}

// Plan compares a list of ranges with the files.
func (h Host) Plan(wanted []identity.SubIDs) (Plan, error) {
	p := Plan{Add: map[string][]identity.SubIDs{}}
	j, err := h.judge(wanted)
	if err != nil {
		return p, err
	}
	for _, name := range files() {
		if j.owners[name] == nil {
			p.Absent = append(p.Absent, "/etc/"+name)
		}
	}
	for i, s := range j.wanted {
		if why := j.why(i); why != "" {
			p.Refused = append(p.Refused, Refusal{s.UID, why})
			continue
		}
		for _, name := range files() {
			if o := j.owners[name]; o != nil && !o[strconv.FormatUint(uint64(s.UID), 10)] {
				p.Add[name] = append(p.Add[name], s)
			}
		}
	}
	return p, nil
}

// judge holds what a range is compared with.
type judge struct {
	wanted []identity.SubIDs          // by start
	reach  []uint32                   // the highest id of the ranges up to each
	uids   []uint32                   // of wanted, ascending
	lines  []Line                     // of both files, by Min
	top    []uint32                   // the highest id of the lines up to each
	owners map[string]map[string]bool // by file; nil: there is no such file
	local  map[uint32]bool            // accounts
	ids    []uint32                   // of local accounts and groups, ascending
}

func (h Host) judge(wanted []identity.SubIDs) (*judge, error) {
	j := &judge{wanted: slices.Clone(wanted), owners: map[string]map[string]bool{}, local: map[uint32]bool{}}
	slices.SortFunc(j.wanted, func(a, b identity.SubIDs) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.UID, b.UID))
	})
	for _, s := range j.wanted {
		j.uids = append(j.uids, s.UID)
		j.reach = append(j.reach, max(last(j.reach), uint32(min(uint64(s.Start)+identity.SubIDCount-1, 1<<32-1))))
	}
	slices.Sort(j.uids)
	for _, name := range files() {
		b, err := os.ReadFile(h.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // names the file
		}
		owners := map[string]bool{}
		for _, l := range Parse(b) {
			owners[l.Owner] = true
			j.lines = append(j.lines, l)
		}
		j.owners[name] = owners
	}
	slices.SortFunc(j.lines, func(a, b Line) int { return cmp.Compare(a.Min, b.Min) })
	for _, l := range j.lines {
		j.top = append(j.top, max(last(j.top), l.Max))
	}
	return j, j.readLocal(h)
}

func last(list []uint32) uint32 {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1]
}

// readLocal reads the third field of passwd(5) and group(5), which is the id in both.
func (j *judge) readLocal(h Host) error {
	for _, name := range []string{"passwd", "group"} {
		b, err := os.ReadFile(h.path(name))
		if err != nil {
			return err //nolint:wrapcheck // names the file; without it nothing is known to be free
		}
		for text := range strings.Lines(string(b)) {
			fields := strings.Split(strings.TrimSuffix(text, "\n"), ":")
			if len(fields) < 3 {
				continue
			}
			id, err := strconv.ParseUint(fields[2], 10, 32)
			if err != nil {
				continue
			}
			j.ids = append(j.ids, uint32(id))
			if name == "passwd" {
				j.local[uint32(id)] = true
			}
		}
	}
	slices.Sort(j.ids)
	return nil
}

// why says why the range must not be added; "" when it may.
func (j *judge) why(i int) string {
	s := j.wanted[i]
	if err := identity.CheckID(s.UID); err != nil {
		return err.Error()
	}
	r := identity.IDRange{Min: s.Start, Max: s.Start + identity.SubIDCount - 1}
	if err := identity.CheckSubIDs(r); err != nil {
		return err.Error()
	}
	switch {
	case j.local[s.UID]:
		return fmt.Sprintf("uid %d is a local account", s.UID)
	case count(j.uids, s.UID) > 1:
		return fmt.Sprintf("uid %d has more than one range in the list", s.UID)
	case i > 0 && j.reach[i-1] >= r.Min, i+1 < len(j.wanted) && j.wanted[i+1].Start <= r.Max:
		return fmt.Sprintf("%s overlaps another range of the list", r)
	case within(j.ids, r):
		return fmt.Sprintf("%s holds the id of a local account or group", r)
	case within(j.uids, r):
		return fmt.Sprintf("%s holds the uid of one of the people of the list", r)
	}
	if l := j.overlap(s, r); l != nil {
		return fmt.Sprintf("%s overlaps the line %d+%d of another in subuid(5) or subgid(5)", r, l.Min, uint64(l.Max)-uint64(l.Min)+1)
	}
	return ""
}

// overlap finds a line that reaches into the range and is not the owner's own for
// just this range.
func (j *judge) overlap(s identity.SubIDs, r identity.IDRange) *Line {
	own := strconv.FormatUint(uint64(s.UID), 10)
	after, _ := slices.BinarySearchFunc(j.lines, r.Max, func(l Line, id uint32) int {
		if l.Min <= id {
			return -1
		}
		return 1
	})
	for i := after - 1; i >= 0 && j.top[i] >= r.Min; i-- {
		if l := &j.lines[i]; l.Max >= r.Min && (l.Owner != own || l.IDRange != r) {
			return l
		}
	}
	return nil
}

// within tells whether one of ascending ids lies in the range.
func within(ids []uint32, r identity.IDRange) bool {
	i, _ := slices.BinarySearch(ids, r.Min)
	return i < len(ids) && ids[i] <= r.Max
}

func count(ids []uint32, id uint32) int {
	i, _ := slices.BinarySearch(ids, id)
	n := 0
	for ; i < len(ids) && ids[i] == id; i++ {
		n++
	}
	return n
}
