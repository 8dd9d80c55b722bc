package fleet

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

// TestADeadlockIsNoWordAboutTheAccount: writers of the realm wait for each other and never
// end up in one; an administrator's own session can bring it about. The login that PostgreSQL
// picks to end is no no and no failure, and the next one goes on.
// Promise fleet-deadlock.
func TestADeadlockIsNoWordAboutTheAccount(t *testing.T) {
	r := newRig(t)
	r.person("ada", "")
	m := r.machine("box", 0)
	session, err := pgx.Connect(t.Context(), r.realm.Settings.Database)
	r.must(nil, err)
	t.Cleanup(func() { _ = session.Close(t.Context()) })
	exec := func(statement string) {
		t.Helper()
		_, err := session.Exec(t.Context(), statement)
		r.must(nil, err)
	}
	exec(`SET deadlock_timeout = '30s'`) // so that it is the server's who is ended
	exec(`BEGIN`)
	exec(`LOCK TABLE audit, accounts, realm IN SHARE MODE`)
	replied := make(chan error, 1)
	var reply provider.Reply
	go func() {
		var err error
		reply, err = once(t.Context(), m, "ada", map[identity.FactorKind]string{identity.Password: password})
		replied <- err
	}()
	other, err := pgx.Connect(t.Context(), r.database.Address(""))
	r.must(nil, err)
	t.Cleanup(func() { _ = other.Close(t.Context()) })
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		var waits bool
		r.must(nil, other.QueryRow(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation')`).Scan(&waits))
		if waits {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the login waits for nothing")
		}
	}
	exec(`SELECT pg_advisory_xact_lock(hashtext('sallyport'), hashtext(current_schema()))`)
	exec(`ROLLBACK`)
	if err := <-replied; !errors.Is(err, provider.ErrOffline) {
		t.Errorf("in the deadlock: %+v, %v", reply, err)
	}
	if v, err := r.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: "ada"}); err != nil || v.GetFailures() > 0 {
		t.Errorf("failures are counted: %v, %v", v.GetFailures(), err)
	}
	if in, err := r.lets(m, "ada"); !in {
		t.Errorf("after it: %v", err)
	}
}
