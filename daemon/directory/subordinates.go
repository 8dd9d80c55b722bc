package directory

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// subordinates are the ranges of subuid(5) or subgid(5), sorted and apart. Whoever is
// given one may become every id in it, by newuidmap(1): so none of them may be the id of
// somebody of a realm, whoever the line is for.
type subordinates []identity.IDRange

func (s subordinates) has(id uint32) bool {
	at, ok := slices.BinarySearchFunc(s, id, func(r identity.IDRange, id uint32) int {
		switch {
		case r.Max < id:
			return -1
		case r.Min > id:
			return 1
		default:
			return 0
		}
	})
	return ok && at < len(s)
}

// subFile is /etc/subuid or /etc/subgid, which is read again when it changed.
type subFile struct {
	path string

	mu   sync.Mutex
	stat stamp
	read bool
	last subordinates
}

// current returns the file's ranges. One that is there and cannot be read is an error:
// then no id can be told apart from a subordinate one.
func (f *subFile) current() (subordinates, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		f.read, f.last = false, nil
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("subordinate ids: %w", err)
	}
	now := stampOf(info)
	if f.read && now == f.stat && time.Since(now.mod) > time.Second { // see localFile
		return f.last, nil
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("subordinate ids: %w", err)
	}
	f.stat, f.read, f.last = now, true, parseSubordinates(b)
	return f.last, nil
}

// parseSubordinates reads lines of "owner:first:count". What makes no sense gives nobody
// an id; what runs over the end of all ids ends there.
func parseSubordinates(b []byte) subordinates {
	var list subordinates
	for line := range bytes.Lines(b) {
		fields := bytes.Split(bytes.TrimSpace(line), []byte{':'})
		if len(fields) < 3 {
			continue
		}
		first, err1 := strconv.ParseUint(string(bytes.TrimSpace(fields[1])), 10, 32)
		count, err2 := strconv.ParseUint(string(bytes.TrimSpace(fields[2])), 10, 64)
		if err1 != nil || err2 != nil || count == 0 {
			continue
		}
		last := uint64(math.MaxUint32)
		if count-1 < last-first {
			last = first + count - 1
		}
		list = append(list, identity.IDRange{Min: uint32(first), Max: uint32(last)})
	}
	slices.SortFunc(list, func(a, b identity.IDRange) int { return int(int64(a.Min) - int64(b.Min)) })
	apart := list[:0]
	for _, r := range list {
		if n := len(apart); n > 0 && r.Min <= apart[n-1].Max {
			apart[n-1].Max = max(apart[n-1].Max, r.Max)
			continue
		}
		apart = append(apart, r)
	}
	return apart
}
