package subid

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/sallyport-auth/sallyport/identity"
)

// Line is one line of subuid(5) or subgid(5): the ids from Min to Max belong to the
// owner, who is named or given by number.
type Line struct {
	Owner string
	identity.IDRange
}

// Parse reads subuid(5) or subgid(5). A line that makes no sense reserves nothing, as
// for the programs that read it.
func Parse(b []byte) []Line {
	var list []Line
	for line := range bytes.Lines(b) {
		fields := bytes.Split(bytes.TrimSpace(line), []byte{':'})
		if len(fields) != 3 || bytes.HasPrefix(fields[0], []byte{'#'}) {
			continue
		}
		first, err1 := strconv.ParseUint(string(fields[1]), 10, 32)
		count, err2 := strconv.ParseUint(string(fields[2]), 10, 32)
		if err1 != nil || err2 != nil || count == 0 {
			continue
		}
		list = append(list, Line{string(fields[0]), identity.IDRange{Min: uint32(first), Max: uint32(min(first+count-1, 1<<32-1))}})
	}
	return list
}

// MaxList is the largest list of ranges that is read: more than there is room for
// below 2^31.
const MaxList = 2 << 20

// errList says that a list of ranges is not one. It never holds what was read.
var errList = errors.New("not a list of subordinate ids")

// Marshal writes the daemon's list of ranges, a line "uid:start:count" each.
func Marshal(list []identity.SubIDs) []byte {
	var b []byte
	for _, s := range list {
		b = append(b, line(s)...)
	}
	return b
}

func line(s identity.SubIDs) string {
	return fmt.Sprintf("%d:%d:%d\n", s.UID, s.Start, identity.SubIDCount)
}

// Unmarshal reads what [Marshal] wrote, and nothing else.
func Unmarshal(b []byte) ([]identity.SubIDs, error) {
	if len(b) > MaxList {
		return nil, fmt.Errorf("%w: more than %d bytes", errList, MaxList)
	}
	var list []identity.SubIDs
	n := 0
	for text := range bytes.Lines(b) {
		n++
		var s identity.SubIDs
		fields := bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{':'})
		if len(fields) == 3 {
			uid, err1 := strconv.ParseUint(string(fields[0]), 10, 32)
			start, err2 := strconv.ParseUint(string(fields[1]), 10, 32)
			if err1 == nil && err2 == nil {
				s = identity.SubIDs{UID: uint32(uid), Start: uint32(start)}
			}
		}
		if s.UID == 0 || line(s) != string(text) {
			return nil, fmt.Errorf("%w: line %d", errList, n)
		}
		list = append(list, s)
	}
	return list, nil
}

// Range is the ids of one account.
func Range(start uint32) identity.IDRange {
	return identity.IDRange{Min: start, Max: start + identity.SubIDCount - 1}
}
