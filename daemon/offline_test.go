package daemon

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// remembered is a machine on which alice logged in once, now without a network.
func remembered(t *testing.T, change func(*identity.IDToken), tweak ...func(*testMachine)) *testMachine {
	t.Helper()
	h := newTestMachine(t, tweak...)
	tok := token("alice", 1900000100)
	if change != nil {
		change(&tok)
	}
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.lost()
	return h
}

func TestOfflineAgeIsLimitedByTokenAndPolicy(t *testing.T) {
	const dayLong = 24 * time.Hour
	for sentence, c := range map[string]struct {
		token  uint32
		policy time.Duration
		pass   time.Duration
		want   identity.Code
	}{
		"within the token's":         {86400, 2 * dayLong, dayLong, identity.Granted},
		"over the token's":           {86400, 2 * dayLong, dayLong + 2*time.Second, identity.NotPermitted},
		"the policy is the stricter": {86400, time.Hour, 2 * time.Hour, identity.NotPermitted},
		"the policy is the laxer":    {3600, dayLong, 2 * time.Hour, identity.NotPermitted},
		"the token allows none":      {0, dayLong, 0, identity.NotPermitted},
		"the policy allows none":     {86400, 0, 0, identity.NotPermitted},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := remembered(t, func(tok *identity.IDToken) { tok.OfflineFor = c.token }, func(h *testMachine) { h.policy.OfflineMax = c.policy })
			h.clk.pass(c.pass)
			h.expect(atLogin(c.want), "alice", "secret")
			if got := h.phase(identity.OpAccount, "alice"); got != c.want {
				t.Errorf("account phase: %d", got)
			}
			h.restart()
			h.expect(atLogin(c.want), "alice", "secret")
			h.clk.set(h.clk.now().Add(-1000 * dayLong)) // a clock set back changes nothing
			h.expect(atLogin(c.want), "alice", "secret")
			h.restart()
			h.expect(atLogin(c.want), "alice", "secret")
		})
	}
}

func TestWhatTheUserSeesOffline(t *testing.T) {
	h := remembered(t, nil)
	h.clk.pass(3*time.Hour + time.Minute)
	conv := h.expect(identity.Granted, "alice", "secret")
	if len(conv.told) != 1 || conv.told[0] != "Offline. Last checked 3 h ago; works for 13 more days." {
		t.Fatalf("told %q", conv.told)
	}
	h.clk.pass(20 * 24 * time.Hour)
	conv = h.expect(identity.Denied, "alice", "secret")
	if len(conv.told) != 1 || !strings.Contains(conv.told[0], "allowed are 14 days. Connect to the network") {
		t.Fatalf("told %q", conv.told)
	}
}

func TestWrongAnswersOfflineLockAndTheLockSurvives(t *testing.T) {
	h := remembered(t, nil)
	lock := h.d.p.LockMin
	for range h.d.p.OfflineTries {
		h.expect(identity.Denied, "alice", "wrong")
	}
	h.expect(identity.TooManyTries, "alice", "secret")
	h.restart()
	h.expect(identity.TooManyTries, "alice", "secret")
	h.clk.set(h.clk.now().Add(-time.Hour)) // shortens no lock
	h.expect(identity.TooManyTries, "alice", "secret")
	h.clk.pass(lock / 2)
	conv := h.expect(identity.TooManyTries, "alice", "secret")
	if !strings.Contains(conv.told[0], "Try again in 15 s.") {
		t.Fatalf("told %q", conv.told)
	}
	h.clk.pass(lock/2 + time.Second)
	h.expect(identity.Denied, "alice", "wrong") // the next lock is twice as long
	h.clk.pass(lock + time.Second)
	h.expect(identity.TooManyTries, "alice", "secret")
	h.clk.pass(lock)
	h.expect(identity.Granted, "alice", "secret") // and that clears the count
	for range h.d.p.OfflineTries - 1 {
		h.expect(identity.Denied, "alice", "wrong")
	}
	h.expect(identity.Granted, "alice", "secret")
}

