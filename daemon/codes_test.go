package daemon

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

const aliceSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// coded gives a person a generator whose secret this machine may hold.
func coded(p *person) {
	p.secret, p.shared = aliceSecret, true
	p.token.Factors = append(p.token.Factors, identity.Factor{Kind: identity.TOTP, Epoch: 1})
}

// code is what the generator shows so many steps from now.
func (h *testMachine) code(drift int) string {
	h.t.Helper()
	c, err := totp.GenerateCode(aliceSecret, h.clk.now().Add(time.Duration(drift)*identity.TOTPPeriod*time.Second))
	must(h.t, err)
	return c
}

// later lets time go by until no earlier code is good any more.
func (h *testMachine) later() {
	h.t.Helper()
	// What the server said before is heard first: its time counts.
	h.wait("the changes", func() bool {
		h.srv.mu.Lock()
		defer h.srv.mu.Unlock()
		return h.d.Link().Now() != resolver.Online || h.d.Contact().Position >= uint64(len(h.srv.log))
	})
	h.clk.pass(5 * time.Minute)
	h.truth.pass(5 * time.Minute)
}

// sealedHere is a machine on which alice logged in once with a code.
func sealedHere(t *testing.T) *testMachine {
	t.Helper()
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), coded)
	h.online()
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	h.later()
	return h
}

func away(t *testing.T) *testMachine {
	t.Helper()
	h := sealedHere(t)
	h.lost()
	return h
}

func (h *testMachine) alice() uuid.UUID { t := token("alice", 1900000100); return t.Account.UUID }

// Promise otp-same-offline.
func TestOfflineAsksPasswordThenCodeAndEachOnce(t *testing.T) {
	h := away(t)
	conv := h.expect(identity.Granted, "alice", "secret", h.code(0))
	if fmt.Sprint(conv.prompts) != "[Password:  One-time code: ]" || len(conv.told) != 1 || !strings.HasPrefix(conv.told[0], "Offline.") {
		t.Fatalf("prompts %q, told %q", conv.prompts, conv.told)
	}
	if conv = h.expect(identity.Denied, "alice", "wrong", h.code(1)); len(conv.prompts) != 1 {
		t.Fatalf("prompts %q", conv.prompts)
	}
	wrong := h.expect(identity.Denied, "alice", "secret", "000000x")
	used := h.expect(identity.Denied, "alice", "secret", h.code(0))
	if !slices.Equal(wrong.told, used.told) || !slices.Equal(used.told, []string{identity.WrongCode}) {
		t.Fatalf("a wrong code is told %q, a used one %q", wrong.told, used.told)
	}
	h.expect(identity.ConversationFailed, "alice", "secret")
}

func TestAPasswordThatEndsInSixDigitsIsStillOne(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), func(p *person) { coded(p); p.password = "horse123456" })
	h.online()
	h.expect(identity.Granted, "alice", "horse123456", h.code(0))
	h.later()
	h.expect(identity.Granted, "alice", "horse123456"+h.code(0))
	h.later()
	h.lost()
	h.expect(identity.Granted, "alice", "horse123456", h.code(0))
	h.later()
	h.expect(identity.Granted, "alice", "horse123456"+h.code(0))
	h.expect(identity.Denied, "alice", "horse", h.code(1))
}

// TestAPasswordIsNotCutWhereTheServerTookNoCode: the machine still believes in a
// generator that the server has just taken away.
func TestAPasswordIsNotCutWhereTheServerTookNoCode(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), func(p *person) { coded(p); p.password = "horse123456" })
	h.online()
	h.srv.mu.Lock()
	p := h.srv.people[h.alice()]
	p.secret, p.token.Factors, p.token.Revision = "", p.token.Factors[:1], p.token.Revision+1
	h.srv.mu.Unlock()
	v, _ := h.login("alice", "horse123456")
	if v.Code != identity.Granted || string(v.Password.Reveal()) != "horse123456" {
		t.Fatalf("%s, and %d bytes are handed on as the password", v.Code, v.Password.Len())
	}
	h.lost()
	h.expect(identity.Denied, "alice", "horse")
	h.expect(identity.Granted, "alice", "horse123456")
}

// Promise otp-once.
func TestACodeIsGoodOnceHoweverOftenTheDaemonStarts(t *testing.T) {
	h := away(t)
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	h.expect(identity.Denied, "alice", "secret", h.code(0))
	h.expect(identity.Denied, "alice", "secret", h.code(-1)) // an earlier one is used too
	h.restart()
	h.expect(identity.Denied, "alice", "secret", h.code(0))
	must(t, h.cache.ClearFailures(bg, h.alice()))
	h.expect(identity.Granted, "alice", "secret", h.code(1))
}

// Promise otp-once.
func TestACodeUsedOnlineIsUsedOfflineAndBack(t *testing.T) {
	h := sealedHere(t)
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	h.lost()
	h.expect(identity.Denied, "alice", "secret", h.code(0))
	h.expect(identity.Granted, "alice", "secret", h.code(1))
	h.srv.be(up)
	h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
	h.expect(identity.Denied, "alice", "secret", h.code(1))
	h.later()
	h.expect(identity.Granted, "alice", "secret", h.code(0))
}

