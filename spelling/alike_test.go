package spelling

import (
	"fmt"
	"testing"
)

func TestNamesThatLookAlikeAreFound(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"bob", "b0b", true},
		{"alice", "a1ice", true},
		{"alice", "aiice", true},
		{"carmen", "cannen", false},
		{"carmen", "carrnen", true},
		{"will", "vvi11", true},
		{"bob", "bob", false},
		{"bob", "rob", false},
		{"example.org", "examp1e.org", true},
		{"example.org", "ехаmple.org", true},
		{"apple.com", "xn--80ak6aa92e.com", true},
		{"example.org", "example.com", false},
	} {
		if got := Alike(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

// The encoded forms are those of Go's golang.org/x/net/idna and of RFC 3492.
func TestLettersOfOtherScriptsAreDecodedAndNamed(t *testing.T) {
	for _, c := range []struct{ name, decoded, scripts string }{
		{"example.org", "example.org", "[]"},
		{"xn--80ak6aa92e.com", "аррӏе.com", "[Cyrillic]"},
		{"www.XN--BCHER-KVA.example", "www.bücher.example", "[Latin]"},
		{"xn--ihqwcrb4cv8a8dqg056pqjye", "他们为什么不说中文", "[Han]"},
		{"xn--!.example", "xn--!.example", "[]"},
		{"xn--99999999999999.example", "xn--99999999999999.example", "[]"},
		{"ехample.org", "ехample.org", "[Cyrillic]"},
	} {
		if got := Decoded(c.name); got != c.decoded || fmt.Sprint(Scripts(c.name)) != c.scripts {
			t.Errorf("%q: %q, of %v", c.name, got, Scripts(c.name))
		}
	}
}
