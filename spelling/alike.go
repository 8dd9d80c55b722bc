package spelling

import "strings"

// Alike tells whether two different names look the same at a glance or in some typeface: by
// the letters and digits of ASCII, which names of accounts and realms are made of.
func Alike(a, b string) bool { return a != b && look(a) == look(b) }

func look(name string) string {
	return strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "0", "o", "1", "l", "i", "l", "|", "l", "5", "s", "-", "_").Replace(strings.ToLower(name))
}
