package fleet

import (
	"errors"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/test/postgres"
	"github.com/sallyport-auth/sallyport/trouble"
)

// TestTheDatabasesFullDiskIsNoWordAboutTheAccount: nobody gets in whose login cannot be
// written down, nobody is denied for it, and no failure is counted. With room it goes on.
// Promise fleet-full.
func TestTheDatabasesFullDiskIsNoWordAboutTheAccount(t *testing.T) {
	r := &rig{t: t}
	var err error
	r.database, err = postgres.StartSmall(t.Context(), "100m")
	r.must(nil, err)
	t.Cleanup(func() { _ = r.database.Stop() })
	r.serve(r.database.Realm(t))
	r.person("ada", "")
	m := r.machine("box", 0)
	if in, err := r.lets(m, "ada"); !in {
		t.Fatal(err)
	}
	right := map[identity.FactorKind]string{identity.Password: password}
	r.must(nil, r.database.Fill(t.Context()))
	// What has room in the pages that the tables have goes on.
	const enough = 500
	refused := 0
	for n := 0; n < enough && refused < 3; n++ {
		switch reply, err := once(t.Context(), m, "ada", right); {
		case errors.Is(err, provider.ErrOffline):
			refused++
			if f, known := provider.Trouble(err, m.Name()); !known || f.Cause != string(trouble.ServerFull) {
				t.Errorf("the machine does not know why: %+v, %v", f, err)
			}
		case err != nil || reply.Outcome != provider.Allow:
			t.Fatalf("login %d: %+v, %v", n, reply, err)
		}
	}
	if refused == 0 {
		t.Fatal("the disk is never full")
	}
	if v, err := r.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: "ada"}); err != nil || v.GetFailures() > 0 {
		t.Errorf("failures are counted: %v, %v", v.GetFailures(), err)
	}
	r.must(nil, r.database.Room(t.Context()))
	if in, err := r.lets(m, "ada"); !in {
		t.Errorf("with room: %v", err)
	}
	r.person("bob", "")
	if in, err := r.lets(m, "bob"); !in {
		t.Errorf("with room: %v", err)
	}
}