// Promise otp-once.
func TestACodeThatCannotBeMarkedAsUsedLetsNobodyIn(t *testing.T) {
	h := away(t)
	db, err := sql.Open("sqlite3", filepath.Join(h.dir, "cache.db"))
	must(t, err)
	defer db.Close()
	_, err = db.Exec(`CREATE TRIGGER broken BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'no'); END`)
	must(t, err)
	h.expect(identity.Unavailable, "alice", "secret", h.code(0))
	_, err = db.Exec(`DROP TRIGGER broken`)
	must(t, err)
	h.expect(identity.Granted, "alice", "secret", h.code(0))
}

// Promise otp-counted.
func TestWrongCodesAreCountedApartAndLock(t *testing.T) {
	h := away(t)
	id := h.alice()
	count := func(kind string) int {
		t.Helper()
		f, err := h.cache.Failures(bg, id, kind, "seat")
		must(t, err)
		return int(f.Count)
	}
	h.expect(identity.Denied, "alice", "wrong")
	for i := range h.d.p.OfflineTries {
		h.expect(identity.Denied, "alice", "secret", "000000x")
		if count(lockout.Password) != 1 || count(lockout.Code) != i+1 {
			t.Fatalf("after %d: passwords %d, codes %d", i+1, count(lockout.Password), count(lockout.Code))
		}
	}
	// Locked, before the code is asked for, whatever starts again or is set back.
	if conv := h.expect(identity.TooManyTries, "alice", "secret", h.code(0)); len(conv.prompts) > 1 {
		t.Fatalf("prompts %q", conv.prompts)
	}
	h.restart()
	h.expect(identity.TooManyTries, "alice", "secret", h.code(0))
	h.clk.set(h.clk.now().Add(-time.Hour))
	h.expect(identity.TooManyTries, "alice", "secret", h.code(0))
	h.clk.set(h.clk.now().Add(time.Hour))
	var x report.Explanation
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbExplain, []byte(`{"name":"alice"}`), func(v any) error { x = v.(report.Explanation); return nil }))
	if x.Locked == nil || len(x.Locks) != 1 || x.Locks[0].Factor != lockout.Code || x.Locks[0].Origin != "seat" || x.Offline.CodeFailures != h.d.p.OfflineTries || x.Offline.Failures != 1 {
		t.Fatalf("%+v", x.Offline)
	}
	must(t, h.d.Handle(context.Background(), identity.Peer{}, report.VerbUnlock, []byte(`{"name":"alice"}`), nil))
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	if count(lockout.Password) != 0 || count(lockout.Code) != 0 {
		t.Fatal("a success does not clear the counts")
	}
}

// Promise otp-counted.
func TestOneLineThatIsWrongIsOneFailure(t *testing.T) {
	for _, line := range []string{"wrong", "secret"} {
		h := sealedHere(t)
		h.expect(identity.Denied, "alice", line+"000000")
		h.srv.mu.Lock()
		if n := h.srv.people[h.alice()].failures; n != 1 {
			t.Errorf("online: %d failures", n)
		}
		h.srv.mu.Unlock()
		h.lost()
		h.expect(identity.Denied, "alice", line+"000000")
		total := 0
		for _, kind := range []string{lockout.Password, lockout.Code} {
			f, err := h.cache.Failures(bg, h.alice(), kind, "seat")
			must(t, err)
			total += int(f.Count)
		}
		if total != 1 {
			t.Errorf("offline: %d failures", total)
		}
	}
}

// Promise otp-sealed-here.
func TestWhatIsSealedForAnotherPurposeLetsNobodyIn(t *testing.T) {
	reseal := func(h *testMachine, machine, account uuid.UUID, kind identity.FactorKind, epoch uint64) func(*provider.SealedFactor) {
		return func(f *provider.SealedFactor) {
			blob, err := identity.SealTo(h.srv.sealTo, identity.SealInfo(realm, machine, account, kind, epoch), identity.NewSecret([]byte(aliceSecret)))
			must(h.t, err)
			f.Blob = blob
		}
	}
	for sentence, tamper := range map[string]func(h *testMachine) func(*provider.SealedFactor){
		"another machine": func(h *testMachine) func(*provider.SealedFactor) {
			return reseal(h, uuid.New(), h.alice(), identity.TOTP, 1)
		},
		"another account": func(h *testMachine) func(*provider.SealedFactor) {
			return reseal(h, h.machine, uuid.New(), identity.TOTP, 1)
		},
		"another kind": func(h *testMachine) func(*provider.SealedFactor) { return reseal(h, h.machine, h.alice(), "piv", 1) },
		"another epoch": func(h *testMachine) func(*provider.SealedFactor) {
			return reseal(h, h.machine, h.alice(), identity.TOTP, 2)
		},
		"an epoch that is not the token's": func(*testMachine) func(*provider.SealedFactor) {
			return func(f *provider.SealedFactor) { f.Epoch = 2 }
		},
		"nothing": func(*testMachine) func(*provider.SealedFactor) {
			return func(f *provider.SealedFactor) { f.Blob = nil }
		},
		"no one": func(*testMachine) func(*provider.SealedFactor) {
			return func(f *provider.SealedFactor) { f.Blob[3] ^= 1 }
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.tampered = tamper(h)
			h.srv.set(t, token("alice", 1900000100), coded)
			h.online()
			h.expect(identity.Granted, "alice", "secret", h.code(0))
			h.later()
			h.lost()
			conv := h.expect(identity.Denied, "alice", "secret", h.code(0))
			if len(conv.told) != 1 || !strings.Contains(conv.told[0], "Connect to the network and log in once") {
				t.Fatalf("told %q", conv.told)
			}
		})
	}
}

