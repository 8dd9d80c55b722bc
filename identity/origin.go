package identity

import (
	"net/netip"
	"strconv"
	"strings"
)

// NoLoginUID is what the kernel says of a process that no login began.
const NoLoginUID = ^uint32(0)

// Caller is who runs a host program, by the kernel's facts of its process. A
// set-user-ID program (su) is a root peer whoever started it; this tells who did.
// The zero value is an unknown one.
type Caller struct {
	Known    bool
	LoginUID uint32 // of the login that the process descends from; NoLoginUID: none
	RealUID  uint32
}

// Origin is where an attempt to log in comes from. Wrong answers and open
// conversations are counted by it, so that whoever guesses uses up their own tries
// and not those of the account's owner. It can be compared. The zero value is an
// unknown origin, which is counted like any other.
//
//	first row that fits                 origin
//	the peer is not root                "uid N", the peer's
//	RemoteHost is an IPv4 address       "host A"
//	RemoteHost is an IPv6 address       "host A/64": one line of a provider has a whole /64
//	RemoteHost is any other text        "host TEXT" in lower case
//	the login uid is known              "uid N"
//	the real uid is not 0               "uid N"
//	RemoteUser is set                   "user NAME": sudo gives up its real uid before PAM
//	the caller is known                 "seat": a console or a greeter
//	else                                the zero value
type Origin struct{ text string }

// Seat is the origin of whoever sits at the machine's own console or greeter.
func Seat() Origin { return Origin{"seat"} }

// maxOrigin bounds the texts that a host program gave; the rest is cut.
const maxOrigin = 128

// Origin tells where the login comes from.
func (l *Login) Origin() Origin {
	switch {
	case l.Peer.UID != 0:
		return OriginOfUID(l.Peer.UID)
	case l.RemoteHost != "":
		return OriginOfHost(l.RemoteHost)
	case l.Caller.Known && l.Caller.LoginUID != NoLoginUID:
		return OriginOfUID(l.Caller.LoginUID)
	case l.Caller.Known && l.Caller.RealUID != 0:
		return OriginOfUID(l.Caller.RealUID)
	case l.RemoteUser != "":
		return OriginOfUser(l.RemoteUser)
	case l.Caller.Known:
		return Seat()
	default:
		return Origin{}
	}
}

// OriginOfUID is the origin of a local user.
func OriginOfUID(uid uint32) Origin {
	return Origin{"uid " + strconv.FormatUint(uint64(uid), 10)}
}

// OriginOfUser is that of a local user whom only a name tells.
func OriginOfUser(name string) Origin { return Origin{"user " + cut(name)} }

// OriginOfHost is that of a host in the network: of IPv6 addresses the network of 64 bits.
func OriginOfHost(host string) Origin {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return Origin{"host " + strings.ToLower(cut(host))}
	}
	a = a.Unmap().WithZone("")
	p, err := a.Prefix(64)
	if err != nil { // IPv4 has no 64 bits
		return Origin{"host " + a.String()}
	}
	return Origin{"host " + p.String()}
}

func cut(s string) string {
	if len(s) > maxOrigin {
		s = s[:maxOrigin]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// String is the word that logs and counters use; "unknown" for the zero value.
func (o Origin) String() string {
	if o.text == "" {
		return "unknown"
	}
	return o.text
}

// AtSeat tells whether the attempt was made at the machine's own console or greeter.
func (o Origin) AtSeat() bool { return o == Seat() }

// Remote tells whether the attempt came from another host.
func (o Origin) Remote() bool { return strings.HasPrefix(o.text, "host ") }

// Root tells whether the attempt is root's own.
func (o Origin) Root() bool { return o == OriginOfUID(0) || o == Origin{"user root"} }
