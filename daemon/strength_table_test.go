package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
)

const (
	pw     = identity.Password
	totpK  = identity.TOTP
	piv    = identity.PIV
	backup = identity.BackupCode
)

type kinds = []identity.FactorKind

// sitter is a person with everything at hand, and a habit.
type sitter struct {
	h       *testMachine
	habit   string
	prompts []string
	told    []string
	erred   bool // something wrong was typed that ends it
	pins    int
}

func (c *sitter) Ask(_ context.Context, _ identity.Style, text string) (identity.Secret, error) {
	c.prompts = append(c.prompts, text)
	var answer string
	switch {
	case strings.HasPrefix(text, "Password"):
		answer = "secret"
		if c.habit == "wrong password" {
			answer, c.erred = "wrong", true
		}
	case strings.HasPrefix(text, "PIN"):
		c.pins++
		answer = "123456"
		if c.habit == "wrong PIN" || c.habit == "wrong PIN once" && c.pins == 1 {
			answer = "999999"
		}
		if c.habit == "passes the card over" {
			answer = ""
		}
		c.erred = c.erred || c.habit == "forged"
	case strings.HasPrefix(text, "Backup"), strings.HasPrefix(text, "One-time code or") && c.habit == "backup code":
		answer = "abcd efgh jkmn"
	default:
		answer = c.h.code(0)
		if c.habit == "wrong code" {
			answer, c.erred = "000000x", true
		}
	}
	return identity.NewSecret([]byte(answer)), nil
}

func (c *sitter) Tell(_ context.Context, _ identity.Style, text string) error {
	c.told = append(c.told, seen(text))
	return nil
}

func (c *sitter) asked(prefix string) (n int) {
	for _, p := range c.prompts {
		if strings.HasPrefix(p, prefix) {
			n++
		}
	}
	return n
}

// plainly is the rule in other words than package identity's: is what this person
// can show, of what the account holds, enough for a login and for the demand?
func plainly(held, shows kinds, p policy.Service) bool {
	has := slices.Contains[kinds]
	code := has(shows, totpK) || has(shows, backup)
	login := has(shows, piv) || has(shows, pw) && (code || !has(held, totpK))
	worth, total := map[identity.FactorKind]int{pw: 10, totpK: 20, backup: 20, piv: 30}, 0
	for _, k := range shows {
		total += worth[k]
	}
	if has(shows, totpK) && has(shows, backup) {
		total -= 20 // one stands in for the other
	}
	for _, k := range p.Factors {
		if !has(shows, k) && (k != totpK || !code) {
			return false
		}
	}
	return login && total >= int(p.Points)
}

func minus(list kinds, gone ...identity.FactorKind) kinds {
	return slices.DeleteFunc(slices.Clone(list), func(k identity.FactorKind) bool { return slices.Contains(gone, k) })
}

func strengths() map[string]policy.Service {
	all := map[string]policy.Service{"none": {}}
	for _, f := range []kinds{{pw}, {totpK}, {piv}, {pw, piv}, {totpK, piv}, {pw, totpK, piv}} {
		all[fmt.Sprint(f)] = policy.Service{Factors: f}
	}
	for _, n := range []uint16{1, 10, 11, 20, 30, 31, 40, 50, 51, 60, 61, 80, 81} {
		all[fmt.Sprint(n)] = policy.Service{Points: n}
	}
	all["30 and a code"] = policy.Service{Points: 30, Factors: kinds{totpK}}
	all["50 and a card"] = policy.Service{Points: 50, Factors: kinds{piv}}
	for name, p := range all {
		p.StepUp = true
		all[name] = p
	}
	return all
}

// strong is a machine where alice, who holds these kinds, logged in once.
func strong(t *testing.T, held kinds, services map[string]policy.Service) (*testMachine, *softCard) {
	t.Helper()
	h := newTestMachine(t, func(h *testMachine) { h.policy.Services, h.cards = services, &reader{} })
	card := validCard(t)
	h.srv.set(t, token("alice", 1900000100), func(p *person) {
		p.token.Factors, p.token.Points = nil, identity.DefaultPoints()
		for i, k := range held {
			p.token.Factors = append(p.token.Factors, identity.Factor{Kind: k, Epoch: uint64(i) + 3})
			if k == piv {
				p.token.Factors[i].Certificate = card.der
			}
		}
		if slices.Contains(held, totpK) {
			p.secret, p.shared = aliceSecret, true
		}
	})
	h.refill()
	h.online()
	for _, habit := range []string{"no card", "right"} {
		h.present(card, habit)
		c := &sitter{h: h, habit: habit}
		h.d.Decide(bg, identity.Login{Operation: identity.OpAuthenticate, Service: "first", User: "alice"}, c)
		h.later()
	}
	return h, card
}

func (h *testMachine) refill() {
	h.srv.mu.Lock()
	defer h.srv.mu.Unlock()
	h.srv.people[h.alice()].backup = []string{"abcd efgh jkmn", "another"}
}

