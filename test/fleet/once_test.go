package fleet

import (
	"crypto/ed25519"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/directory"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// atOnce runs each, as near to the same moment as can be, and counts who said yes.
func atOnce(each ...func() bool) (yes int) {
	var start, done sync.WaitGroup
	start.Add(1)
	said := make([]bool, len(each))
	for i, f := range each {
		done.Go(func() {
			start.Wait()
			said[i] = f()
		})
	}
	start.Done()
	done.Wait()
	for _, s := range said {
		if s {
			yes++
		}
	}
	return yes
}

// step answers the next step of a login.
func step(b *servertest.Bench, session string, kind identity.FactorKind, answer string) *v1.StepResponse {
	b.T.Helper()
	resp, err := b.Engine.Step(b.Call(), &v1.StepRequest{Session: session, Kind: string(kind), Credential: []byte(answer)})
	if err != nil {
		b.T.Error(err)
	}
	return resp
}

// proved is a login of alice's that wants the second factor.
func proved(b *servertest.Bench) string {
	b.T.Helper()
	resp := step(b, b.Begin("alice"), identity.Password, servertest.Right)
	if resp.GetOutcome() != v1.Outcome_OUTCOME_CONTINUE {
		b.T.Fatalf("after the password: %v", resp)
	}
	return resp.GetSession()
}

// Promise fleet-once.
func TestACodeIsGoodOnceAtAllServers(t *testing.T) {
	a, b := two(t)
	a.TOTP()
	for range 10 {
		a.Unix.Add(60)
		b.Unix.Store(a.Unix.Load())
		code, err := totp.GenerateCode(servertest.TOTPKey, a.Now())
		a.Must(nil, err)
		atA, atB := proved(a), proved(b)
		use := func(s *servertest.Bench, session string) func() bool {
			return func() bool { return step(s, session, identity.TOTP, code).GetOutcome() == v1.Outcome_OUTCOME_ALLOW }
		}
		if n := atOnce(use(a, atA), use(b, atB)); n != 1 {
			t.Fatalf("one code let %d in", n)
		}
	}
}

// Promise fleet-once.
func TestABackupCodeIsGoodOnceAtAllServers(t *testing.T) {
	a, b := two(t)
	a.TOTP()
	made, err := a.Admin.NewBackupCodes(t.Context(), servertest.Named("alice"))
	a.Must(nil, err)
	for _, code := range made.GetCodes() {
		atA, atB := proved(a), proved(b)
		use := func(s *servertest.Bench, session string) func() bool {
			return func() bool {
				return step(s, session, identity.BackupCode, code).GetOutcome() == v1.Outcome_OUTCOME_ALLOW
			}
		}
		if n := atOnce(use(a, atA), use(b, atB)); n != 1 {
			t.Fatalf("one code let %d in", n)
		}
	}
}

// Promise fleet-once.
func TestAJoinCodeIsGoodOnceAtAllServers(t *testing.T) {
	a, b := two(t)
	for _, name := range []string{"m1", "m2", "m3", "m4", "m5"} {
		invited, err := a.Admin.AddMachine(t.Context(), servertest.Named(name))
		a.Must(nil, err)
		join := func(s *servertest.Bench) func() bool {
			return func() bool {
				pub, _, err := ed25519.GenerateKey(nil)
				a.Must(nil, err)
				d := directory.New(s.Realm, nil)
				ctx := realm.WithCaller(t.Context(), realm.Caller{Key: pub, Host: "192.0.2.1"})
				_, err = d.Join(ctx, &v1.JoinRequest{Code: invited.GetCode(), PublicKey: pub})
				return err == nil
			}
		}
		if n := atOnce(join(a), join(b)); n != 1 {
			t.Fatalf("one code joined %d machines", n)
		}
	}
}

// failures are what is counted of alice's passwords at the box.
func failures(b *servertest.Bench) (n uint32) {
	b.T.Helper()
	b.Must(nil, b.Store.Read(b.T.Context(), func(tx *store.Tx) error {
		all, err := tx.Failures("alice")
		for _, f := range all {
			n = max(n, f.Count)
		}
		return err
	}))
	return n
}

// Promise fleet-once.
func TestFailuresAreCountedOverAllServers(t *testing.T) {
	a, b := two(t)
	for range 2 {
		sessions := []string{a.Begin("alice"), b.Begin("alice")}
		atOnce(func() bool { return a.Answer(sessions[0], "wrong") }, func() bool { return b.Answer(sessions[1], "wrong") })
	}
	if n := failures(a); n != 4 {
		t.Errorf("%d failures are counted of four", n)
	}
	for range 50 {
		if b.LogsIn("alice", "wrong") {
			t.Fatal("a wrong password")
		}
	}
	if a.LogsIn("alice", servertest.Right) {
		t.Error("what is locked at one server is open at another")
	}
	a.Must(a.Admin.UnlockAccount(t.Context(), servertest.Named("alice")))
	if !b.LogsIn("alice", servertest.Right) {
		t.Error("what was unlocked at one server is locked at another")
	}
}

// TestAStepAtAnotherServerIsNoWordAboutTheAccount: it is no yes, is not counted, and says
// that the login is to begin anew; at its own server it still goes on.
// Promise fleet-step.
func TestAStepAtAnotherServerIsNoWordAboutTheAccount(t *testing.T) {
	a, b := two(t)
	session := a.Begin("alice")
	for _, p := range []string{servertest.Right, "wrong"} {
		resp := step(b, session, identity.Password, p)
		if resp.GetOutcome() != v1.Outcome_OUTCOME_DENY || resp.GetLocked() || len(resp.GetIdToken())+len(resp.GetSessionToken()) > 0 {
			t.Errorf("at another server: %v", resp)
		}
	}
	if n := failures(b); n != 0 {
		t.Errorf("%d failures are counted", n)
	}
	if !a.Answer(session, servertest.Right) {
		t.Error("at its own server it does not go on")
	}
}

// within gives a test's wait an end.
const within = 30 * time.Second
