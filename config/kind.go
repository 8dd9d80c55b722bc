package config

import (
	"fmt"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
)

// Kind is a kind of provider.
type Kind struct{ text }

// The kinds: a server of this project, and one of Kanidm.
const (
	Sallyport = "sallyport"
	Kanidm    = "kanidm"
)

// kindRow is what this package, and whoever reads a configuration, knows of one kind. How it
// is opened is in the daemon's own table.
type kindRow struct {
	name string
	// joined: a machine joins such a realm and trusts its key. It can have joined one.
	joined bool
	// fleet: such a realm may have several servers, which all know the same.
	fleet bool
	// mapped: the file says how accounts look here (KanidmSettings), as the server does not.
	mapped bool
	// ids are what such a server gives out by itself.
	ids []identity.IDRange
}

func kindRows() []kindRow {
	return []kindRow{
		{name: Sallyport, joined: true, fleet: true, ids: []identity.IDRange{identity.DefaultIDRange}},
		{name: Kanidm, mapped: true, ids: KanidmIDs},
	}
}

// row is that of a kind; the zero row of none.
func (k Kind) row() kindRow {
	for _, r := range kindRows() {
		if r.name == k.String() {
			return r
		}
	}
	return kindRow{}
}

// Joined tells whether a machine joins a realm of this kind, and trusts the realm's key in
// place of authorities for certificates.
func (k Kind) Joined() bool { return k.row().joined }

// Named tells whether the settings say how people and groups of such a realm are called.
func (k Kind) Named() bool { return k.row().mapped }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(b []byte) error {
	if (Kind{text(b)}).row().name == "" {
		return fmt.Errorf("unknown kind %q; this version knows %s", b, known())
	}
	k.text = text(b)
	return nil
}

// known names the kinds.
func known() string {
	rows := kindRows()
	return fmt.Sprintf("%q and %q", rows[0].name, rows[1].name)
}

// KanidmIDs are what a Kanidm server allots (0x70000000 to 0x7fffffff, without what
// identity.CheckID reserves), and of the numbers that its book recommends for setting by
// hand (65536 to 524287) those below login.defs(5)'s SUB_UID_MIN.
var KanidmIDs = []identity.IDRange{{Min: 65536, Max: 99999}, {Min: 1879048192, Max: 2147352575}, {Min: 2147418112, Max: 2147483647}} //nolint:gochecknoglobals // a constant table

// AnyID is every id that no rule reserves: what an administrator may choose.
var AnyID = []identity.IDRange{{Min: 1000, Max: 60000}, {Min: 65536, Max: 2147352575}, {Min: 2147418112, Max: 2147483647}} //nolint:gochecknoglobals // the same

// IDRanges are the ranges to accept from a provider. With none in the file it is what
// such a server allots from, and none that useradd(8) gives to local users or to their
// subordinate ids: those are taken where the administrator writes them, and nowhere else.
func (c *Config) IDRanges(p *Provider) []identity.IDRange {
	from := p.IDs
	if len(from) == 0 {
		from = c.IDs.Allow
	}
	if len(from) == 0 {
		return slices.Clone(p.Kind.row().ids)
	}
	ranges := make([]identity.IDRange, len(from))
	for i, r := range from {
		ranges[i] = identity.IDRange(r)
	}
	return ranges
}