// present puts the card into the reader, or not, as the habit has it.
func (h *testMachine) present(card *softCard, habit string) {
	card.retries = 3
	h.cards.insert(card)
	if habit == "no card" {
		h.cards.insert(nil)
	}
	h.cards.mu.Lock()
	h.cards.forge = habit == "forged"
	h.cards.mu.Unlock()
}

// TestEveryStrengthIsAskedOfEverythingHeldWhereverTheServerIs is the table of what
// is held, what is demanded, where the server is lost, and what the person does.
// Promise strength-everything.
func TestEveryStrengthIsAskedOfEverythingHeldWhereverTheServerIs(t *testing.T) {
	for _, held := range []kinds{{pw}, {piv}, {pw, totpK}, {pw, piv}, {pw, totpK, piv}, {pw, totpK, backup}, {pw, totpK, backup, piv}} {
		t.Run(fmt.Sprint(held), func(t *testing.T) {
			t.Parallel()
			h, card := strong(t, held, strengths())
			for _, where := range []string{"online", "lost at 1", "lost at 2", "lost at 3", "offline"} {
				if where == "offline" {
					h.lost()
				}
				for _, habit := range []string{
					"right", "no card", "passes the card over", "backup code",
					"wrong password", "wrong code", "wrong PIN", "wrong PIN once", "forged",
				} {
					for name := range strengths() {
						strengthRow(t, h, card, held, where, habit, name)
					}
				}
			}
		})
	}
}

func strengthRow(t *testing.T, h *testMachine, card *softCard, held kinds, where, habit, name string) {
	t.Helper()
	policy := h.d.p.Services[name]
	h.later()
	h.present(card, habit)
	h.refill()
	h.d.proofs.ForgetAll()
	must(t, h.cache.ClearFailures(bg, h.alice()))
	if at, ok := strings.CutPrefix(where, "lost at "); ok {
		if h.d.Link().Now() != resolver.Online {
			h.srv.be(down) // which ends the stream; the next one catches up
			h.srv.be(up)
		}
		h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
		h.srv.lostStepAt(int64(at[0] - '0'))
	}
	c := &sitter{h: h, habit: habit}
	v := h.d.Decide(bg, identity.Login{
		Operation: identity.OpAuthenticate, Service: name, User: "alice", RemoteUser: "alice", Session: desk(),
	}, c)
	h.srv.mu.Lock()
	lost := where == "offline" || where != "online" && h.srv.lostAt == 0
	h.srv.lostAt = 0
	h.srv.mu.Unlock()
	shows := slices.Clone(held)
	if lost {
		shows = minus(shows, backup)
	}
	if habit == "no card" || habit == "passes the card over" || habit == "wrong PIN" {
		shows = minus(shows, piv)
	}
	want := plainly(held, shows, policy) && !c.erred
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%v, %s, %s, %s: "+format+"; prompts %q, told %q", append(append([]any{held, where, habit, name}, args...), c.prompts, c.told)...)
	}
	if (v.Code == identity.Granted) != want {
		fail("%s, want granted %t", v.Code, want)
		return
	}
	if lost && habit == "right" && where == "offline" && plainly(held, held, policy) && !plainly(held, minus(held, backup), policy) && len(c.prompts) > 0 {
		fail("a secret was asked for in vain")
	}
	if habit != "passes the card over" && (c.asked("Password") > 1 || habit != "wrong PIN" && habit != "wrong PIN once" && c.asked("PIN") > 1) {
		fail("something was asked for twice")
	}
	if !want {
		if n := len(h.d.proofs.StepUps.Of(h.alice(), 0)); n > 0 {
			fail("%d proofs are remembered of a refusal", n)
		}
		return
	}
	checkProof(h, policy, held, habit, v, fail)
}

// checkProof holds what was proved against the rule: enough, and nothing in vain.
func checkProof(h *testMachine, policy policy.Service, held kinds, habit string, v identity.Verdict, fail func(string, ...any)) {
	h.t.Helper()
	list := h.d.proofs.StepUps.Of(h.alice(), 0)
	if len(list) != 1 {
		fail("%d proofs are remembered", len(list))
		return
	}
	proved := list[0].Methods()
	if !plainly(held, proved, policy) {
		fail("granted for %v", proved)
	}
	for i, f := range list[0].Factors {
		if held[slices.Index(held, f.Kind)] != f.Kind || f.Epoch != uint64(slices.Index(held, f.Kind))+3 {
			fail("%v of epoch %d", f.Kind, f.Epoch)
		}
		if (habit == "right" || habit == "no card") && plainly(held, append(slices.Clone(proved[:i]), proved[i+1:]...), policy) {
			fail("%v was asked for in vain beside %v", f.Kind, proved)
		}
	}
	if password := slices.Contains(proved, pw); password != (v.Password.Len() > 0) || password && string(v.Password.Reveal()) != "secret" {
		fail("a password of %d bytes is handed on", v.Password.Len())
	}
}
