package fleet

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pquerna/otp/totp"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// TestServersServeThroughAPoolerOfTransactions: a realm is made, and two servers serve it,
// through PgBouncer with three connections. What is good once is good once, writers wait for
// each other, and news comes without LISTEN.
// Promise fleet-pooler.
func TestServersServeThroughAPoolerOfTransactions(t *testing.T) {
	r := &rig{t: t}
	var err error
	r.database, err = postgres.Start(t.Context())
	r.must(nil, err)
	t.Cleanup(func() { _ = r.database.Stop() })
	pooler, err := r.database.Pooler(t.Context(), r.database.Realm(t))
	r.must(nil, err)
	t.Cleanup(func() { _ = pooler.Stop() })
	unfit := strings.Replace(pooler.Address(), "default_query_exec_mode=exec&", "", 1)
	for range 3 { // until it is given a connection that somebody had
		if err = store.Migrate(t.Context(), unfit, unfit); err != nil {
			break
		}
	}
	// From 1.21 on PgBouncer can follow prepared statements.
	if err != nil && !strings.Contains(err.Error(), "add default_query_exec_mode=exec to the address") {
		t.Errorf("statements are prepared on a shared connection: %v", err)
	}
	r.serve(pooler.Address())
	const people = 8
	for n := range people {
		r.person(fmt.Sprintf("ada%d", n), codeKey)
	}
	machines := []*sallyport.Provider{r.machine("box0", 0), r.machine("box1", 1)}
	var all sync.WaitGroup
	in := make([]atomic.Int32, people)
	for n := range people {
		code, err := totp.GenerateCode(codeKey, r.realm.Now())
		r.must(nil, err)
		for _, m := range machines {
			all.Go(func() {
				if reply, err := login(t.Context(), m, fmt.Sprintf("ada%d", n), code); err == nil && reply.Outcome == provider.Allow {
					in[n].Add(1)
				}
			})
		}
	}
	all.Wait()
	for n := range people {
		if times := in[n].Load(); times != 1 {
			t.Errorf("the code of ada%d let in %d times", n, times)
		}
	}
	if _, err := r.admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{}); err != nil {
		t.Error(err)
	}
	// A change through one server is at a machine of the other.
	m := r.follows(machines[1])
	r.hears("the machine does not catch up", m.caughtUp)
	r.at(0, "account", "disable", "ada0")
	r.hears("a change through the other server does not come", m.changed)
	// It ends and comes again.
	r.must(nil, pooler.Kill())
	if _, err := once(t.Context(), machines[0], "ada1", nil); !errors.Is(err, provider.ErrOffline) {
		t.Errorf("somebody is answered without a database: %v", err)
	}
	r.must(nil, pooler.Run(t.Context()))
	r.person("bob", "")
	if in, err := r.lets(machines[0], "bob"); !in {
		t.Errorf("after the pooler came again: %v", err)
	}
}
