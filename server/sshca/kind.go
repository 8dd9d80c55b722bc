package sshca

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Kind is the kind of requests to log in by ssh. It has no state.
type Kind struct{}

var _ request.Kind = Kind{}

// The roles that have a meaning of their own: of the target where none is asked for, and of
// the machines before it.
const (
	RoleLogin = "login"
	RolePass  = "pass"
)

// Limits of what is asked for.
const (
	MaxHops = 8
	portSSH = 22
	maxPort = 65535
)

// Detail says exactly what a request to log in by ssh is about. Its form is JSON, in the
// order of these fields.
type Detail struct {
	// Hops are in the order in which they are gone through; the last is the target.
	Hops []Hop `json:"hops"`
	// Forward are what may be forwarded from the asker to the target: "local", "remote",
	// "x11", sorted.
	Forward []string `json:"forward,omitempty"`
}

// Hop is one machine of the chain, and the account that is logged in as there.
type Hop struct {
	Machine uuid.UUID     `json:"machine"`
	Name    identity.Name `json:"name"`
	// Host is the name or address that ssh connects to, in lower case.
	Host    string        `json:"host"`
	Port    uint16        `json:"port"`
	Account uuid.UUID     `json:"account"`
	As      identity.Name `json:"as"`
}

// ParseDetail reads the Detail of a request of this kind.
func ParseDetail(b []byte) (Detail, error) {
	var d Detail
	if err := json.Unmarshal(b, &d); err != nil {
		return Detail{}, fmt.Errorf("what the request is about: %w", err)
	}
	if len(d.Hops) == 0 {
		return Detail{}, errors.New("the request is about no machine")
	}
	return d, nil
}

// Name implements request.Kind.
func (Kind) Name() string { return "ssh" }

// Resolve implements request.Kind: it finds the machines and accounts that are meant.
func (Kind) Resolve(tx *store.Tx, asker store.Account, _ store.Machine, ask *v1.AskRequest) (request.Subject, error) {
	ssh := ask.GetSsh()
	if n := len(ssh.GetHops()); n == 0 || n > MaxHops {
		return request.Subject{}, fmt.Errorf("%w: a chain of %d hosts: 1 to %d can be asked for", realm.ErrInput, n, MaxHops)
	}
	role, err := roleOf(ssh.GetRole())
	if err != nil {
		return request.Subject{}, err
	}
	forward, err := forwardOf(ssh.GetForward())
	if err != nil {
		return request.Subject{}, err
	}
	d := Detail{Forward: forward}
	var s request.Subject
	for _, asked := range ssh.GetHops() {
		h, part, err := hopOf(tx, asker, asked)
		if err != nil {
			return request.Subject{}, err
		}
		if slices.ContainsFunc(d.Hops, func(o Hop) bool { return o.Machine == h.Machine }) {
			return request.Subject{}, fmt.Errorf("%w: the chain goes through %s twice", realm.ErrInput, h.Name)
		}
		part.Role = RolePass
		if n := len(s.Parts); n > 0 {
			part.Before = &s.Parts[n-1].Machine
		}
		d.Hops, s.Parts = append(d.Hops, h), append(s.Parts, part)
	}
	target := &s.Parts[len(s.Parts)-1]
	target.Role, target.Forward = role, forward
	if s.Detail, err = json.Marshal(d); err != nil {
		return request.Subject{}, fmt.Errorf("what the request is about: %w", err)
	}
	s.Text = d.text(asker)
	return s, nil
}

// roleOf is the role at the target.
func roleOf(word string) (string, error) {
	if word == "" {
		return RoleLogin, nil
	}
	n, err := identity.ParseShortName(word)
	if err == nil && word == RolePass {
		err = errors.New("it is the role of hosts that a chain only goes through")
	}
	if err != nil {
		return "", fmt.Errorf("%w: role %q: %w", realm.ErrInput, identity.Printable(word), err)
	}
	return string(n), nil
}

