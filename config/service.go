package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Service is the policy of one PAM service. What the file leaves out is nil, and has
// the value of the service that this one is a twin of (see [Twin]), else the default.
type Service struct {
	// StepUp: a proof that is fresh enough, in the account phase too; default true
	// for sudo, and false for all others.
	StepUp *bool `toml:"step_up"`
	// MaxAge of a proof, at most a day; default 5 min.
	MaxAge *Duration `toml:"max_age"`
	// Scope is where a proof counts; default ScopeTerminal.
	Scope   *ProofScope `toml:"proof_scope"`
	Require []GroupID   `toml:"require"` // groups that the account must be in, and earn
	Factors []Demanded  `toml:"factors"` // that the proof must hold
	// Points that the proof must come to, in the realm's table; default 0.
	Points *uint16 `toml:"points"`
	// Trusted are local users whose programs may ask about others; default none.
	Trusted []string `toml:"trusted_users"`
	// Cards: a card may be asked for where one is in a reader; default true.
	Cards *bool `toml:"cards"`
	// DueWithKey is what happens to a login that a password did not let in, such as one by ssh
	// key, while the account's password has to be changed; default DueLetIn.
	DueWithKey *DueWithKey `toml:"password_due_with_key"`
}

// Limits and defaults of a service.
const (
	defaultMaxAge = Duration(5 * time.Minute)
	longestMaxAge = Duration(24 * time.Hour)
)

// ProofScope is where a proof counts.
type ProofScope struct{ text }

// The scopes. A session is one login with all that it starts: a connection of ssh with
// all its commands and terminals, by the kernel's audit session.
const (
	ScopeTerminal = "terminal"
	ScopeSession  = "session"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *ProofScope) UnmarshalText(b []byte) error {
	switch string(b) {
	case ScopeTerminal, ScopeSession:
		p.text = text(b)
		return nil
	}
	return fmt.Errorf("%q is neither %q nor %q", b, ScopeTerminal, ScopeSession)
}

// DueWithKey is what a password that has to be changed means for a login without it.
type DueWithKey struct{ text }

// The login goes on; it is let in and the password changed at once; it is refused.
const (
	DueLetIn  = "let in"
	DueAsk    = "ask"
	DueRefuse = "refuse"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *DueWithKey) UnmarshalText(b []byte) error {
	switch string(b) {
	case DueLetIn, DueAsk, DueRefuse:
		d.text = text(b)
		return nil
	}
	return fmt.Errorf("%q is none of %q, %q and %q", b, DueLetIn, DueAsk, DueRefuse)
}

// Demanded is a kind of factor.
type Demanded struct{ kind identity.FactorKind }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Demanded) UnmarshalText(b []byte) error {
	kind, err := identity.ParseFactorKind(string(b))
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	d.kind = kind
	return nil
}

// Groups are the groups that the service requires of people of a realm. Where it
// requires some, and none of that realm, it is a group that nobody can be in.
func (s Service) Groups(realm string) []uuid.UUID {
	var list []uuid.UUID
	for _, g := range s.Require {
		if g.of(realm) {
			list = append(list, g.id)
		}
	}
	if len(list) == 0 && len(s.Require) > 0 {
		list = []uuid.UUID{uuid.Nil}
	}
	return list
}

// Kinds are the factors that the service demands.
func (s Service) Kinds() []identity.FactorKind {
	list := make([]identity.FactorKind, len(s.Factors))
	for i, f := range s.Factors {
		list[i] = f.kind
	}
	return list
}

// Services are the policies with every default filled in.
func (c *Config) Services() map[string]Service {
	all := maps.Clone(c.Service)
	if all == nil {
		all = make(map[string]Service)
	}
	sudo := all["sudo"]
	if sudo.StepUp == nil {
		sudo.StepUp = new(true)
	}
	all["sudo"] = sudo
	for twin, base := range twins {
		rules, has := all[base]
		if own, apart := all[twin]; has || apart {
			all[twin] = own.over(rules)
		}
	}
	for name, s := range all {
		all[name] = s.over(noRules())
	}
	return all
}

// ServiceOf is the policy of one service, also of one that has no rules.
func (c *Config) ServiceOf(name string) Service {
	if s, has := c.Services()[name]; has {
		return s
	}
	return noRules()
}

// noRules is the default.
func noRules() Service {
	return Service{StepUp: new(false), MaxAge: new(defaultMaxAge), Scope: &ProofScope{ScopeTerminal}, Points: new(uint16(0)), Cards: new(true), DueWithKey: &DueWithKey{DueLetIn}}
}

func checkServices(all map[string]Service) error {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		switch {
		case name == "" || strings.ContainsAny(name, "/ \t\n"):
			return fmt.Errorf("[service]: %q is no PAM service", name)
		case slices.Contains(s.Trusted, "") || slices.Contains(s.Trusted, "root"):
			return fmt.Errorf("[service.%s] trusted_users: names of local users other than root", name)
		case len(s.Trusted) > 0 && (s.StepUp != nil && *s.StepUp || name == "sudo" || twins[name] == "sudo"):
			return fmt.Errorf("[service.%s] trusted_users cannot be where step_up is", name)
		case s.MaxAge != nil && *s.MaxAge <= 0:
			return fmt.Errorf("[service.%s] max_age must be above zero; step_up = false asks each time", name)
		case s.MaxAge != nil && *s.MaxAge > longestMaxAge:
			return errors.New("[service." + name + "] max_age is more than a day")
		}
	}
	return nil
}
