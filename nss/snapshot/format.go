package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// ErrFormat says that a file is not a whole snapshot of this version and byte
// order.
var ErrFormat = errors.New("not a sound snapshot")

const (
	magic     = "SALLYDIR"
	byteOrder = 0x01020304
	version   = 1

	headerSize = 512
	preamble   = 64 // the part that is the same in every version

	offSuperseded  = 16
	offAbsentUntil = 24
	offValidUntil  = 32
	offCheck       = 64
	offChecked     = 72
	offRealm       = 281
	maxRealm       = 231

	flagAliases = 1

	accountHead = 28
	groupHead   = 24
	ownGroup    = 1 // flag of an account
	// maxGIDs is how many groups besides its own an account's record can list.
	maxGIDs = 4095

	lineSize = 64
	pairs    = 7

	// Forever as the file has it: a second that never comes.
	never = ^uint64(0) >> 1
)

// native is the machine's own byte order: a file does not leave its machine.
var native = binary.NativeEndian //nolint:gochecknoglobals // a constant that Go cannot spell

// section is a part of the file.
type section struct{ offset, length, count uint64 }

// Sections in the order of the header.
const (
	accounts = iota
	groups
	subIDs
	accountNames
	accountUIDs
	groupNames
	groupGIDs
	sections
)

// header is all that is fixed once a file is written.
type header struct {
	size    uint64
	seed    [2]uint64
	written uint64
	flags   uint32
	subIDs  uint32
	part    [sections]section
	realm   string
}

func (h *header) encode(absentUntil, validUntil uint64) []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	native.PutUint32(b[8:], byteOrder)
	native.PutUint32(b[12:], version)
	native.PutUint64(b[offAbsentUntil:], absentUntil)
	native.PutUint64(b[offValidUntil:], validUntil)
	native.PutUint64(b[72:], h.size)
	native.PutUint64(b[80:], h.seed[0])
	native.PutUint64(b[88:], h.seed[1])
	native.PutUint64(b[96:], h.written)
	native.PutUint32(b[104:], h.flags)
	native.PutUint32(b[108:], h.subIDs)
	for i, s := range h.part {
		p := b[112+24*i:]
		native.PutUint64(p, s.offset)
		native.PutUint64(p[8:], s.length)
		native.PutUint64(p[16:], s.count)
	}
	b[offRealm-1] = byte(len(h.realm)) //nolint:gosec // maxRealm
	copy(b[offRealm:], h.realm)
	native.PutUint64(b[offCheck:], headerCheck(b))
	return b
}

func headerCheck(b []byte) uint64 { return hash(k1, k2, b[offChecked:headerSize]) }

// decode checks a header against the size of its file.
func decode(b []byte, size uint64) (*header, error) {
	switch {
	case len(b) < headerSize:
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(b))
	case string(b[:8]) != magic:
		return nil, fmt.Errorf("%w: it begins otherwise", ErrFormat)
	case native.Uint32(b[8:]) != byteOrder:
		return nil, fmt.Errorf("%w: another byte order", ErrFormat)
	case native.Uint32(b[12:]) != version:
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrFormat, native.Uint32(b[12:]), version)
	case native.Uint64(b[offCheck:]) != headerCheck(b):
		return nil, fmt.Errorf("%w: its header is damaged", ErrFormat)
	}
	h := &header{
		size: native.Uint64(b[72:]), seed: [2]uint64{native.Uint64(b[80:]), native.Uint64(b[88:])},
		written: native.Uint64(b[96:]), flags: native.Uint32(b[104:]), subIDs: native.Uint32(b[108:]),
	}
	if h.size != size {
		return nil, fmt.Errorf("%w: %d bytes, and should have %d", ErrFormat, size, h.size)
	}
	for i := range h.part {
		p := b[112+24*i:]
		s := section{native.Uint64(p), native.Uint64(p[8:]), native.Uint64(p[16:])}
		if s.offset%lineSize != 0 || s.offset > size || s.length > size-s.offset || s.count > s.length ||
			(i >= subIDs && s.length%lineSize != 0) {
			return nil, fmt.Errorf("%w: section %d lies outside", ErrFormat, i)
		}
		h.part[i] = s
	}
	n := int(b[offRealm-1])
	if n > maxRealm {
		return nil, fmt.Errorf("%w: a realm of %d bytes", ErrFormat, n)
	}
	h.realm = string(b[offRealm : offRealm+n])
	return h, nil
}

// check of what lies at an offset.
func (h *header) check(offset uint64, b []byte) uint32 {
	return uint32(hash(h.seed[0]+offset, h.seed[1], b)) //nolint:gosec // its low half
}

// randomSeed need not be unpredictable to anyone but who chooses names.
func randomSeed() [2]uint64 { return [2]uint64{rand.Uint64(), rand.Uint64()} } //nolint:gosec // math/rand/v2 is seeded by the system

// pad returns what fills n up to a multiple of to.
func pad(n, to int) int { return -n & (to - 1) }