// forwardOf are words for what is to be forwarded, sorted, each once.
func forwardOf(asked []string) ([]string, error) {
	var list []string
	for _, w := range asked {
		if !slices.Contains(ForwardWords(), w) {
			return nil, fmt.Errorf("%w: %q is not one of the words for forwarding: %s", realm.ErrInput, identity.Printable(w), strings.Join(ForwardWords(), ", "))
		}
		if !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	slices.Sort(list)
	return list, nil
}

// ForwardWords are all the words for forwarding.
func ForwardWords() []string { return []string{"local", "remote", "x11"} }

// hopOf finds the machine and the account of one hop.
func hopOf(tx *store.Tx, asker store.Account, asked *v1.SSHHop) (Hop, request.Part, error) {
	m, host, err := machineOf(tx, asked.GetHost())
	if err != nil {
		return Hop{}, request.Part{}, err
	}
	port := asked.GetPort()
	if port == 0 {
		port = portSSH
	}
	if port > maxPort {
		return Hop{}, request.Part{}, fmt.Errorf("%w: port %d", realm.ErrInput, port)
	}
	a, err := accountOf(tx, asker, asked.GetAccount())
	if err != nil {
		return Hop{}, request.Part{}, err
	}
	if within, err := tx.Admits(m.UUID, a.UUID); err != nil || !within {
		if err == nil {
			err = realm.RefusalError(fmt.Sprintf("%s is not an account of the machine %s, which knows the people of some groups alone", a.Name, m.Name))
		}
		return Hop{}, request.Part{}, err
	}
	return Hop{Machine: m.UUID, Name: m.Name, Host: host, Port: uint16(port), Account: a.UUID, As: a.Name}, request.Part{Machine: m, Account: a}, nil
}

// machineOf finds the machine that a host name or address is of, and says it in lower case.
func machineOf(tx *store.Tx, host string) (store.Machine, string, error) {
	if err := CheckHost(host); err != nil {
		return store.Machine{}, "", err
	}
	host = strings.ToLower(host)
	m, err := tx.MachineByHost(host)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return store.Machine{}, "", fmt.Errorf("%w: no machine of the realm is reached by %q: it is named by its name in the realm, "+
			"or by a name or address that an administrator gave it (\"sallyport-server machine set NAME --host-names ... --addresses ...\")", identity.ErrNotFound, host)
	case err != nil:
		return store.Machine{}, "", fmt.Errorf("machine: %w", err)
	case m.Key == nil:
		return store.Machine{}, "", realm.RefusalError(fmt.Sprintf("the machine %s has not joined the realm yet", m.Name))
	case !m.Quarantined.IsZero():
		return store.Machine{}, "", realm.RefusalError(fmt.Sprintf("the machine %s is in quarantine: the administrators of the realm have shut it out for now", m.Name))
	}
	return m, host, nil
}

// CheckHost refuses what is no host name and no address. It is realm.ErrInput.
func CheckHost(host string) error {
	switch {
	case host == "" || len(host) > identity.MaxHostLen:
		return fmt.Errorf("%w: a host of %d bytes: it has 1 to %d", realm.ErrInput, len(host), identity.MaxHostLen)
	case !identity.PlainHost(host):
		return fmt.Errorf("%w: host %q: it has letters, digits, '.', '_', ':' and '-', and does not begin with '-'", realm.ErrInput, identity.Printable(host))
	}
	return nil
}

// accountOf finds the account to log in as.
func accountOf(tx *store.Tx, asker store.Account, name string) (store.Account, error) {
	if name == "" {
		return asker, nil
	}
	n, err := identity.ParseShortName(name)
	if err != nil {
		return store.Account{}, fmt.Errorf("%w: account %q: %w", realm.ErrInput, identity.Printable(name), err)
	}
	a, err := tx.AccountByName(n)
	if errors.Is(err, identity.ErrNotFound) {
		return store.Account{}, fmt.Errorf("%w: the realm has no account %q", identity.ErrNotFound, n)
	}
	if err != nil {
		return store.Account{}, fmt.Errorf("account: %w", err)
	}
	return a, nil
}

// text is the line that people read: "ssh alice@web1 through bastion".
func (d Detail) text(asker store.Account) string {
	say := func(h Hop, always bool) string {
		s := string(h.Name)
		if always || h.Account != asker.UUID {
			s = string(h.As) + "@" + s
		}
		if h.Port != portSSH {
			s += fmt.Sprintf(" port %d", h.Port)
		}
		return s
	}
	last := len(d.Hops) - 1
	s := "ssh " + say(d.Hops[last], true)
	var through []string
	for _, h := range d.Hops[:last] {
		through = append(through, say(h, false))
	}
	if len(through) > 0 {
		s += " through " + strings.Join(through, ", ")
	}
	if len(d.Forward) > 0 {
		s += ", with forwarding: " + strings.Join(d.Forward, ", ")
	}
	return s
}
