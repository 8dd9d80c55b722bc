package pamstack

import (
	"path/filepath"
	"slices"
)

// Person is somebody who comes to a service.
type Person uint8

// The persons.
const (
	// Ours is of the realm, and all that they answer is right.
	Ours Person = iota
	// Wrong is of the realm, and their password is wrong.
	Wrong
	// Local has an account of this machine, and all that they answer is right.
	Local
)

// Module is what the walk looks for.
const Module = "pam_sallyport.so"

// Host tells what a walk must know of the host.
type Host struct {
	// Missing tells whether no file of that name lies where libpam looks for modules; nil
	// means that none is missing.
	Missing func(module string) bool
	// NoLogin says that nologin(5) is in force.
	NoLogin bool
}

// Try walks one facility of a service for a person who is not root.
func (s *Service) Try(f Facility, p Person, h Host) Trace {
	return Walk(s.Stacks[f], func(l *Line) string { return returns(l, f, p, h) })
}

// Calls tells whether a facility has a line for our module, reached or not.
func (s *Service) Calls(f Facility) bool {
	return slices.ContainsFunc(s.Stacks[f], func(l *Line) bool { return l.Is(Module) })
}

// Has finds the line of a module.
func (s *Service) Has(f Facility, module string) *Line {
	if i := slices.IndexFunc(s.Stacks[f], func(l *Line) bool { return l.Is(module) }); i >= 0 {
		return s.Stacks[f][i]
	}
	return nil
}

func returns(l *Line, f Facility, p Person, h Host) string {
	if h.Missing != nil && h.Missing(l.Module) {
		if l.Silent {
			return Ignore
		}
		return ModuleUnknown
	}
	switch filepath.Base(l.Module) {
	case Module:
		return ours(f, p)
	case "pam_unix.so", "pam_pwdfile.so", "pam_shadow.so":
		return unix(f, p)
	case "pam_deny.so":
		return AuthErr
	case "pam_permit.so":
		return Success
	case "pam_rootok.so", "pam_wheel.so", "pam_fprintd.so", "pam_sss.so", "pam_ldap.so", "pam_krb5.so", "pam_winbind.so", "pam_u2f.so":
		return gate(l, AuthErr)
	case "pam_warn.so", "pam_cap.so", "pam_debug.so", "pam_echo.so", "pam_ecryptfs.so":
		return Ignore
	case "pam_localuser.so":
		if p == Local {
			return Success
		}
		return PermDenied
	case "pam_nologin.so":
		if h.NoLogin {
			return UserUnknown
		}
		return Ignore
	case "pam_faillock.so":
		return faillock(l)
	default:
		return stranger(l)
	}
}

func ours(f Facility, p Person) string {
	switch {
	case p == Local:
		return UserUnknown
	case p == Wrong && f == Auth:
		return AuthErr
	default:
		return Success
	}
}

// unix is what pam_unix says: it finds people of the realm through the name service, and
// has no password of them.
func unix(f Facility, p Person) string {
	switch {
	case p == Local || f == Session:
		return Success
	case f == Account:
		return Unavailable
	case f == Password:
		return UserUnknown
	default:
		return AuthErr
	}
}

// gate is a module that is there for somebody else: where a yes would end the stack, it
// says no.
func gate(l *Line, no string) string {
	if k := l.on(no).kind; k == bad || k == die {
		return Success // a gate that everybody has to pass is passed
	}
	return no
}

func faillock(l *Line) string {
	if slices.Contains(l.Args, "authfail") {
		return AuthErr
	}
	return Success
}

// stranger is a module that this program does not know. Where its yes ends the stack or
// jumps, it is taken to say no; where its no does, to say yes.
func stranger(l *Line) string {
	if k := l.on(Success).kind; k == done || k == jump {
		for _, no := range []string{Ignore, UserUnknown, AuthErr} {
			if k := l.on(no).kind; k == ignore {
				return no
			}
		}
	}
	return Success
}
