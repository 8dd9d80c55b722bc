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
		quoted[i] = fmt.Sprintf("%q", a)
	}
	return fmt.Appendf(nil, `# Written by "sallyport join"; yours to change. See sallyportd.toml(5).
# An unknown key is an error: "sallyportd --config FILE --check" reads it and says where.

[machine]
id = %q

[[provider]]
kind = "sallyport"
url = %q
realm = %q
ca = %q

[login]
# "*": every account of the realm; or the uuids of the groups that may log in.
allow = [%s]
`, j.Machine, j.URL, j.Realm, j.CA, strings.Join(quoted, ", "))
}
