package module_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/nss/module"
)

// Members are read 64 bytes at a time: names end within, across and behind them. Every
// check of the file holds; only what the members say is wrong.
// Promise snapshot-checked.
func TestMembersThatAreNoNamesEnterNoProgram(t *testing.T) {
	const size = 150
	v := fewPeople()
	for i := range size / 5 {
		v.add(fmt.Sprintf("m%03d", i), uint32(70500+i), 70800)
	}
	v.groups = append(v.groups, listed("band", 70800))
	publish(t, v, whole())
	good, err := os.ReadFile(the.path())
	if err != nil {
		t.Fatal(err)
	}
	native := binary.NativeEndian
	members := strings.Index(string(good), "m000\x00m001\x00")
	group := members - 24 - 8
	first := []string{"abc", strings.Repeat("d", 58), "e"} // the third begins the second 64 bytes
	for name, c := range map[string]struct {
		names []string
		ok    bool
		tell  func(bytes, count uint32) (uint32, uint32) // what the record says of them
	}{
		"as they should be":             {names: append(first, "f.g-h_1"), ok: true},
		"as long as a name may be":      {names: []string{strings.Repeat("n", 64), "x"}, ok: true},
		"one letter more":               {names: []string{strings.Repeat("n", 65), "x"}},
		"ends with the 64 bytes":        {names: []string{strings.Repeat("n", 63), "x"}, ok: true},
		"digits and a letter":           {names: append(first, "007a"), ok: true},
		"digits alone":                  {names: append(first, "007")},
		"an underscore first":           {names: append(first, "_a"), ok: true},
		"a hyphen first":                {names: append(first, "-a")},
		"a dot first":                   {names: append(first, ".a")},
		"upper case":                    {names: append(first, "aB")},
		"a colon":                       {names: append(first, "a:b")},
		"a comma":                       {names: append(first, "a,b")},
		"a name of nothing":             {names: append(first, "", "a")},
		"a realm behind":                {names: append(first, "a@q.org", "b"), ok: true},
		"its '@' and its end apart":     {names: []string{strings.Repeat("n", 60), "o@q.org", "p"}, ok: true},
		"one '@', and one much later":   {names: []string{strings.Repeat("n", 60), "o@q.org", strings.Repeat("p", 60), "r@s"}, ok: true},
		"nothing before the realm":      {names: append(first, "@q.org")},
		"no realm behind":               {names: append(first, "a@")},
		"a realm that begins with dot":  {names: append(first, "a@.q")},
		"two realms":                    {names: append(first, "a@q@r")},
		"digits in a realm":             {names: append(first, "123@q")},
		"a long name in a realm":        {names: []string{strings.Repeat("n", 65) + "@q", "x"}},
		"fewer than there are":          {names: append(first, "a"), tell: func(b, n uint32) (uint32, uint32) { return b, n - 1 }},
		"fewer than there are of realm": {names: []string{"a@q", "b@q", "c@q"}, tell: func(b, n uint32) (uint32, uint32) { return b, 1 }},
		"many more of realm":            {names: slices.Repeat([]string{"a@q"}, 37), tell: func(b, n uint32) (uint32, uint32) { return b, 1 }},
		"more than there are":           {names: append(first, "a"), tell: func(b, n uint32) (uint32, uint32) { return b, n + 1 }},
		"a rest without an end":         {names: append(first, "a", "bc"), tell: func(b, n uint32) (uint32, uint32) { return b - 1, n - 1 }},
		"no members":                    {ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			block := strings.Join(append(slices.Clone(c.names), ""), "\x00")
			if len(block) > size {
				t.Fatalf("%d bytes", len(block))
			}
			bytes, count := uint32(len(block)), uint32(len(c.names))
			if c.tell != nil {
				bytes, count = c.tell(bytes, count)
			}
			b := slices.Clone(good)
			copy(b[members:], block)
			native.PutUint32(b[group+12:], count)
			native.PutUint32(b[group+16:], bytes)
			check := func(from, n int) uint32 {
				return uint32(module.Hash(native.Uint64(b[80:])+uint64(from), native.Uint64(b[88:]), b[from:from+n]))
			}
			native.PutUint32(b[group+4:], check(members, int(bytes)))
			native.PutUint32(b[group:], uint32(module.Hash(native.Uint64(b[80:])+uint64(group), native.Uint64(b[88:]), b[group+4:group+24+len("band.x.")])))
			place(t, b)
			w := unsaid
			if c.ok {
				w = "band:x:70800:" + strings.Join(c.names, ",")
			}
			// No byte more than it says that it needs, so that a sanitizer sees one too many.
			room := fmt.Sprintf("room=%d", (count+1)*8+uint32(len("band.x."))+bytes)
			both(t, func(t *testing.T, v variant) { want(t, v.ask(t, room, "grgid=70800"), w) })
		})
	}
}
