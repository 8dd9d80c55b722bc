package spelling

import "testing"

func TestNamesThatLookAlikeAreFound(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"bob", "b0b", true}, {"alice", "a1ice", true}, {"alice", "aiice", true}, {"carmen", "cannen", false}, {"carmen", "carrnen", true}, {"will", "vvi11", true}, {"bob", "bob", false}, {"bob", "rob", false}} {
		if got := Alike(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}
