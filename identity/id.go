package identity

import (
	"errors"
	"fmt"
)

// ErrID says that a numeric id may never come from a directory.
var ErrID = errors.New("id outside the allowed range")

// IDRange is a closed range of user and group ids. The zero value allows none.
type IDRange struct{ Min, Max uint32 }

// DefaultIDRange is what a new realm allots from: the part of the 31-bit space
// that systemd's UIDS-GIDS table leaves to nobody, above the container ranges
// (524288 to 1879048191) and below the foreign range (from 2147352576).
var DefaultIDRange = IDRange{Min: 1879048192, Max: 2147352575} //nolint:gochecknoglobals // a constant that Go cannot spell

// reserved lists what no setting can allow, with the reason that an
// administrator is shown.
var reserved = [...]struct { //nolint:gochecknoglobals // a table
	IDRange
	why string
}{
	{IDRange{0, 999}, "system accounts"},
	{IDRange{60001, 65535}, "systemd's homed, dynamic and nobody ids"},
	{IDRange{2147352576, 2147418111}, "systemd's foreign ids"},
	{IDRange{4294967294, 4294967295}, "-2 and -1"},
}

// CheckID refuses an id that must never come from a directory: a system
// account's, systemd's dynamic users (61184 to 65519), nobody, -1 and their
// kin. There is no default id, and zero is not a value. A machine's own, narrower
// range is [IDRange.Contains].
func CheckID(id uint32) error {
	for _, r := range reserved {
		if r.Contains(id) {
			return fmt.Errorf("%w: %d belongs to %s", ErrID, id, r.why)
		}
	}
	return nil
}

// Contains tells whether id lies in the range.
func (r IDRange) Contains(id uint32) bool { return r.Min <= id && id <= r.Max }

// Validate refuses a range that is empty or reaches into reserved ids.
func (r IDRange) Validate() error {
	if r.Min > r.Max {
		return fmt.Errorf("%w: %d-%d is empty", ErrID, r.Min, r.Max)
	}
	for _, s := range reserved {
		if r.Min <= s.Max && s.Min <= r.Max {
			return fmt.Errorf("%w: %d-%d overlaps %d-%d, %s", ErrID, r.Min, r.Max, s.Min, s.Max, s.why)
		}
	}
	return nil
}

// String formats the range as "MIN-MAX", the form used in configuration.
func (r IDRange) String() string { return fmt.Sprintf("%d-%d", r.Min, r.Max) }
