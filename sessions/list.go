package sessions

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
)

// Order is what becomes of one session.
type Order struct {
	// PID is the process of sshd that leads it, and Started when that began, in clock ticks
	// since boot.
	PID     uint32
	Started uint64
	UID     uint32
	// End ends it; otherwise its terminals are told.
	End bool
}

// MaxOrders bounds a list.
const MaxOrders = 4096

// maxList bounds its file, in bytes.
const maxList = MaxOrders * 64

const (
	tellWord = "tell"
	endWord  = "end"
)

// ErrList says that a file is no list.
var ErrList = errors.New("not a list of sessions")

// Marshal writes a list: "WORD PID STARTED UID" in a line each.
func Marshal(list []Order) []byte {
	var b bytes.Buffer
	for _, o := range list {
		word := tellWord
		if o.End {
			word = endWord
		}
		fmt.Fprintf(&b, "%s %d %d %d\n", word, o.PID, o.Started, o.UID)
	}
	return b.Bytes()
}

// Parse reads one.
func Parse(text []byte) ([]Order, error) {
	var list []Order
	for line := range strings.Lines(string(text)) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(words) != 4 || (words[0] != tellWord && words[0] != endWord) || len(list) == MaxOrders {
			return nil, fmt.Errorf("%w: line %d", ErrList, len(list)+1)
		}
		var n [3]uint64
		for i, most := range []uint64{math.MaxInt32, math.MaxUint64, math.MaxUint32} {
			var err error
			if n[i], err = strconv.ParseUint(words[i+1], 10, 64); err != nil || n[i] == 0 || n[i] > most {
				return nil, fmt.Errorf("%w: line %d", ErrList, len(list)+1)
			}
		}
		list = append(list, Order{PID: uint32(n[0]), Started: n[1], UID: uint32(n[2]), End: words[0] == endWord}) //nolint:gosec // bounded above
	}
	return list, nil
}

// Read reads the list of a file; none is an empty one.
func Read(path string) ([]Order, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxList) {
		err = fmt.Errorf("%s: %w", path, ErrList)
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	return Parse(text)
}

// Write replaces a file by rename, so that who watches it sees it change.
func Write(path string, text []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err //nolint:wrapcheck // names the file
	}
	return os.Rename(next, path) //nolint:wrapcheck // names the files
}
