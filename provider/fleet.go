package provider

import "time"

// Fleet is a source with several servers, which says how each of them is.
type Fleet interface {
	// Servers are in the order of preference; none where there is one server only.
	Servers() []Server
	// ServersIgnored says why the realm's own list of servers is not gone by; "": it is, or
	// there is none.
	ServersIgnored() string
}

// Server is one of several servers of a realm.
type Server struct {
	URL string
	// State is "up", "trying", "down", or [ServerUnasked].
	State string
	// InUse: changes are followed there; where none are, it is asked first.
	InUse bool
	// Since is when State began; zero while nothing was asked.
	Since time.Time
	// Down is what it failed with; nil while it is up.
	Down error
	// Untrusted: whoever answers there could not prove to be the server.
	Untrusted bool
	// Older: it serves an older copy of the realm's database than was seen.
	Older bool
	// FromRealm: it is in the realm's own list, and not in the configuration.
	FromRealm bool
}

// ServerUnasked is the state of a server that nothing was asked yet.
const ServerUnasked = "not asked"
