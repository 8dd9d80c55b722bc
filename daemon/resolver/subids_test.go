package resolver

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/subid"
)

func TestARangeOfTheFilesIsTakenOverOnlyAsItsOwnAlone(t *testing.T) {
	const uid = 1900000100
	in := identity.IDRange{Min: 200_000_000, Max: 200_000_000 + 3*identity.SubIDCount + 100}
	share := func(n uint32) identity.IDRange { return subid.Range(in.Min + n*identity.SubIDCount) }
	line := func(owner string, r identity.IDRange) subid.Line { return subid.Line{Owner: owner, IDRange: r} }
	own := line("1900000100", share(1))
	for what, c := range map[string]struct {
		lines  []subid.Line
		others []identity.IDRange
		want   uint32
	}{
		"its own, once":              {[]subid.Line{own}, nil, own.Min},
		"its own, in both files":     {[]subid.Line{own, own}, nil, own.Min},
		"beside others":              {[]subid.Line{line("root", share(0)), own, line("bob", share(2))}, []identity.IDRange{{Min: share(0).Max, Max: share(0).Max}}, own.Min},
		"nobody's":                   {nil, nil, 0},
		"another owner's":            {[]subid.Line{line("1900000101", share(1))}, nil, 0},
		"below the machine's range":  {[]subid.Line{line("1900000100", subid.Range(in.Min-identity.SubIDCount))}, nil, 0},
		"beyond the machine's range": {[]subid.Line{line("1900000100", share(3))}, nil, 0},
		"of another length":          {[]subid.Line{line("1900000100", identity.IDRange{Min: share(1).Min, Max: share(1).Max - 1})}, nil, 0},
		"another has its first id":   {[]subid.Line{own}, []identity.IDRange{{Min: own.Min, Max: own.Min}}, 0},
		"another has its last id":    {[]subid.Line{own}, []identity.IDRange{{Min: own.Max, Max: own.Max}}, 0},
		"a line of another meets it": {[]subid.Line{own, line("bob", identity.IDRange{Min: own.Max, Max: own.Max + 10})}, nil, 0},
		"a second one is its alone":  {[]subid.Line{own, line("bob", own.IDRange), line("1900000100", share(2))}, nil, share(2).Min},
	} {
		if got := ownRange(uid, in, c.lines, c.others); got != c.want {
			t.Errorf("%s: %d, want %d", what, got, c.want)
		}
	}
}
