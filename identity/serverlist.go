package identity

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Limits of a server list.
const (
	// MaxServers is how many servers of one realm a machine knows.
	MaxServers = 16
	// MaxServerURL is the length of one server's address in bytes.
	MaxServerURL = 512
)

const typeServerList = "application/sallyport-servers+cbor"

// ServerList is what a realm says of its own servers, so that adding one touches no
// machine. It is signed with a signing key of the realm.
//
// It names addresses and vouches for nobody: whoever answers at one of them still has to
// prove by its TLS key to be the realm's server ([KeyList.VerifyTLS]).
type ServerList struct {
	Realm string `cbor:"1,keyasint"`
	// Version only grows. A machine takes none that is lower than what it has seen.
	Version uint64 `cbor:"2,keyasint"`
	// URLs are https://HOST or https://HOST:PORT, the one to prefer first. An empty list
	// withdraws those before it.
	URLs []string `cbor:"3,keyasint"`
	// ReadOnly are the addresses of servers that only read: for when none of the others
	// answers. A program of before does not know them.
	ReadOnly []string `cbor:"4,keyasint,omitempty"`
}

// Validate checks every rule that the list must keep wherever it came from.
func (l *ServerList) Validate() error {
	if err := checkRealm(l.Realm); err != nil {
		return fmt.Errorf("%w: server list: %w", ErrToken, err)
	}
	if l.Version == 0 {
		return fmt.Errorf("%w: server list without a version", ErrToken)
	}
	all := slices.Concat(l.URLs, l.ReadOnly)
	if len(all) > MaxServers {
		return fmt.Errorf("%w: server list with %d servers, at most %d", ErrToken, len(all), MaxServers)
	}
	seen := make(map[string]bool, len(all))
	for _, u := range all {
		if strings.ContainsFunc(u, func(r rune) bool { return r <= ' ' || r > '~' }) { // status shows it
			return fmt.Errorf("%w: server list: %q is not of printable ASCII letters", ErrToken, u)
		}
		if err := CheckServerURL(u); err != nil {
			return fmt.Errorf("%w: server list: %w", ErrToken, err)
		}
		if seen[ServerKey(u)] {
			return fmt.Errorf("%w: server list: %q is in it twice", ErrToken, u)
		}
		seen[ServerKey(u)] = true
	}
	return nil
}

// CheckServerURL tells whether s is a server's address: https://HOST or
// https://HOST:PORT, of at most [MaxServerURL] bytes.
func CheckServerURL(s string) error {
	if len(s) > MaxServerURL {
		return fmt.Errorf("a server's address of %d bytes, at most %d", len(s), MaxServerURL)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no URL", s)
	case u.Scheme != "https":
		return fmt.Errorf("%q must begin with https://", s)
	case u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q must be https://HOST or https://HOST:PORT and nothing more", s)
	}
	return nil
}

// ServerKey is the same for two ways to write one address: case, the default port and a
// slash at the end do not matter.
func ServerKey(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// SignServerList validates and signs l with a signing key.
func (s *Signer) SignServerList(l *ServerList) ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return s.sign(typeServerList, l)
}

// ServerList verifies, decodes and validates a signed server list. Every failure is
// [ErrToken].
func (k *Keyring) ServerList(signed []byte) (*ServerList, error) {
	l := new(ServerList)
	if err := k.open(typeServerList, signed, l, &l.Realm); err != nil {
		return nil, err
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return l, nil
}
