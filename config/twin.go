package config

import "slices"

// twins are PAM services by which the same program does the same thing: "sudo -i" asks
// for the service sudo-i, "su -" for su-l. A rule that holds for one and not for its
// twin is a rule that one more letter on the command line gets around.
//
//nolint:gochecknoglobals // a constant table
var twins = map[string]string{
	"sudo-i":            "sudo",         // sudo -i: Debian, Fedora, Arch
	"su-l":              "su",           // su -: Debian, Fedora, Arch
	"runuser-l":         "runuser",      // runuser -: Debian, Fedora, Arch
	"remote":            "login",        // login -h: Debian, Fedora, Arch
	"gdm-smartcard":     "gdm-password", // GDM's other ways in: Debian, Fedora, Arch
	"gdm-fingerprint":   "gdm-password",
	"gdm-pin":           "gdm-password", // older Fedora
	"gdm-autologin":     "gdm-password",
	"lightdm-autologin": "lightdm",
	"sddm-autologin":    "sddm",
	"kde-fingerprint":   "kde", // Plasma's screen locker
	"kde-smartcard":     "kde",
	"crond":             "cron", // Fedora's and Arch's name
}

// Twin is the service whose rules hold for this one too, but for those that the file
// states for this one; false when there is none.
func Twin(service string) (base string, ok bool) {
	base, ok = twins[service]
	return base, ok
}

// over is s with what it leaves out taken from its twin. An empty list is not left
// out: it sets s apart.
func (s Service) over(base Service) Service {
	if s.StepUp == nil {
		s.StepUp = base.StepUp
	}
	if s.MaxAge == nil {
		s.MaxAge = base.MaxAge
	}
	if s.Scope == nil {
		s.Scope = base.Scope
	}
	if s.Require == nil {
		s.Require = base.Require
	}
	if s.Factors == nil {
		s.Factors = base.Factors
	}
	if s.Points == nil {
		s.Points = base.Points
	}
	if s.Cards == nil {
		s.Cards = base.Cards
	}
	if s.DueWithKey == nil {
		s.DueWithKey = base.DueWithKey
	}
	return s
}

// Weaker says what of the other's rules s does not demand; "" when s demands it all.
// Both are of [Config.Services], with every default filled in.
func (s Service) Weaker(other Service) string {
	switch {
	case *other.StepUp && !*s.StepUp:
		return "step_up"
	case *other.StepUp && *s.MaxAge > *other.MaxAge:
		return "max_age"
	case *other.StepUp && s.Scope.String() != other.Scope.String() && other.Scope.String() == ScopeTerminal:
		return "proof_scope"
	case *s.Points < *other.Points:
		return "points"
	case s.DueWithKey.String() != DueRefuse && other.DueWithKey.String() != s.DueWithKey.String() && other.DueWithKey.String() != DueLetIn:
		return "password_due_with_key"
	}
	for _, f := range other.Factors {
		if !slices.Contains(s.Factors, f) {
			return "factors"
		}
	}
	for _, g := range other.Require {
		if !slices.Contains(s.Require, g) {
			return "require"
		}
	}
	return ""
}
