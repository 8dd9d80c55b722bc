package config

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Joined is what a machine learns when it joins a realm.
type Joined struct {
	Machine uuid.UUID
	URL     string
	Realm   string
	CA      string // path of the PEM file
	Allow   []string
}

// Text is the first configuration of a machine, for people to read and change.
// It passes [Parse].
func (j Joined) Text() []byte {
	quoted := make([]string, len(j.Allow))
	for i, a := range j.Allow {
		quoted[i] = quote(a)
	}
	return fmt.Appendf(nil, `# Written by "sallyport join"; yours to change. See sallyportd.toml(5).
# An unknown key is an error: "sallyportd --config FILE --check" reads it and says where.

[machine]
id = "%s"

[[provider]]
kind = "sallyport"
url = %s
realm = %s
ca = %s

[login]
# "*": every account of the realm; or the uuids of the groups that may log in.
allow = [%s]
`, j.Machine, quote(j.URL), quote(j.Realm), quote(j.CA), strings.Join(quoted, ", "))
}

// quote writes a TOML basic string. Go's own quoting has escapes that TOML does
// not know. Bytes that are no UTF-8, which TOML cannot hold, become U+FFFD.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
