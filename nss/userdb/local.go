package userdb

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// local is what passwd(5) or group(5) has.
type local struct {
	ids   map[string]bool
	names map[uint32]string
}

// has tells whether a name or an id is the machine's own; "" and 0 are not asked for.
func (l local) has(name string, id uint32) bool {
	_, taken := l.names[id]
	return (id != 0 && taken) || l.ids[name]
}

// readLocal reads a file of the machine's own. It is read for each question that
// found somebody: it is small, and somebody may have been added just now.
func readLocal(path string) (local, error) {
	f, err := os.Open(path)
	if err != nil {
		return local{}, fmt.Errorf("local names: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	l := local{ids: map[string]bool{}, names: map[uint32]string{}}
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20) // a group of many
	for in.Scan() {
		fields := strings.SplitN(in.Text(), ":", 4)
		if len(fields) < 3 {
			continue
		}
		l.ids[fields[0]] = true
		if id, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
			if _, taken := l.names[uint32(id)]; !taken { // the first one counts
				l.names[uint32(id)] = fields[0]
			}
		}
	}
	if err := in.Err(); err != nil {
		return local{}, fmt.Errorf("local names: %s: %w", path, err)
	}
	return l, nil
}
