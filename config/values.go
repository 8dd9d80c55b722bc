package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// The types below check a value where it stands, so that a fault is reported
// with its line and column. They are structs because go-toml gives a plain
// string type its text unchecked.

// Duration is a time span: Go's form ("1m30s") or whole days ("14d").
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is no time span; write \"30s\", \"15m\", \"8h\" or \"14d\"", s)
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no time span; write \"30s\", \"15m\", \"8h\" or \"14d\"", s)
	}
	*d = Duration(v)
	return nil
}

// text is a checked string.
type text string

// String gives the text; "" when the file has none.
func (t text) String() string { return string(t) }

// Mutual says when card service and server prove themselves to each other.
type Mutual struct{ text }

// The modes of it.
const (
	MutualOff    = "off"
	MutualOnline = "online" // while the server can be reached
	MutualAlways = "always"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mutual) UnmarshalText(b []byte) error {
	switch string(b) {
	case MutualOff, MutualOnline, MutualAlways:
		m.text = text(b)
		return nil
	}
	return fmt.Errorf("%q is no mode; write \"off\", \"online\" or \"always\"", b)
}

// SignIn is how people sign in at a Kanidm server.
type SignIn struct{ text }

// The ways to sign in.
const (
	POSIX   = "posix"
	Stepped = "stepped"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *SignIn) UnmarshalText(b []byte) error {
	switch string(b) {
	case POSIX, Stepped:
		s.text = text(b)
		return nil
	}
	return fmt.Errorf("%q is no way to sign in; write %q or %q", b, POSIX, Stepped)
}

// HomeName is what home directories are called by.
type HomeName struct{ text }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *HomeName) UnmarshalText(b []byte) error {
	switch string(b) {
	case "uuid", "name", "spn":
		h.text = text(b)
		return nil
	}
	return fmt.Errorf("%q names no home; write \"uuid\", \"name\" or \"spn\"", b)
}

// NameForm is which of its names an account or a group is called by.
type NameForm struct{ text }

// The forms of names.
const (
	ShortName = "name"
	SPN       = "spn" // name@domain
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *NameForm) UnmarshalText(b []byte) error {
	switch string(b) {
	case ShortName, SPN:
		n.text = text(b)
		return nil
	}
	return fmt.Errorf("%q is no form of a name; write %q or %q", b, ShortName, SPN)
}

// Qualified tells whether names have their realm behind them.
func (n NameForm) Qualified() bool { return n.text == SPN }

// SealKind is what binds secrets to this machine: a TPM, a file, or whichever is
// there.
type SealKind struct{ text }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *SealKind) UnmarshalText(b []byte) error {
	switch string(b) {
	case "auto", "tpm", "file":
		k.text = text(b)
		return nil
	}
	return fmt.Errorf("%q is no kind of seal; write \"auto\", \"tpm\" or \"file\"", b)
}

// URL is an https address without path, query or user.
type URL struct{ text }

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *URL) UnmarshalText(b []byte) error {
	if err := CheckURL(string(b)); err != nil {
		return err
	}
	u.text = text(b)
	return nil
}

// CheckURL tells whether s is a server's address: "https://HOST[:PORT]".
func CheckURL(s string) error { return identity.CheckServerURL(s) } //nolint:wrapcheck // it says what it was about

// URLs are the addresses of one realm's servers, the preferred first: in the file one
// string, or a list of them. It is a slice so that go-toml reads a list by itself, and gives
// a string to UnmarshalText.
type URLs []URL

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *URLs) UnmarshalText(b []byte) error {
	var one URL
	if err := one.UnmarshalText(b); err != nil {
		return err
	}
	*u = URLs{one}
	return nil
}

// String is the preferred one; "" where there is none.
func (u URLs) String() string {
	if len(u) == 0 {
		return ""
	}
	return u[0].String()
}

// All are all of them, the preferred first.
func (u URLs) All() []string {
	all := make([]string, len(u))
	for i, one := range u {
		all[i] = one.String()
	}
	return all
}

// Others are those behind the preferred one.
func (u URLs) Others() []string {
	if len(u) < 2 {
		return nil
	}
	return u.All()[1:]
}

// Has tells whether an address is among them, however it is written.
func (u URLs) Has(address string) bool {
	return slices.ContainsFunc(u, func(o URL) bool { return identity.ServerKey(o.String()) == identity.ServerKey(address) })
}

// Proxy is HOST:PORT of an HTTP proxy.
type Proxy struct{ text }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Proxy) UnmarshalText(b []byte) error {
	u, err := url.Parse(string(b))
	switch {
	case err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "":
		return fmt.Errorf("%q must be http://HOST:PORT", b)
	case u.User != nil:
		return errors.New("a proxy that wants a password cannot be used: everybody can read this file")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q must be http://HOST:PORT and nothing more", b)
	}
	p.text = text(u.Host)
	return nil
}

// Range is a range of ids, "MIN-MAX".
type Range identity.IDRange

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Range) UnmarshalText(b []byte) error {
	v, err := parseRange(b)
	if err == nil {
		*r = Range(v)
	}
	return err
}

func parseRange(b []byte) (identity.IDRange, error) {
	lo, hi, ok := strings.Cut(string(b), "-")
	if !ok {
		return identity.IDRange{}, fmt.Errorf("%q is no range; write \"MIN-MAX\"", b)
	}
	minID, err1 := strconv.ParseUint(strings.TrimSpace(lo), 10, 32)
	maxID, err2 := strconv.ParseUint(strings.TrimSpace(hi), 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return identity.IDRange{}, fmt.Errorf("%q is no range; write \"MIN-MAX\"", b)
	}
	v := identity.IDRange{Min: uint32(minID), Max: uint32(maxID)}
	return v, v.Validate() //nolint:wrapcheck // the reason as it is
}

// SubRange is a range of subordinate ids, "MIN-MAX", with room for one account at
// least.
type SubRange identity.IDRange

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *SubRange) UnmarshalText(b []byte) error {
	v, err := parseRange(b)
	if err != nil {
		return err
	}
	first := identity.IDRange{Min: v.Min, Max: v.Min + identity.SubIDCount - 1}
	if err := identity.CheckSubIDs(first); err != nil {
		return err //nolint:wrapcheck // the reason as it is
	}
	if v.Max < first.Max || v.Max >= math.MaxInt32 {
		return fmt.Errorf("%s has no room for the %d subordinate ids of one account, or ends above %d", v, identity.SubIDCount, math.MaxInt32-1)
	}
	*r = SubRange(v)
	return nil
}

// Keep is a time span above zero; zero stands for "forever".
type Keep time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Keep) UnmarshalText(b []byte) error {
	if string(b) == "forever" {
		*k = 0
		return nil
	}
	var d Duration
	if err := d.UnmarshalText(b); err != nil {
		return fmt.Errorf("%w, or \"forever\"", err)
	}
	if d < Duration(time.Second) {
		return fmt.Errorf("%q is too short: names would never be answered; write \"forever\" or one second at least", b)
	}
	*k = Keep(d)
	return nil
}

// Level is a log level: debug, info, warn or error.
type Level slog.Level

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(b []byte) error {
	var v slog.Level
	if err := v.UnmarshalText(b); err != nil {
		return fmt.Errorf("%q is no level; write \"debug\", \"info\", \"warn\" or \"error\"", b)
	}
	*l = Level(v)
	return nil
}
