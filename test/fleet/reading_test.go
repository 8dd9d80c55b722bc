package fleet

import (
	"testing"

	"github.com/sallyport-auth/sallyport/provider"
)

// TestALoginGoesOnAtABranchWhosePrimaryIsDead: the primary's database and server are gone.
// Promise reading-login.
func TestALoginGoesOnAtABranchWhosePrimaryIsDead(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	m := b.machine("box")
	b.caughtUp()
	b.must(nil, b.full.Kill())
	b.must(nil, b.database.Kill())
	if reply, err := login(t.Context(), m, "ada", ""); err != nil || reply.Outcome != provider.Allow {
		t.Fatalf("%+v, %v: %s", reply, err, b.reads.Log())
	}
	if names, _ := b.listed(m); len(names) != 1 {
		t.Errorf("listed: %v", names)
	}
}
