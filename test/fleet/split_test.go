package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// uses has a server use another database from its next start on.
func (r *rig) uses(server int, address string) {
	r.t.Helper()
	folder := r.servers[server].Dir
	set, err := realm.Dir(folder).Load()
	r.must(nil, err)
	set.Database = address
	b, err := json.Marshal(set)
	r.must(nil, err)
	r.must(nil, os.WriteFile(filepath.Join(folder, "server.json"), b, 0o600))
}

// at runs a command at a server.
func (r *rig) at(server int, args ...string) {
	r.t.Helper()
	r.must(r.servers[server].Admin(r.t.Context(), "", args...))
}

// torn is a rig whose database becomes two by the function that it returns: the standby is
// promoted, and the primary goes on with a server of its own, servers[0]. servers[1] is at
// the new one then.
func torn(t *testing.T) (*rig, func()) {
	t.Helper()
	r := &rig{t: t}
	var err error
	r.database, err = postgres.Start(t.Context())
	r.must(nil, err)
	t.Cleanup(func() { _ = r.database.Stop() })
	address := r.database.Realm(t)
	r.serve(address)
	r.person("ada", "")
	r.person("bob", "")
	return r, func() {
		t.Helper()
		standby, err := r.database.Standby(t.Context())
		r.must(nil, err)
		t.Cleanup(func() { _ = standby.Stop() })
		r.must(nil, standby.Caught(t.Context(), r.database))
		r.must(nil, r.servers[1].Stop())
		u, err := url.Parse(address)
		r.must(nil, err)
		r.uses(1, standby.Address(u.Query().Get("search_path")))
		r.must(nil, standby.Promote(t.Context()))
		r.must(nil, r.servers[1].Start(t.Context()))
	}
}

// older tells whether a machine says that a server's database is an older copy.
func older(err error) bool {
	return errors.Is(err, provider.ErrOffline) && strings.Contains(err.Error(), "an older copy of the realm's database than this machine has seen")
}

// lets tells whether somebody gets in on a machine, by what answers now.
func (r *rig) lets(m *sallyport.Provider, name string) (bool, error) {
	r.t.Helper()
	reply, err := login(r.t.Context(), m, name, "")
	return reply.Outcome == provider.Allow, err
}

// TestOfTwoPrimariesMachinesTakeTheNewer: who was put out at the new one does not get in
// through the old one, on a machine that has heard of the new one, also after its restart.
// Promise fleet-split.
func TestOfTwoPrimariesMachinesTakeTheNewer(t *testing.T) {
	r, tear := torn(t)
	o := r.joined("box", 1)
	m := r.boot(o)
	if in, err := r.lets(m, "ada"); !in {
		t.Fatal(err)
	}
	tear()
	r.at(1, "account", "disable", "ada")
	if in, err := r.lets(m, "bob"); !in { // it hears of the new one
		t.Fatal(err)
	}
	r.must(nil, r.servers[1].Kill())
	for what, m := range map[string]*sallyport.Provider{"it goes on": m, "it was started anew": r.boot(o)} {
		for _, name := range []string{"ada", "bob"} {
			if in, err := r.lets(m, name); in || !older(err) {
				t.Errorf("%s, and at the older one %s: in %t, %v", what, name, in, err)
			}
		}
		if s := m.Servers()[1]; !s.Older || s.State != "down" {
			t.Errorf("%s, and says of the older one %+v", what, s)
		}
		_, err := m.List(t.Context(), func(provider.Record) error { t.Errorf("%s, and is told an account", what); return nil })
		bounded, end := context.WithTimeout(t.Context(), within)
		werr := m.Watch(bounded, provider.Position{}, nil, func(e provider.Event) error { t.Errorf("%s, and hears %v", what, e.Kind); return nil })
		end()
		if !older(err) || !older(werr) {
			t.Errorf("%s: %v; %v", what, err, werr)
		}
	}
	r.must(nil, r.servers[1].Start(t.Context()))
	if in, err := r.lets(m, "bob"); !in {
		t.Errorf("the new one is back: %v", err)
	}
	if in, err := r.lets(m, "ada"); in || err != nil {
		t.Errorf("who is put out there: %t, %v", in, err)
	}
}

// TestAServerThatHearsOfANewerDatabaseAnswersNoMachine: one machine that knows is enough,
// until an administrator says that the older one is to go on.
// Promise fleet-split.
func TestAServerThatHearsOfANewerDatabaseAnswersNoMachine(t *testing.T) {
	r, tear := torn(t)
	knows, unaware := r.machine("knows", 1), r.machine("unaware", 0)
	tear()
	if in, err := r.lets(unaware, "ada"); !in {
		t.Errorf("nobody knows of the new one yet: %v", err)
	}
	if in, err := r.lets(knows, "bob"); !in {
		t.Fatal(err)
	}
	r.must(nil, r.servers[1].Kill())
	if in, err := r.lets(knows, "bob"); in || !older(err) {
		t.Errorf("at the older one: %t, %v", in, err)
	}
	if in, err := r.lets(unaware, "ada"); in || !errors.Is(err, provider.ErrOffline) {
		t.Errorf("a machine that does not know, at a server that does: %t, %v", in, err)
	}
	r.at(0, "realm", "set", "--newest-copy")
	for what, m := range map[string]*sallyport.Provider{"one that knew of the other": knows, "one that did not": unaware} {
		if in, err := r.lets(m, "ada"); !in {
			t.Errorf("the older one is the realm's by its administrator's word, and %s: %v", what, err)
		}
	}
	r.must(nil, r.servers[1].Start(t.Context()))
	r.must(nil, r.servers[0].Kill())
	if in, err := r.lets(knows, "ada"); in || !older(err) {
		t.Errorf("and the other one is not: %t, %v", in, err)
	}
}

// TestAStreamFromAnOlderDatabaseEnds: it was there before the machine heard of the newer one.
// Promise fleet-split.
func TestAStreamFromAnOlderDatabaseEnds(t *testing.T) {
	r, tear := torn(t)
	o := r.joined("box", 0)
	line := providertest.NewFront(t, r.servers[0].URL)
	o.URL = line.URL()
	m := r.boot(o)
	caughtUp := make(chan struct{}, 1)
	late := false
	go func() {
		_ = m.Watch(t.Context(), provider.Position{}, nil, func(e provider.Event) error {
			if e.Kind == provider.CaughtUp {
				caughtUp <- struct{}{}
			}
			if e.Kind == provider.Changed && e.Record.Token.Account.Name == identity.Name("late") {
				late = true
			}
			return nil
		})
	}()
	<-caughtUp
	tear()
	line.Stall() // so that a request goes to the other server, and the stream stays
	patience, end := context.WithTimeout(t.Context(), 4*time.Second)
	defer end()
	if _, err := m.Fetch(patience, "bob"); err != nil {
		t.Fatal(err)
	}
	r.at(0, "account", "add", "late")
	line.Restore()
	bounded, stop := context.WithTimeout(t.Context(), within)
	defer stop()
	select {
	case <-caughtUp: // at the new one, from where it stood
		if late {
			t.Error("it takes a change of the older one")
		}
	case <-bounded.Done():
		t.Error("the stream from the older one does not end")
	}
	if s := m.Servers()[0]; !s.Older {
		t.Errorf("it says of the older one %+v", s)
	}
}