func TestALockEndsWithAnOnlineSuccessOrByRoot(t *testing.T) {
	h := remembered(t, nil)
	tooMany := func() {
		t.Helper()
		for range h.d.p.OfflineTries {
			h.expect(identity.Denied, "alice", "wrong")
		}
		h.expect(identity.TooManyTries, "alice", "secret")
	}
	tooMany()
	h.srv.be(up)
	h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
	h.expect(identity.Granted, "alice", "secret")
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
	tooMany()
	must(t, h.d.Handle(context.Background(), identity.Peer{}, report.VerbUnlock, []byte(`{"name":"alice"}`), nil))
	h.expect(identity.Granted, "alice", "secret")
}

func TestLockTimesGrowToTheirLimit(t *testing.T) {
	h := newTestMachine(t)
	now := h.clk.now()
	for count, want := range map[uint32]time.Duration{
		5: 30 * time.Second, 6: time.Minute, 7: 2 * time.Minute, 11: 32 * time.Minute, 12: time.Hour, 1 << 30: time.Hour,
	} {
		if got := h.d.p.OriginBrake().Fail(identity.Tally{Count: count - 1, Since: now}, now).LockedUntil.Sub(now); got != want {
			t.Errorf("%d failures: %s, want %s", count, got, want)
		}
	}
}

func TestManyGuessesAtOnceGetNoMoreThanOneByOne(t *testing.T) {
	h := remembered(t, nil)
	var wg sync.WaitGroup
	codes := make([]identity.Code, 40)
	for i := range codes {
		wg.Go(func() { v, _ := h.login("alice", "wrong"); codes[i] = v.Code })
	}
	wg.Wait()
	denied := 0
	for _, c := range codes {
		switch c {
		case identity.Denied:
			denied++
		case identity.TooManyTries:
		default:
			t.Fatalf("code %d", c)
		}
	}
	if denied != h.d.p.OfflineTries {
		t.Fatalf("%d guesses, allowed %d", denied, h.d.p.OfflineTries)
	}
}

func TestAnOnlineWrongPasswordLeavesTheVerifier(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	for range 9 {
		h.expect(identity.Denied, "alice", "wrong")
	}
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
}

func TestOfflineSaysWhatItCannotCheckHere(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), withTOTP)
	h.srv.set(t, token("bob", 1900000101), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret", "123456")
	h.lost()
	if conv := h.expect(identity.Denied, "alice", "secret", "123456"); !strings.Contains(conv.told[0], "one-time code") {
		t.Fatalf("told %q", conv.told)
	}
	if conv := h.expect(identity.Denied, "bob", "secret"); !strings.Contains(conv.told[0], "not yet used here") {
		t.Fatalf("told %q", conv.told)
	}
}

// Promise 12.
func TestTheNetworkMayGoAtAnyMoment(t *testing.T) {
	for sentence, lose := range map[string]func(h *testMachine){
		"refused before the first word": func(h *testMachine) { h.srv.mode.Store(int32(down)) },
		"hanging from the first word":   func(h *testMachine) { h.srv.mode.Store(int32(hanging)) },
		"untrusted":                     func(h *testMachine) { h.srv.mode.Store(int32(untrusted)) },
		"the machine is refused":        func(h *testMachine) { h.srv.mode.Store(int32(unjoined)) },
		"lost in the step":              func(h *testMachine) { h.srv.mu.Lock(); h.srv.lostStep = true; h.srv.mu.Unlock() },
		"hanging in the step":           func(h *testMachine) { h.srv.mu.Lock(); h.srv.holdStep = make(chan struct{}); h.srv.mu.Unlock() },
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			h.expect(identity.Granted, "alice", "secret")
			h.d.p.ServerTimeout = 100 * time.Millisecond
			lose(h)
			conv := h.expect(identity.Granted, "alice", "secret")
			if len(conv.prompts) != 1 || len(conv.told) != 1 || !strings.HasPrefix(conv.told[0], "Offline.") {
				t.Fatalf("prompts %q, told %q", conv.prompts, conv.told)
			}
			h.expect(identity.Denied, "alice", "wrong")
		})
	}
}

func TestSomeoneWhoCannotProveToBeTheServerIsAnAlarm(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.srv.be(untrusted)
	h.wait("the alarm", func() bool { return h.d.Link().View().Alarm != "" })
	if s := h.status(); s.Providers[0].State != "offline" || s.Findings[0].Severity != report.Problem {
		t.Fatalf("%+v", s)
	}
	h.srv.be(up)
	h.wait("the end of the alarm", func() bool { return h.d.Link().View().Alarm == "" })
}

