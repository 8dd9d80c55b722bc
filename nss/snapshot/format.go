package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/sallyport-auth/sallyport/identity"
)

// ErrFormat says that a file is not a whole snapshot of this version and byte
// order.
var ErrFormat = errors.New("not a sound snapshot")

const (
	magic     = "SALLYDIR"
	byteOrder = 0x01020304
	version   = 2

	headerSize = 1024
	preamble   = 64 // the part that is the same in every version

	offSuperseded  = 16
	offAbsentUntil = 24
	offValidUntil  = 32
	offCheck       = 64
	offChecked     = 72
	offRealms      = 280

	flagAliases = 1

	// flags of a realm
	qualifiedUsers  = 1
	qualifiedGroups = 2

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
	_ // zero
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
	part    [sections]section
	realms  []Realm
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
	for i, s := range h.part {
		p := b[112+24*i:]
		native.PutUint64(p, s.offset)
		native.PutUint64(p[8:], s.length)
		native.PutUint64(p[16:], s.count)
	}
	b[offRealms] = byte(len(h.realms)) //nolint:gosec // Write has checked it
	at := offRealms + 1
	for _, r := range h.realms {
		b[at], b[at+1] = r.flags(), byte(len(r.Name)) //nolint:gosec // the same
		at += 2 + copy(b[at+2:], r.Name)
	}
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
		written: native.Uint64(b[96:]), flags: native.Uint32(b[104:]),
	}
	if h.size != size {
		return nil, fmt.Errorf("%w: %d bytes, and should have %d", ErrFormat, size, h.size)
	}
	for i := range h.part {
		p := b[112+24*i:]
		s := section{native.Uint64(p), native.Uint64(p[8:]), native.Uint64(p[16:])}
		if s.offset%lineSize != 0 || s.offset > size || s.length > size-s.offset || s.count > s.length ||
			(i > groups && s.length%lineSize != 0) {
			return nil, fmt.Errorf("%w: section %d lies outside", ErrFormat, i)
		}
		h.part[i] = s
	}
	return h, h.decodeRealms(b[offRealms:headerSize])
}

func (h *header) decodeRealms(b []byte) error {
	n := int(b[0])
	if n > identity.MaxRealms {
		return fmt.Errorf("%w: %d realms", ErrFormat, n)
	}
	b = b[1:]
	for range n {
		size := int(b[1])
		if size > identity.MaxRealmLen {
			return fmt.Errorf("%w: a realm of %d bytes", ErrFormat, size)
		}
		h.realms = append(h.realms, Realm{
			Name: string(b[2 : 2+size]), QualifiedUsers: b[0]&qualifiedUsers != 0, QualifiedGroups: b[0]&qualifiedGroups != 0,
		})
		b = b[2+size:]
	}
	return nil
}

// Realm is one that accounts and groups of the file are of.
type Realm struct {
	Name string
	// Whether its names are name@realm, see [identity.Naming].
	QualifiedUsers, QualifiedGroups bool
}

func (r Realm) flags() (f byte) {
	if r.QualifiedUsers {
		f |= qualifiedUsers
	}
	if r.QualifiedGroups {
		f |= qualifiedGroups
	}
	return f
}

// checkRealms refuses what the header has no room for.
func checkRealms(list []Realm) error {
	if len(list) > identity.MaxRealms {
		return fmt.Errorf("%d realms, at most %d", len(list), identity.MaxRealms)
	}
	for _, r := range list {
		if len(r.Name) > identity.MaxRealmLen {
			return fmt.Errorf("the realm's name %q has more than %d bytes", r.Name, identity.MaxRealmLen)
		}
	}
	return nil
}

// check of what lies at an offset.
func (h *header) check(offset uint64, b []byte) uint32 {
	return uint32(hash(h.seed[0]+offset, h.seed[1], b)) //nolint:gosec // its low half
}

// randomSeed need not be unpredictable to anyone but who chooses names.
func randomSeed() [2]uint64 { return [2]uint64{rand.Uint64(), rand.Uint64()} } //nolint:gosec // math/rand/v2 is seeded by the system

// pad returns what fills n up to a multiple of to.
func pad(n, to int) int { return -n & (to - 1) }
