package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// kills is how often something is killed: a few in every run, 200 by "make test-fleet".
func kills(t testing.TB) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("SALLYPORT_KILLS"))
	if err != nil {
		return 8
	}
	return n
}

// ledger is what was acknowledged, and checks what may follow from it.
type ledger struct {
	mu       sync.Mutex
	accounts map[string]bool      // that were made, and that it was said
	used     map[string]int       // how often a code let somebody in
	disabled map[string]time.Time // when it was acknowledged
	faults   []string
	logins   int
}

func (l *ledger) fault(format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, a...))
}

// let notes that somebody was let in whose login began then, by that code.
func (l *ledger) let(name, code string, began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logins++
	if at, is := l.disabled[name]; is && began.After(at) {
		l.faults = append(l.faults, name+" got in after being disabled was acknowledged")
	}
	if code == "" {
		return
	}
	if l.used[name+code]++; l.used[name+code] > 1 {
		l.faults = append(l.faults, fmt.Sprintf("the code %s of %s let in %d times", code, name, l.used[name+code]))
	}
}

// load is what goes on while servers are killed.
type load struct {
	*rig
	ledger   ledger
	machines []*sallyport.Provider
	next     atomic.Int64
}

// signsIn tries one code at two machines at once, whose servers are others.
func (l *load) signsIn(ctx context.Context, name string) {
	code, err := totp.GenerateCode(codeKey, l.realm.Now())
	if err != nil {
		l.ledger.fault("%v", err)
		return
	}
	var both sync.WaitGroup
	for _, m := range l.machines {
		both.Go(func() {
			began := time.Now()
			reply, err := login(ctx, m, name, code)
			if err == nil && reply.Outcome == provider.Allow {
				l.ledger.let(name, code, began)
			}
		})
	}
	both.Wait()
}

// comesAndGoes makes an account, signs in, disables it and tries again.
func (l *load) comesAndGoes(ctx context.Context) {
	name := fmt.Sprintf("p%d", l.next.Add(1))
	if _, err := l.admin.AddAccount(ctx, &v1.AddAccountRequest{Name: name}); err != nil {
		return // not acknowledged: it may be there or not
	}
	l.ledger.mu.Lock()
	l.ledger.accounts[name] = true
	l.ledger.mu.Unlock()
	if _, err := l.admin.SetPassword(ctx, &v1.SetPasswordRequest{Name: name, Password: []byte(password)}); err != nil {
		return
	}
	m := l.machines[rand.IntN(len(l.machines))]
	if reply, err := login(ctx, m, name, ""); err == nil && reply.Outcome == provider.Deny {
		l.ledger.fault("%s is refused with the right password: %q", name, reply.Message)
	}
	if _, err := l.admin.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: name, Disabled: true}); err != nil {
		return
	}
	l.ledger.mu.Lock()
	l.ledger.disabled[name] = time.Now()
	l.ledger.mu.Unlock()
	for _, m := range l.machines {
		began := time.Now()
		if reply, err := login(ctx, m, name, ""); err == nil && reply.Outcome == provider.Allow {
			l.ledger.let(name, "", began)
		}
	}
}

// kill ends a server, the database, or both at any moment, and starts them again.
func (l *load) kill(ctx context.Context) error {
	what := rand.IntN(8)
	var err error
	if what >= 6 {
		err = l.database.Kill()
	}
	var down []*Process
	for i, s := range l.servers {
		if what%3 == i || what == 7 {
			err = errors.Join(err, s.Kill())
			down = append(down, s)
		}
	}
	if what >= 6 {
		err = errors.Join(err, l.database.Run(ctx))
	}
	for _, s := range down {
		err = errors.Join(err, s.Start(ctx))
	}
	return err
}

// TestKillsAtRandomLoseNothingThatWasAcknowledged: no change, no code, no lock and no row.
// Promise fleet-kill.
func TestKillsAtRandomLoseNothingThatWasAcknowledged(t *testing.T) {
	l := &load{rig: newRig(t)}
	l.ledger.accounts, l.ledger.used, l.ledger.disabled = map[string]bool{}, map[string]int{}, map[string]time.Time{}
	for i := range 2 {
		l.machines = append(l.machines, l.machine(fmt.Sprintf("box%d", i), i))
	}
	people := make([]string, 40)
	for i := range people {
		people[i] = fmt.Sprintf("ada%d", i)
		l.person(people[i], codeKey)
	}
	ctx, end := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for w := range 2 {
		working.Go(func() {
			for n := w; ctx.Err() == nil; n += 2 {
				l.signsIn(ctx, people[n%len(people)])
			}
		})
	}
	working.Go(func() {
		for ctx.Err() == nil {
			l.comesAndGoes(ctx)
		}
	})
	killed := kills(t)
	for range killed {
		if err := l.kill(t.Context()); err != nil {
			t.Error(err)
			break
		}
		l.settle()
	}
	end()
	working.Wait()
	for _, f := range l.ledger.faults {
		t.Error(f)
	}
	if l.ledger.logins == 0 {
		t.Error("nobody got in at all")
	}
	for name := range l.ledger.accounts {
		if _, err := l.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: name}); err != nil {
			t.Errorf("%s was made and is not there: %v", name, err)
		}
	}
	if v, err := l.admin.VerifyAudit(t.Context(), &v1.VerifyAuditRequest{}); err != nil {
		t.Errorf("the audit log: %v", err)
	} else {
		t.Logf("%d kills, %d logins, %d accounts made, %d rows of the audit log", killed, l.ledger.logins, len(l.ledger.accounts), v.GetRows())
	}
}

// settle waits until somebody has got in since, so that the load never stands still.
func (l *load) settle() {
	l.ledger.mu.Lock()
	was := l.ledger.logins
	l.ledger.mu.Unlock()
	name := fmt.Sprintf("s%d", l.next.Add(1))
	l.person(name, "")
	for range 100 {
		if reply, err := login(l.t.Context(), l.machines[0], name, ""); err == nil && reply.Outcome == provider.Allow {
			l.ledger.let(name, "", time.Now())
			break
		}
	}
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	if l.ledger.logins == was {
		l.t.Error("after a kill nobody gets in any more")
	}
}
