package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Joined is what a machine learns when it joins a realm. Empty texts are left out,
// and then have their defaults.
type Joined struct {
	Machine uuid.UUID
	Kind    string // "": Sallyport
	Proxy   string // HOST:PORT
	URL     string
	// Others are further servers of the realm, each preferred to those behind it.
	Others []string
	Realm  string
	CA     string // path of the PEM file
	Allow  []string
	// IDs is [ids] allow, where it is not the kind's default; IDsWhy is a comment on it.
	IDs    []identity.IDRange
	IDsWhy string

	// Of a machine that asks a Kanidm server.
	Timeout, Token              string
	HomePrefix, HomeName, Shell string
	UserName, GroupName         string
	// Refresh is [lookup] refresh, Seal is [seal] kind, and Local is [groups] local.
	Refresh, Seal string
	Local         map[string]uuid.UUID
}

// Text is the first configuration of a machine, for people to read and change.
// It passes [Parse].
func (j Joined) Text() []byte {
	quoted := make([]string, len(j.Allow))
	for i, a := range j.Allow {
		quoted[i] = quote(a)
	}
	if j.Kind == "" {
		j.Kind = Sallyport
	}
	b := fmt.Appendf(nil, `# Written by "sallyport %s"; yours to change. See sallyportd.toml(5).
# An unknown key is an error: "sallyportd --config FILE --check" reads it and says where.

[machine]
id = "%s"

[[provider]]
kind = %s
url = %s
realm = %s
ca = %s
`, map[bool]string{true: "join", false: "migrate"}[j.Kind == Sallyport], j.Machine, quote(j.Kind), j.servers(), quote(j.Realm), quote(j.CA))
	line := func(key, value string) {
		if value != "" {
			b = fmt.Appendf(b, "%s = %s\n", key, quote(value))
		}
	}
	table := func(name, key, value string) {
		if value != "" {
			b = fmt.Appendf(b, "\n[%s]\n", name)
			line(key, value)
		}
	}
	if j.Proxy != "" {
		line("proxy", "http://"+j.Proxy)
	}
	line("timeout", j.Timeout)
	line("token", j.Token)
	line("home_prefix", j.HomePrefix)
	line("home_name", j.HomeName)
	line("shell", j.Shell)
	line("user_name", j.UserName)
	line("group_name", j.GroupName)
	b = fmt.Appendf(b, `
[login]
# "*": every account of the realm; or the uuids of the groups that may log in.
allow = [%s]
`, strings.Join(quoted, ", "))
	if len(j.IDs) > 0 {
		ranges := make([]string, len(j.IDs))
		for i, r := range j.IDs {
			ranges[i] = quote(r.String())
		}
		b = fmt.Appendf(b, "\n[ids]\n# %s\nallow = [%s]\n", j.IDsWhy, strings.Join(ranges, ", "))
	}
	table("lookup", "refresh", j.Refresh)
	table("seal", "kind", j.Seal)
	if len(j.Local) > 0 {
		b = fmt.Appendf(b, "\n[groups.local]\n")
		for _, name := range slices.Sorted(maps.Keys(j.Local)) {
			b = fmt.Appendf(b, "%s = %s\n", quote(name), quote(j.Local[name].String()))
		}
	}
	return b
}

// servers are one text, as older programs read it, or a list.
func (j Joined) servers() string {
	if len(j.Others) == 0 {
		return quote(j.URL)
	}
	all := []string{quote(j.URL)}
	for _, o := range j.Others {
		all = append(all, quote(o))
	}
	return "[" + strings.Join(all, ", ") + "]"
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
