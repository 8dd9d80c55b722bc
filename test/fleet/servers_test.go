package fleet

import (
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// Promise fleet-servers.
func TestMachinesAreToldTheServersThatSaidAURL(t *testing.T) {
	a, b := two(t)
	told := func(by *servertest.Bench) (l *identity.ServerList) {
		t.Helper()
		resp, err := by.Describe(t.Context(), &v1.DescribeRequest{})
		a.Must(nil, err)
		if resp.GetServers() == nil {
			return &identity.ServerList{}
		}
		l, err = ring(by).ServerList(resp.GetServers())
		a.Must(nil, err)
		return l
	}
	a.Must(nil, a.Register(t.Context(), "1", a.Now()))
	a.Must(nil, b.Register(t.Context(), "1", b.Now()))
	if l := told(a); len(l.URLs) != 0 {
		t.Errorf("nobody said a URL: %v", l.URLs)
	}
	a.Settings.URL, b.Settings.URL = "https://id1.example:8443", "https://id2.example:8443"
	a.Must(nil, a.Register(t.Context(), "1", a.Now()))
	one := told(b)
	a.Must(nil, b.Register(t.Context(), "1", b.Now()))
	both := told(a)
	if !slices.Equal(one.URLs, []string{a.Settings.URL}) || !slices.Equal(both.URLs, []string{a.Settings.URL, b.Settings.URL}) || both.Version <= one.Version {
		t.Errorf("%+v, then %+v", one, both)
	}
	a.Must(nil, b.Register(t.Context(), "2", b.Now()))
	if l := told(b); l.Version != both.Version {
		t.Error("half a minute later it is another list")
	}
	list, err := a.Admin.ListServers(t.Context(), &v1.ListRequest{})
	a.Must(nil, err)
	for _, s := range list.GetServers() {
		if s.GetHere() != (s.GetUrl() == a.Settings.URL) {
			t.Errorf("%v", s)
		}
		if !s.GetHere() {
			a.Must(a.Admin.RemoveServer(t.Context(), &v1.RemoveServerRequest{Name: s.GetId()}))
		}
	}
	if l := told(b); !slices.Equal(l.URLs, []string{a.Settings.URL}) || l.Version <= both.Version {
		t.Errorf("one was removed: %+v", l)
	}
}