// Promise otp-sealed-ends.
func TestASealedSecretEndsWithItsEpochWithPolicyAndWithTheAccount(t *testing.T) {
	kept := func(h *testMachine) bool {
		_, err := h.cache.Sealed(bg, h.alice(), identity.TOTP)
		return err == nil
	}
	tok := token("alice", 1900000100)
	revision := func(h *testMachine, n uint64) {
		h.wait("the change", func() bool { e := h.d.Directory().WithUUID(h.alice()); return e == nil || e.Revision() == n })
	}
	for sentence, end := range map[string]func(h *testMachine){
		"another epoch": func(h *testMachine) {
			h.srv.set(h.t, tok, func(p *person) { p.token.Factors[1].Epoch = 2 })
			revision(h, 2)
		},
		"taken away": func(h *testMachine) {
			h.srv.set(h.t, tok, func(p *person) { p.token.Factors = p.token.Factors[:1] })
			revision(h, 2)
		},
		"disabled": func(h *testMachine) {
			h.srv.set(h.t, tok, func(p *person) { p.token.State = identity.Disabled })
			revision(h, 2)
		},
		"gone": func(h *testMachine) { h.srv.remove(h.alice()); revision(h, 99) },
		"policy changed, seen at the next login": func(h *testMachine) {
			h.srv.mu.Lock()
			h.srv.people[h.alice()].shared = false
			h.srv.mu.Unlock()
			h.expect(identity.Granted, "alice", "secret", h.code(0))
		},
		"cache cleared": func(h *testMachine) { must(h.t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheClear, nil, nil)) },
		"forgotten": func(h *testMachine) {
			must(h.t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheForget, []byte(`{"name":"alice"}`), nil))
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := sealedHere(t)
			if !kept(h) {
				t.Fatal("nothing was kept to begin with")
			}
			s, err := h.cache.Sealed(bg, h.alice(), identity.TOTP)
			must(t, err)
			end(h)
			// The index knows first, and nothing is granted from then on; the disk follows.
			h.wait("its end on the disk", func() bool {
				for _, name := range []string{"cache.db", "cache.db-wal"} {
					if b, _ := os.ReadFile(filepath.Join(h.dir, name)); bytes.Contains(b, s.Blob[:16]) {
						return false
					}
				}
				return !kept(h)
			})
		})
	}
}

// Promise otp-sealed-here.
func TestNoSecretLiesOpenInTheCache(t *testing.T) {
	h := away(t)
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	for _, name := range []string{"cache.db", "cache.db-wal"} {
		b, err := os.ReadFile(filepath.Join(h.dir, name))
		if err == nil && (bytes.Contains(b, []byte(aliceSecret)) || bytes.Contains(b, []byte("Hello!\xde\xad\xbe\xef"))) {
			t.Errorf("%s holds it", name)
		}
	}
}

// Promise otp-clock.
func TestAClockThatIsBehindIsNamedAsTheReason(t *testing.T) {
	h := away(t)
	must(t, h.d.Clock().Keep(bg))
	behind := h.clk.now().Add(-2 * time.Hour)
	h.clk.reboot(-2 * time.Hour)
	h.clk.pass(time.Minute)
	h.restart()
	right, err := totp.GenerateCode(aliceSecret, behind.Add(3*time.Hour)) // what a telephone shows
	must(t, err)
	conv := h.expect(identity.Denied, "alice", "secret", right)
	if len(conv.told) != 1 || !strings.Contains(conv.told[0], "clock is 2 h behind") {
		t.Fatalf("told %q", conv.told)
	}
	if conv = h.expect(identity.Denied, "alice", "wrong"); len(conv.told) != 0 {
		t.Fatalf("who does not know the password is told %q", conv.told)
	}
	found := false
	for _, f := range h.status().Findings {
		found = found || f.Check == "clock" && f.Severity == report.Warning
	}
	if !found {
		t.Error("status does not say so")
	}
}

// Promise otp-wrong-named.
func TestAWrongCodeIsCalledAWrongCode(t *testing.T) {
	h := sealedHere(t)
	if c := h.expect(identity.Denied, "alice", "secret", "000000"); !slices.Equal(c.told, []string{identity.WrongCode}) {
		t.Errorf("told %q", c.told)
	}
	if c := h.expect(identity.Denied, "alice", "wrong"); slices.Contains(c.told, identity.WrongCode) {
		t.Errorf("of a wrong password: told %q", c.told)
	}
}
