package directory

import "testing"

func FuzzLocalFiles(f *testing.F) {
	for _, seed := range []string{
		"", "root:x:0:0:root:/root:/bin/sh\n", "#c\n\n::::\n", "a:b:4294967295:", "+nis::::::\n", "no newline:x:5", "x:x:-1:\n", "\x00:\xff:1\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := parseNames(b)
		for name := range n.byName {
			for _, c := range name {
				if c == ':' || c == '\n' {
					t.Fatalf("name %q", name)
				}
			}
		}
		// A line of ours at the end is always seen, whatever came before it.
		n = parseNames(append(append(b, '\n'), "carol:x:1234:5:::\n"...))
		if !n.byName["carol"] || !n.byID[1234] {
			t.Fatal("the last line is hidden")
		}
	})
}

func FuzzParseNames(f *testing.F) {
	f.Add([]byte("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/\n"))
	f.Add([]byte("docker:x:107:\ndocker:x:0:\n+::::\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := parseNames(text)
		for name, id := range n.idOf {
			if !n.byID[id] || (name != "" && !n.byName[name]) {
				t.Fatalf("%q has %d, which nobody has", name, id)
			}
		}
	})
}

// Promise reserved-ids.
func TestSubordinateRangesAreReadGenerously(t *testing.T) {
	s := parseSubordinates([]byte("a:100:10\n1000:105:10\nbad\n:x:y\nc:4294967290:99999999999\nd:50:0\ne:200:1\n"))
	for id, want := range map[uint32]bool{99: false, 100: true, 109: true, 114: true, 115: false, 50: false, 200: true, 201: false, 4294967289: false, 4294967295: true} {
		if s.has(id) != want {
			t.Errorf("%d: %t", id, !want)
		}
	}
}
