package identity

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// An odd part costs that part, and not the account:
//
//	part                              odd when                         then
//	realm, uuid, name, uid, gid,      they break a rule                the account is refused
//	state, the account's own group
//	full name                         ':', control characters          a blank in their place
//	                                  invalid UTF-8, too long          left out, cut off
//	home directory                    not in its shortest form         brought into it
//	                                  not absolute, ':', …             /nonexistent
//	shell                             none                             /bin/sh
//	                                  a well-known name without path   with the path of that shell
//	                                  anything else that is no path    /usr/sbin/nologin
//	another group                     no uuid, name or gid that may be left out
//	ssh key                           not as [ParseKeyLine] has it     left out
//	label of a factor                 ':', control characters, …       left out
//	card                              no certificate, one too long     left out
//	another factor's certificate      any                              left out
//	points of a kind                  no kind, a kind twice            left out
//	groups, keys, factors, revoked    more than there may be           those beyond are left out
//	cards
//
// None of it lets anybody in who was out: a group that is left out is one that nothing
// is granted by, a shell that cannot be told may have been to keep somebody out, and a
// one-time code that the account holds stays.

// LeftOut is a part of a token that was left out or made safe, for status.
type LeftOut struct {
	Part string `cbor:"1,keyasint"` // for people: `group "crew"`
	Why  string `cbor:"2,keyasint"`
}

// MaxLeftOut bounds what is listed, not what is left out.
const MaxLeftOut = 32

const (
	noHome  = "/nonexistent"      // as Debian has it for who has none
	noLogin = "/usr/sbin/nologin" // nologin(8)
)

// shells are those that a name without a path can mean; nologin and false keep people out,
// and must go on to do so.
var shells = map[string]string{ //nolint:gochecknoglobals // a table
	"sh": "/bin/sh", "bash": "/bin/bash", "dash": "/bin/dash", "zsh": "/usr/bin/zsh", "fish": "/usr/bin/fish",
	"ksh": "/usr/bin/ksh", "tcsh": "/usr/bin/tcsh", "csh": "/bin/csh", "false": "/bin/false", "nologin": noLogin,
}

// KnownShell is where a well-known shell is on Debian, by its name.
func KnownShell(name string) (string, bool) {
	p, ok := shells[name]
	return p, ok
}

// MakeSafe leaves out, or makes safe, what breaks a rule and is not the account itself,
// and notes it in LeftOut. Afterwards [IDToken.Validate] tells whether the rest holds.
func (t *IDToken) MakeSafe() {
	if len(t.LeftOut) == 0 && t.validate() == nil {
		return // nearly always
	}
	told := t.LeftOut
	t.LeftOut = nil
	for _, l := range told {
		if CheckText(strings.ReplaceAll(l.Part+l.Why, ":", ""), MaxText) == nil {
			t.leave(l.Part, errors.New(l.Why))
		}
	}
	t.safeAccount()
	t.safeGroups()
	t.safeKeys()
	t.safeFactors()
	t.Points = keepIf(t.Points, func(p KindPoints, before Points) bool {
		err := append(before, p).validate()
		t.leave(fmt.Sprintf("points of %q", p.Kind), err)
		return err == nil
	})
	if len(t.RevokedCards) > MaxRevoked {
		t.leave("revoked cards", fmt.Errorf("there are %d, and at most %d are taken", len(t.RevokedCards), MaxRevoked))
		t.RevokedCards = t.RevokedCards[:MaxRevoked]
	}
}

// leave notes a part, if there is an error.
func (t *IDToken) leave(part string, err error) {
	if err != nil && len(t.LeftOut) < MaxLeftOut {
		t.LeftOut = append(t.LeftOut, LeftOut{part, err.Error()})
	}
}

// keepIf is the list without what is not to be kept; the function is told what is kept so far.
func keepIf[L ~[]E, E any](list L, keep func(e E, before L) bool) L {
	kept := list[:0:0]
	for _, e := range list {
		if keep(e, kept) {
			kept = append(kept, e)
		}
	}
	return kept
}

func (t *IDToken) safeAccount() {
	a := &t.Account
	if err := CheckText(a.FullName, MaxText); err != nil {
		t.leave("full name", err)
		a.FullName = safeText(a.FullName)
	}
	if err := checkPath(a.Home); err != nil {
		t.leave("home directory", err)
		if a.Home = path.Clean(a.Home); checkPath(a.Home) != nil {
			a.Home = noHome
		}
	}
	if err := checkPath(a.Shell); err != nil {
		t.leave("shell", err)
		switch known, ok := shells[a.Shell]; {
		case a.Shell == "":
			a.Shell = shells["sh"] // passwd(5)
		case ok:
			a.Shell = known
		default:
			a.Shell = noLogin
		}
	}
}

// safeText has a blank for what may not be, and is cut where it is too long.
func safeText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return -1
		}
		if CheckText(string(r), MaxText) != nil {
			return ' '
		}
		return r
	}, s)
	for len(s) > MaxText {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

func (t *IDToken) safeGroups() {
	if len(t.Groups) == 0 {
		return
	}
	beyond := 0
	own := t.Groups[0]
	others := keepIf(t.Groups[1:], func(g Group, before []Group) bool {
		err := errors.Join(g.validate(), ownName(t.Realm, g.Name))
		t.leave(fmt.Sprintf("group %q", g.Name), err)
		if err == nil && len(before) == MaxGroups-1 {
			beyond++
			return false
		}
		return err == nil
	})
	if beyond > 0 {
		t.leave("groups", fmt.Errorf("%d are beyond the %d that an account may have", beyond, MaxGroups))
	}
	t.Groups = append([]Group{own}, others...)
}

func (t *IDToken) safeKeys() {
	for i := range t.SSHKeys {
		if k := &t.SSHKeys[i]; CheckText(k.Tag, MaxText) != nil {
			k.Tag = fmt.Sprintf("key %d", i+1)
		}
	}
	t.SSHKeys = keepIf(t.SSHKeys, func(k SSHKey, before []SSHKey) bool {
		err := k.Validate()
		if len(before) == MaxSSHKeys {
			err = fmt.Errorf("an account may have %d", MaxSSHKeys)
		}
		t.leave(fmt.Sprintf("ssh key %q", k.Tag), err)
		return err == nil
	})
}

func (t *IDToken) safeFactors() {
	for i := range t.Factors {
		f := &t.Factors[i]
		if err := CheckText(f.Label, MaxText); err != nil {
			t.leave(fmt.Sprintf("label of factor %q", f.Kind), err)
			f.Label = ""
		}
		if f.Kind != PIV && len(f.Certificate) > 0 {
			f.Certificate = nil // of a kind that this release does not know
		}
	}
	// What is not a card comes first: it says how strong a login must be.
	ordered := append(
		keepIf(t.Factors, func(f Factor, _ []Factor) bool { return f.Kind != PIV }),
		keepIf(t.Factors, func(f Factor, _ []Factor) bool { return f.Kind == PIV })...)
	if len(t.Factors) <= MaxFactors {
		ordered = t.Factors
	}
	t.Factors = keepIf(ordered, func(f Factor, before []Factor) bool {
		err := f.validate()
		if len(before) == MaxFactors {
			err = fmt.Errorf("an account may have %d", MaxFactors)
		}
		t.leave(fmt.Sprintf("factor %q", f.Kind), err)
		return err == nil
	})
}
