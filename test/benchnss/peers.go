package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/test/bench/fill"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// services are the columns.
var services = []service{ //nolint:gochecknoglobals // a table
	{"floor", "floor", startFloor},
	{"sallyport", "sallyport", startOurs},
	{"nscd", "-", startNSCD},
	{"sssd", "sss", startSSSD},
	{"cache", "cache", startCache},
}

// user is a line of passwd(5).
func user(i int) string {
	a := fill.Realm{}.Token(i, nil).Account
	return fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", a.Name, a.UID, a.GID, a.FullName, a.Home, a.Shell)
}

// files are passwd(5) and group(5) of n people: each with a group of its own, and
// the teams.
func files(n int) (passwd, group []string) {
	r := realm(n)
	members := make([][]string, r.Groups)
	for i, of := range r.Memberships() {
		passwd = append(passwd, user(i))
		group = append(group, fmt.Sprintf("user%d:x:%d:user%d", i, fill.FirstUID+i, i))
		for _, t := range of {
			members[t] = append(members[t], "user"+strconv.Itoa(i))
		}
	}
	for t, m := range members {
		group = append(group, fmt.Sprintf("team%d:x:%d:%s", t, fill.FirstGID+t, strings.Join(m, ",")))
	}
	return passwd, group
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// startFloor writes the file that floor.c reads.
func startFloor(_ context.Context, m *machine.Machine, n int) (*running, error) {
	slots := 1 << bits.Len(uint(n*3/2))
	table := [2][]byte{make([]byte, 16*slots), make([]byte, 16*slots)}
	var records []byte
	start := 16 + 32*slots
	for i := range n {
		f := strings.Split(user(i), ":")
		var r []byte
		r = binary.NativeEndian.AppendUint32(r, uint32(fill.FirstUID+i))
		key := slices.Clone(r)
		r = binary.NativeEndian.AppendUint32(r, uint32(fill.FirstUID+i))
		var body []byte
		for _, s := range []string{f[0], f[1], f[4], f[5], f[6]} {
			r = binary.NativeEndian.AppendUint16(r, uint16(len(s)))
			body = append(append(body, s...), 0)
		}
		for t, k := range [][]byte{[]byte(f[0]), key} {
			h := floorHash(k)
			at := int(h & uint64(slots-1))
			for binary.NativeEndian.Uint32(table[t][16*at+8:]) != 0 {
				at = (at + 1) & (slots - 1)
			}
			binary.NativeEndian.PutUint64(table[t][16*at:], h)
			binary.NativeEndian.PutUint32(table[t][16*at+8:], uint32(start+len(records)))
			binary.NativeEndian.PutUint32(table[t][16*at+12:], uint32(len(body)))
		}
		records = append(append(records, r...), body...)
	}
	head := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, uint64(slots)), uint64(slots))
	file := bytes.Join([][]byte{head, table[0], table[1], records}, nil)
	return &running{floor: true, facts: map[string]figure{"disk": mb(float64(len(file)))}},
		m.WriteFile("/var/cache/floor", string(file), 0o644)
}

func floorHash(b []byte) uint64 {
	mix := func(a, b uint64) uint64 {
		hi, lo := bits.Mul64(a, b)
		return hi ^ lo
	}
	h := uint64(len(b)) * 0x9E3779B97F4A7C15
	for ; len(b) >= 8; b = b[8:] {
		h = mix(h^binary.NativeEndian.Uint64(b), 0xD6E8FEB86659FD93)
	}
	var tail [8]byte
	copy(tail[:], b)
	return mix(h^binary.NativeEndian.Uint64(tail[:]), 0xA0761D6478BD642F)
}

func mb(bytes float64) figure { return figure{value: bytes / 1e6, ok: true} }

// startCache writes what nsscache(1) would: sorted files with an index for each key.
func startCache(_ context.Context, m *machine.Machine, n int) (*running, error) {
	passwd, group := files(n)
	size := 0.0
	for _, f := range []struct {
		path  string
		lines []string
		index map[string]int
	}{
		{"/etc/passwd.cache", passwd, map[string]int{"ixname": 0, "ixuid": 2}},
		{"/etc/group.cache", group, map[string]int{"ixname": 0, "ixgid": 2}},
	} {
		body := text(f.lines)
		size += float64(len(body))
		if err := m.WriteFile(f.path, body, 0o644); err != nil {
			return nil, err
		}
		for name, column := range f.index {
			ix := index(f.lines, column)
			size += float64(len(ix))
			if err := m.WriteFile(f.path+"."+name, ix, 0o644); err != nil {
				return nil, err
			}
		}
	}
	return &running{facts: map[string]figure{"disk": mb(size)}}, nil
}

// index is a sorted list of rows of one width: key NUL offset NUL … newline.
func index(lines []string, column int) string {
	type entry struct{ key, offset string }
	list := make([]entry, 0, len(lines))
	at, width := 0, 0
	for _, l := range lines {
		e := entry{strings.SplitN(l, ":", 4)[column], strconv.Itoa(at)}
		at += len(l) + 1
		width = max(width, len(e.key)+len(e.offset)+2)
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	var out strings.Builder
	for _, e := range list {
		row := e.key + "\x00" + e.offset + "\x00"
		out.WriteString(row + strings.Repeat("\x00", width-len(row)) + "\n")
	}
	return out.String()
}

func parsed(s string) figure {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return figure{text: "?"}
	}
	return mb(v)
}
