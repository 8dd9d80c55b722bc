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

// with adds a group that nobody is in.
func (d *rig) with(g *double.Group) *double.Group {
	d.WithGroups(func(list []*double.Group) []*double.Group { return append(list, g) })
	return g
}

func TestAGroupIsWhatTheServerSaysInOurForm(t *testing.T) {
	d := newRig(t)
	g := d.with(&double.Group{Name: "developers", GID: 70200, UUID: uuid.New()})
	p := d.machine(nil)
	r, err := p.FetchGroup(t.Context(), "developers")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Token.Group; got.UUID != g.UUID || got.Name != "developers" || got.GID != 70200 || r.Token.Realm != double.Domain {
		t.Errorf("%+v", r.Token)
	}
	if back, err := p.VerifyGroup(r.Signed); err != nil || back.Group.UUID != g.UUID || back.Revision != r.Token.Revision {
		t.Errorf("what was signed reads %+v, %v", back, err)
	}
	if _, err := d.machine(nil).VerifyGroup(r.Signed); !errors.Is(err, identity.ErrToken) {
		t.Error("another machine's token is taken:", err)
	}
	if _, err := p.Verify(r.Signed); !errors.Is(err, identity.ErrToken) {
		t.Error("a group is taken for an account:", err)
	}
	them, err := p.Fetch(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.VerifyGroup(them.Signed); !errors.Is(err, identity.ErrToken) {
		t.Error("an account is taken for a group:", err)
	}
	if them.Token.Revision > r.Token.Revision+60 || r.Token.Revision > them.Token.Revision+60 {
		t.Errorf("revisions of two kinds: %d and %d", r.Token.Revision, them.Token.Revision)
	}
}

// The server finds a group by its spn and its uuid too, and in upper case.
// Promise groups-on-demand-rules.
func TestAGroupHasOneNameHere(t *testing.T) {
	d := newRig(t)
	g := d.with(&double.Group{Name: "developers", GID: 70200, UUID: uuid.New()})
	p := d.machine(nil)
	for _, name := range []string{"developers@" + double.Domain, g.UUID.String(), "70200"} {
		if r, err := p.FetchGroup(t.Context(), identity.Name(name)); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("%s: %+v, %v", name, r.Token, err)
		}
	}
	d.with(&double.Group{Name: "70300", GID: 70301, UUID: uuid.New()}) // a name like a number
	if r, err := p.FetchGID(t.Context(), 70300); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("%+v, %v", r.Token, err)
	}
	before := d.Count("")
	for _, name := range []identity.Name{"", "..", ".", "a/../developers", "developers%2f.."} {
		if _, err := p.FetchGroup(t.Context(), name); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if n := d.Count("") - before; n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestAGroupThatBreaksARuleIsNotSigned(t *testing.T) {
	d := newRig(t)
	d.with(&double.Group{Name: "reserved", GID: 61200, UUID: uuid.New()})
	d.with(&double.Group{Name: "Od:d", GID: 70400, UUID: uuid.New()})
	p := d.machine(nil)
	if r, err := p.FetchGroup(t.Context(), "reserved"); err != nil || r.Signed != nil || r.Token == nil {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := p.FetchGID(t.Context(), 70400); err != nil || r.Signed != nil || r.Token == nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAnAnswerThatIsNoGroupIsNoAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"null": "null", "a list": "[]", "half": `{"name":"developers"`, "no uuid": `{"name":"developers","gidnumber":70200}`,
		"no name": `{"uuid":"0b0b0b0b-0000-4000-8000-00000000000c","gidnumber":70200}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newRig(t)
			d.Before = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(body))
				return true
			}
			p := d.machine(func(o *kanidm.Options) { o.Token = secret("service") })
			if r, err := p.FetchGroup(t.Context(), "developers"); !errors.Is(err, provider.ErrOffline) {
				t.Errorf("%+v, %v", r.Token, err)
			}
		})
	}
}

// Promise groups-on-demand-rules.
func TestAGroupIsCalledAsTheMappingSays(t *testing.T) {
	d := newRig(t)
	g := d.with(&double.Group{Name: "developers", GID: 70200, UUID: uuid.New()})
	p := d.machine(func(o *kanidm.Options) { o.Mapping.QualifiedGroups = true })
	name := identity.Name("developers@" + double.Domain)
	if r, err := p.FetchGroup(t.Context(), name); err != nil || r.Token.Group.Name != name || r.Token.Group.UUID != g.UUID || r.Signed == nil {
		t.Errorf("%+v, %v", r.Token, err)
	}
	if r, err := p.FetchGID(t.Context(), 70200); err != nil || r.Token.Group.Name != name {
		t.Errorf("%+v, %v", r.Token, err)
	}
	if r, err := p.FetchGroup(t.Context(), "developers"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("%+v, %v", r.Token, err)
	}
}
