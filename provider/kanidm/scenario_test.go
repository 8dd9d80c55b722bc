package kanidm_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	double "github.com/sallyport-auth/sallyport/test/kanidm"
)

// place is a server with one person on it: the double, or with the build tag
// kanidm_live a real one ("make test-kanidm").
type place interface {
	machine(change func(*kanidm.Options)) *kanidm.Provider
	// who is the person, what their POSIX password is and what the other.
	who() (name identity.Name, posix, password string)
	group() string
	// lone is a POSIX group that nobody is in, and flat one that is no POSIX group.
	lone() (name identity.Name, gid uint32)
	flat() identity.Name
	shell(path string)
	calls(displayName string)
	expire(yes bool)
	// code gives the person a one-time code generator, and then tells a code.
	code() string
	// renew gives them another generator, which makes other credentials of them.
	renew()
	// server is where it is, and who trusts it; Count tells how many requests came, as
	// the double does.
	server() (url string, client *http.Client)
	Count(prefix string) int
}

// scenarios run alike on both.
func scenarios(t *testing.T, s place) {
	name, posix, password := s.who()
	loginAs := login
	login := func(p *kanidm.Provider, answers ...given) provider.Reply {
		t.Helper()
		r, err := login(t, p, name, answers...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Run("a person is found by name and by uid, and nobody else is", func(t *testing.T) {
		p := s.machine(nil)
		byName, err := p.Fetch(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		a := byName.Token.Account
		if byUID, err := p.FetchUID(t.Context(), a.UID); err != nil || byUID.Token.Account != a || byUID.Token.Revision != byName.Token.Revision {
			t.Errorf("by uid %+v, by name %+v, %v", byUID.Token, byName.Token, err)
		}
		if a.Name != name || a.UID != a.GID || len(byName.Token.SSHKeys) != 1 || byName.Token.Validate() != nil {
			t.Errorf("%+v", byName.Token)
		}
		if _, err := p.Fetch(t.Context(), "no-such-person-here"); !errors.Is(err, provider.ErrNotFound) {
			t.Error("nobody:", err)
		}
		if _, err := p.FetchUID(t.Context(), 4242424); !errors.Is(err, provider.ErrNotFound) {
			t.Error("no such uid:", err)
		}
	})
	t.Run("by name and domain a person is found, and signs in", func(t *testing.T) {
		_, domain, err := s.machine(nil).Group(t.Context(), s.group())
		if err != nil {
			t.Fatal(err)
		}
		spn := name + identity.Name("@"+domain)
		p := s.machine(func(o *kanidm.Options) {
			o.Realm, o.Mapping.QualifiedUsers, o.Mapping.QualifiedGroups = domain, true, true
		})
		r, err := p.Fetch(t.Context(), spn)
		if err != nil || r.Token.Account.Name != spn || r.Token.Validate() != nil || r.Token.Groups[0].Name != spn {
			t.Fatalf("%+v, %v", r.Token, err)
		}
		for _, g := range r.Token.Groups {
			if g.Name.Realm() != domain {
				t.Errorf("the group %s", g.Name)
			}
		}
		if r, err := loginAs(t, p, spn, given{identity.Password, posix}); err != nil || r.Outcome != provider.Allow || r.Record.Token.Account.Name != spn {
			t.Error(r.Message, err)
		}
	})
	t.Run("a group is found", func(t *testing.T) {
		g, domain, err := s.machine(nil).Group(t.Context(), s.group())
		if err != nil || string(g.Name) != s.group() || g.UUID == uuid.Nil || domain == "" {
			t.Error(g, domain, err)
		}
	})
	t.Run("a group that nobody is in is found by name and by number, and what is none is not", func(t *testing.T) {
		p := s.machine(nil)
		called, gid := s.lone()
		byName, err := p.FetchGroup(t.Context(), called)
		if err != nil {
			t.Fatal(err)
		}
		g := byName.Token.Group
		if g.Name != called || g.GID != gid && gid != 0 || g.UUID == uuid.Nil || byName.Token.Validate() != nil {
			t.Errorf("%+v", byName.Token)
		}
		byGID, err := p.FetchGID(t.Context(), g.GID)
		if err != nil || byGID.Token.Group.UUID != g.UUID || byGID.Token.Group.Name != g.Name {
			t.Errorf("by number %+v, %v", byGID.Token, err)
		}
		if back, err := p.VerifyGroup(byName.Signed); err != nil || back.Group.UUID != g.UUID || back.Group.GID != g.GID {
			t.Errorf("what was signed reads %+v, %v", back, err)
		}
		for _, none := range []identity.Name{"no-such-group-here", s.flat()} {
			if r, err := p.FetchGroup(t.Context(), none); !errors.Is(err, provider.ErrNotFound) {
				t.Errorf("%s: %+v, %v", none, r.Token, err)
			}
		}
		if _, err := p.FetchGID(t.Context(), 4242424); !errors.Is(err, provider.ErrNotFound) {
			t.Error("no such number:", err)
		}
	})
	t.Run("a person's own group is found like any other, and no group is a person", func(t *testing.T) {
		p := s.machine(nil)
		own, err := p.FetchGroup(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		them, err := p.Fetch(t.Context(), name)
		if err != nil || own.Token.Group.UUID != them.Token.Groups[0].UUID || own.Token.Group.GID != them.Token.Account.GID {
			t.Errorf("%+v of %+v, %v", own.Token, them.Token, err)
		}
		called, _ := s.lone()
		for _, none := range []identity.Name{called, s.flat()} {
			if r, err := p.Fetch(t.Context(), none); !errors.Is(err, provider.ErrNotFound) {
				t.Errorf("%s: %+v, %v", none, r.Token, err)
			}
		}
	})
	t.Run("a change is a new revision", func(t *testing.T) {
		p := s.machine(nil)
		before, err := p.Fetch(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		s.shell("/bin/zsh")
		after, err := p.Fetch(t.Context(), name)
		if err != nil || after.Token.Account.Shell != "/bin/zsh" || after.Token.Revision <= before.Token.Revision {
			t.Error(after.Token, err)
		}
	})
	t.Run("an odd shell and an odd display name cost themselves", func(t *testing.T) {
		s.shell("zsh")
		s.calls("Ada: the first")
		defer s.shell("/bin/zsh")
		p := s.machine(nil)
		r, err := p.Fetch(t.Context(), name)
		if err != nil || r.Token.Account.Shell != "/usr/bin/zsh" || r.Token.Account.FullName != "Ada  the first" || len(r.Token.LeftOut) != 2 {
			t.Errorf("%+v, %v", r.Token, err)
		}
		if r := login(p, given{identity.Password, posix}); r.Outcome != provider.Allow {
			t.Error(r.Message)
		}
	})
	t.Run("the POSIX password is a yes, another is a no", func(t *testing.T) {
		p := s.machine(nil)
		if r := login(p, given{identity.Password, posix}); r.Outcome != provider.Allow {
			t.Error(r.Message)
		}
		if r := login(p, given{identity.Password, "no " + posix}); r.Outcome != provider.Deny {
			t.Error("a wrong password is let in")
		}
	})
	t.Run("a no to a POSIX password may be a lock's, and says when to ask again", func(t *testing.T) {
		if r := login(s.machine(nil), given{identity.Password, "no " + posix}); r.Outcome != provider.Deny || r.AskAgain == 0 || r.Locked {
			t.Errorf("%+v", r)
		}
	})
	t.Run("who has expired stays out", func(t *testing.T) {
		s.expire(true)
		defer s.expire(false)
		p := s.machine(nil)
		if r, err := p.Fetch(t.Context(), name); err != nil || r.Token.State != identity.Disabled {
			t.Error(r.Token, err)
		}
		if r := login(p, given{identity.Password, posix}); r.Outcome != provider.Deny || r.Message == "" {
			t.Error(r.Outcome, r.Message)
		}
	})
	t.Run("stepped, the code is asked for and is needed", func(t *testing.T) {
		p := s.machine(stepped)
		code := s.code()
		if r := login(p, given{identity.Password, password}); r.Outcome != provider.Continue || r.Offers[0] != identity.TOTP {
			t.Error(r.Outcome, r.Offers)
		}
		if r := login(p, given{identity.Password, "no " + password}, given{identity.TOTP, code}); r.Outcome != provider.Deny {
			t.Error("a wrong password is let in")
		}
		if r := login(p, given{identity.Password, password}, given{identity.TOTP, s.code()}); r.Outcome != provider.Allow {
			t.Error(r.Message)
		}
	})
	t.Run("a step-up goes on from the sign-in, and is asked for everything again", func(t *testing.T) { stepsUp(t, s) })
	t.Run("the server says who may prove themselves again", func(t *testing.T) { reauthenticates(t, s) })
}

// doubled is the double as such a place.
type doubled struct {
	*rig
	generator string
}

func (d *doubled) who() (identity.Name, string, string) {
	return "bob", "correct horse", "battery staple"
}
func (d *doubled) group() string                 { return "staff" }
func (d *doubled) shell(path string)             { d.With(func(p *person) { p.Shell = path }) }
func (d *doubled) calls(name string)             { d.With(func(p *person) { p.DisplayName = name }) }
func (d *doubled) expire(yes bool)               { d.With(func(p *person) { p.Invalid = yes }) }
func (d *doubled) lone() (identity.Name, uint32) { return "developers", 70200 }
func (d *doubled) flat() identity.Name           { return "flat" }

func (d *doubled) code() string {
	d.With(func(p *person) { p.TOTP = d.generator })
	return d.generator
}

func (d *doubled) renew() {
	d.generator = map[string]string{"012345": "654321"}[d.generator]
	if d.generator == "" {
		d.generator = "012345"
	}
	d.code()
}

func (d *doubled) server() (string, *http.Client) { return d.URL, d.Client() }

// Promise kanidm-login, kanidm-step-up, groups-on-demand, groups-no-accounts.
func TestTheDoubleDoesWhatARealServerIsAskedToDo(t *testing.T) {
	d := newRig(t)
	d.WithGroups(func([]*double.Group) []*double.Group {
		return []*double.Group{{Name: "developers", GID: 70200, UUID: uuid.New()}, {Name: "flat", UUID: uuid.New(), NotPOSIX: true}}
	})
	scenarios(t, &doubled{d, "012345"})
}