func TestAChangeStreamThatFallsSilentIsLost(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.policy.WatchSilence = 50 * time.Millisecond })
	h.srv.set(t, token("alice", 1900000100), nil)
	h.run()
	h.wait("the loss", func() bool { return strings.Contains(h.d.Link().View().LastErr, "silent") })
}

func TestAPersonWhoLeavesIsGrantedNothing(t *testing.T) {
	h := remembered(t, nil)
	conv := typing("secret")
	conv.leaves = true
	v := h.d.Decide(context.Background(), identity.Login{Operation: identity.OpAuthenticate, User: "alice"}, conv)
	if v.Code != identity.ConversationFailed {
		t.Fatal(v.Code)
	}
}

func TestAVerifierIsOfNoUseElsewhere(t *testing.T) {
	h := remembered(t, nil)
	ctx := context.Background()
	alice := h.d.Directory().Named("alice").Account().UUID
	v, err := h.cache.Verifier(ctx, alice, identity.Password)
	must(t, err)
	bob := token("bob", 1900000101)
	h.srv.set(t, bob, nil)
	h.srv.be(up)
	h.wait("bob", func() bool { return h.d.Directory().Named("bob") != nil })
	h.lost()
	v.UUID = bob.Account.UUID
	must(t, h.cache.PutVerifier(ctx, v)) // alice's, copied to bob
	h.expect(identity.Denied, "bob", "secret")
	h.stop()
	must(t, os.Remove(h.dir+"/seal.key")) // the database on another machine
	h.start()
	h.expect(identity.Denied, "alice", "secret")
}

func TestADamagedCacheLocksNobodyOutWhoIsOnline(t *testing.T) {
	h := remembered(t, nil)
	h.stop()
	must(t, os.WriteFile(h.dir+"/cache.db", []byte(strings.Repeat("not a database", 1000)), 0o600))
	h.start()
	h.expect(identity.Unavailable, "alice", "secret")
	h.srv.be(up)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	if s := h.status(); s.Cache.Rebuilt == "" || s.Findings[0].Check != "cache" {
		t.Fatalf("%+v", s)
	}
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
}

func TestACacheThatCannotBeWrittenLocksNobodyOutWhoIsOnline(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	must(t, h.cache.Close()) // every write fails from here
	h.expect(identity.Granted, "alice", "secret")
	h.srv.set(t, tok, func(p *person) { p.token.State = identity.Disabled })
	h.wait("the change in memory", func() bool { return h.d.Directory().Named("alice").State() == identity.Disabled })
	h.expect(identity.AccountExpired, "alice", "secret")
	if s := h.status(); s.Findings[0].Check != "cache" {
		t.Fatalf("%+v", s.Findings)
	}
	h.lost()
	h.expect(identity.Unavailable, "alice", "secret") // uncounted tries are none
}

func TestAPositionIsNotKeptBeyondAChangeThatWasNotStored(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.online()
	before, err := h.cache.Contact(context.Background(), realm)
	must(t, err)
	h.d.MarkUnstored() // as after a write that failed
	h.srv.set(t, tok, func(p *person) { p.token.State = identity.Disabled })
	h.wait("the change in memory", func() bool { return h.d.Directory().Named("alice").State() == identity.Disabled })
	after, err := h.cache.Contact(context.Background(), realm)
	must(t, err)
	if after.Position != before.Position {
		t.Fatalf("position %d, want %d", after.Position, before.Position)
	}
	h.srv.be(down)
	h.srv.be(up)
	h.wait("all stored", func() bool {
		k, err := h.cache.Contact(context.Background(), realm)
		return err == nil && k.Position == 2 && !h.d.Unstored()
	})
}

func (h *testMachine) status() report.Status {
	h.t.Helper()
	var s report.Status
	must(h.t, h.d.Handle(context.Background(), identity.Peer{UID: 12345}, report.VerbStatus, nil, func(v any) error {
		s = v.(report.Status)
		return nil
	}))
	return s
}
