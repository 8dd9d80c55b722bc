package daemon

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// machineWithCard is a machine with a reader where alice's card is in; she has a password
// and a code too, and logged in once.
func machineWithCard(t *testing.T, tweak ...func(*testMachine)) (*testMachine, *softCard) {
	t.Helper()
	card := validCard(t)
	h := newTestMachine(t, append([]func(*testMachine){func(h *testMachine) {
		h.cards = &reader{}
		h.policy.Services = map[string]policy.Service{
			"sudo": {StepUp: true}, "vault": {Factors: kinds{piv}}, "nocards": {NoCards: true}, "nocards, vault": {NoCards: true, Factors: kinds{piv}},
		}
	}}, tweak...)...)
	h.srv.set(t, token("alice", 1900000100), func(p *person) {
		coded(p)
		carded(card)(p)
		p.token.Points = identity.DefaultPoints()
	})
	h.online()
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	h.later()
	if h.cards != nil {
		h.cards.insert(card)
	}
	return h, card
}

// door asks for a login by a service.
func (h *testMachine) door(service string, conv identity.Conversation, change ...func(*identity.Login)) identity.Verdict {
	h.t.Helper()
	l := identity.Login{Operation: identity.OpAuthenticate, Service: service, User: "alice", RemoteUser: "alice", Session: desk()}
	for _, f := range change {
		f(&l)
	}
	return h.d.Decide(bg, l, conv)
}

const (
	pinPrompt   = "PIN (blue): "
	blockedText = "The card is blocked"
)

// locker is a program of the person's.
func locker(l *identity.Login) { l.Peer.UID = aliceUID }

func fromAfar(l *identity.Login) { l.RemoteHost = "192.0.2.7" }

// TestACardIsAskedForWhereThePersonIsAtIt is the table of whether a card is asked
// for, and what the prompts are.
// Promise card-prompt.
func TestACardIsAskedForWhereThePersonIsAtIt(t *testing.T) {
	for sentence, c := range map[string]struct {
		service string
		change  func(*identity.Login)
		before  func(h *testMachine, card *softCard)
		answers func(h *testMachine) []string
		prompts string
		want    identity.Code
		told    string
	}{
		"in the reader":        {service: "login", answers: one("123456"), prompts: pinPrompt, want: identity.Granted},
		"passed over":          {service: "login", answers: all("", "secret"), prompts: pinPrompt + "|Password: |One-time code: ", want: identity.Granted},
		"round and round":      {service: "login", answers: one("", "", "", "123456"), prompts: pinPrompt + "|Password: |" + pinPrompt + "|Password: ", want: identity.Denied},
		"round, and then":      {service: "login", answers: one("", "", "123456"), prompts: pinPrompt + "|Password: |" + pinPrompt, want: identity.Granted},
		"not in the reader":    {service: "login", before: takenOut, answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Granted},
		"another's":            {service: "login", before: another, answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Granted, told: "not one of this account"},
		"from afar":            {service: "sshd", change: fromAfar, answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Granted},
		"forbidden":            {service: "nocards", answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Granted},
		"demanded":             {service: "vault", answers: one("123456"), prompts: "PIN (blue): ", want: identity.Granted},
		"demanded, no answer":  {service: "vault", answers: one(""), prompts: "PIN (blue): ", want: identity.Denied},
		"demanded, not there":  {service: "vault", before: takenOut, answers: one(), prompts: "", want: identity.Denied, told: "No card is in the reader."},
		"demanded, from afar":  {service: "vault", change: fromAfar, answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Denied, told: "it takes a card"},
		"demanded, forbidden":  {service: "nocards, vault", answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Denied, told: "it takes a card"},
		"a step-up":            {service: "sudo", answers: one("123456"), prompts: pinPrompt, want: identity.Granted},
		"one try left":         {service: "login", before: tries(1), answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Granted, told: "does not use up"},
		"blocked":              {service: "login", before: tries(0), answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Granted, told: blockedText},
		"blocked and demanded": {service: "vault", before: tries(0), answers: one(), prompts: "", want: identity.Denied, told: blockedText},
		"a first pass": {
			service: "login", change: func(l *identity.Login) { l.FirstPass = identity.NewSecret([]byte("secret")) },
			answers: func(h *testMachine) []string { return []string{h.code(0)} }, prompts: "One-time code: ", want: identity.Granted,
		},
		"one line": {
			service: "sshd", change: fromAfar, answers: func(h *testMachine) []string { return []string{"secret" + h.code(0)} },
			prompts: "Password: ", want: identity.Granted,
		},
		"one line, and the card is there": {
			service: "sudo", answers: func(h *testMachine) []string { return []string{"secret" + h.code(0)} },
			prompts: pinPrompt, want: identity.Granted,
		},
		"a wrong PIN once":         {service: "login", answers: one("111111", "123456"), prompts: pinPrompt + "|" + pinPrompt, want: identity.Granted, told: "2 tries left"},
		"a wrong PIN twice":        {service: "login", answers: all("111111", "222222", "secret"), prompts: pinPrompt + "|" + pinPrompt + "|Password: |One-time code: ", want: identity.Granted, told: "One try is left"},
		"a wrong PIN, two left":    {service: "login", before: tries(2), answers: all("111111", "secret"), prompts: pinPrompt + "|Password: |One-time code: ", want: identity.Granted, told: "The PIN is wrong. One try is left"},
		"a wrong PIN, demanded":    {service: "vault", answers: one("111111", "222222"), prompts: "PIN (blue): |PIN (blue): ", want: identity.Denied, told: "One try is left"},
		"a wrong PIN at a locker":  {service: "login", change: locker, answers: one("111111", "111111"), prompts: pinPrompt, want: identity.Denied, told: "2 tries left"},
		"a PIN at a locker":        {service: "login", change: locker, before: func(_ *testMachine, c *softCard) { c.touch = true }, answers: one("123456"), prompts: pinPrompt, want: identity.Granted, told: ""},
		"taken out in between":     {service: "login", before: goes(identity.CardRemoved), answers: all("123456", "secret"), prompts: pinPrompt + "|Password: |One-time code: ", want: identity.Granted, told: "The card was removed"},
		"not touched":              {service: "login", before: goes(identity.CardUntouched), answers: all("123456", "secret"), prompts: pinPrompt + "|Password: |One-time code: ", want: identity.Granted, told: "not touched in time"},
		"held by another":          {service: "login", before: goes(identity.CardBusy), answers: all("123456", "secret"), prompts: pinPrompt + "|Password: |One-time code: ", want: identity.Granted, told: "Another program"},
		"touched":                  {service: "login", before: func(_ *testMachine, c *softCard) { c.touch = true }, answers: one("123456"), prompts: pinPrompt, want: identity.Granted, told: "Touch your card."},
		"a panic":                  {service: "login", before: panics, answers: all("123456", "secret"), prompts: pinPrompt + "|Password: |One-time code: ", want: identity.Granted, told: "could not be used"},
		"a signature of elsewhere": {service: "login", before: forges, answers: one("123456"), prompts: pinPrompt, want: identity.Denied},
		"out of date":              {service: "login", before: outOfDate, answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Granted, told: "has expired"},
		"revoked":                  {service: "login", before: revoked, answers: all("secret"), prompts: "Password: |One-time code: ", want: identity.Granted, told: "was taken from the account"},
	} {
		for _, where := range []string{"online", "offline"} {
			t.Run(sentence+", "+where, func(t *testing.T) {
				h, card := machineWithCard(t)
				if c.before != nil {
					c.before(h, card)
				}
				if where == "offline" {
					h.lost()
				}
				conv := typing(c.answers(h)...)
				if c.change == nil {
					c.change = func(*identity.Login) {}
				}
				v := h.door(c.service, conv, c.change)
				if got := strings.Join(conv.prompts, "|"); v.Code != c.want || got != c.prompts {
					t.Errorf("%s, want %s; prompts %q, want %q; told %q", v.Code, c.want, got, c.prompts, conv.told)
				}
				if !strings.Contains(strings.Join(conv.told, "|"), c.told) || sentence == "a PIN at a locker" && len(conv.told) > 0 {
					t.Errorf("told %q, want %q", conv.told, c.told)
				}
				typed := sentence == "a first pass" || strings.Contains(c.prompts, "One-time code") || strings.HasPrefix(sentence, "one line")
				if v.Code == identity.Granted && (v.Password.Len() > 0) != typed {
					t.Errorf("a password of %d bytes is handed on", v.Password.Len())
				}
			})
		}
	}
}

func one(answers ...string) func(*testMachine) []string {
	return func(*testMachine) []string { return answers }
}

// all ends with the code of now.
func all(answers ...string) func(*testMachine) []string {
	return func(h *testMachine) []string { return append(append([]string{}, answers...), h.code(0)) }
}

func takenOut(h *testMachine, _ *softCard) { h.cards.insert(nil) }
func another(h *testMachine, _ *softCard)  { h.cards.insert(validCard(h.t)) }
func forges(h *testMachine, _ *softCard)   { h.cards.forge = true }
func panics(h *testMachine, _ *softCard) {
	h.cards.before = func() error { panic("the reader is on fire") }
}

func tries(n int) func(*testMachine, *softCard) {
	return func(_ *testMachine, c *softCard) { c.retries = n }
}

func goes(f identity.CardFault) func(*testMachine, *softCard) {
	return func(h *testMachine, _ *softCard) { h.cards.before = func() error { return fault(f) } }
}

// outOfDate gives her a card that was valid when she got it.
func outOfDate(h *testMachine, _ *softCard) {
	old := newCard(h.t, h.clk.now().Add(-time.Hour), h.clk.now().Add(-time.Minute))
	h.changed(func(t *identity.IDToken) { t.Factors[2].Certificate = old.der })
	h.cards.insert(old)
}

func revoked(h *testMachine, c *softCard) {
	h.changed(func(t *identity.IDToken) {
		t.Factors[2].Certificate, t.RevokedCards = validCard(h.t).der, [][]byte{c.fingerprint()}
	})
}

func TestAPINIsNotAskedForAgainWhenTheServerIsLost(t *testing.T) {
	for at, prompts := range map[int64]string{1: pinPrompt, 2: "PIN (blue): |One-time code: "} {
		h, _ := machineWithCard(t, func(h *testMachine) { h.policy.Services["login"] = policy.Service{Points: 40} })
		if at == 1 {
			h.d.p.Services["login"] = policy.Service{}
		}
		h.srv.lostStepAt(at)
		conv := typing("123456", h.code(0))
		if v := h.door("login", conv); v.Code != identity.Granted || strings.Join(conv.prompts, "|") != prompts {
			t.Errorf("lost at step %d: %s, prompts %q, told %q", at, v.Code, conv.prompts, conv.told)
		}
		if h.cards.signs != 2 {
			t.Errorf("lost at step %d: %d signatures, want one for each nonce", at, h.cards.signs)
		}
	}
}

// Promise card-prompt.
func TestACardThatHangsHoldsNobodyUpForEver(t *testing.T) {
	h, _ := machineWithCard(t)
	hang := make(chan struct{})
	defer close(hang)
	ctx, cancel := context.WithCancel(bg)
	h.cards.before = func() error { cancel(); <-hang; return nil }
	conv := typing("123456")
	v := h.d.Decide(ctx, identity.Login{Operation: identity.OpAuthenticate, Service: "vault", User: "alice"}, conv)
	if v.Code == identity.Granted || len(conv.prompts) != 1 {
		t.Errorf("%s, prompts %q", v.Code, conv.prompts)
	}
}

// Promise proof-of-card.
func TestAPasswordThatWasNotProvedIsNotHandedOn(t *testing.T) {
	h, _ := machineWithCard(t)
	v := h.door("vault", typing("123456"), func(l *identity.Login) { l.FirstPass = identity.NewSecret([]byte("anything")) })
	if v.Code != identity.Granted || v.Password.Len() != 0 {
		t.Errorf("%s, with a password of %d bytes", v.Code, v.Password.Len())
	}
}

// Promise strength-asked.
func TestOneAllowedGroupWhoseDemandIsMetSuffices(t *testing.T) {
	strongest := vault()
	strongest.Earned, strongest.Demands, strongest.Points = false, kinds{piv}, 50
	for sentence, c := range map[string]struct {
		groups  []identity.Group // of alice, among those allowed
		answers func(h *testMachine) []string
		want    identity.Code
	}{
		"a group that demands nothing":          {[]identity.Group{stuff}, one("123456"), identity.Granted},
		"one that demands more":                 {[]identity.Group{strongest}, all("123456"), identity.Granted},
		"one that demands more, in part":        {[]identity.Group{strongest}, all("", "secret"), identity.Denied},
		"either":                                {[]identity.Group{strongest, stuff}, one("123456"), identity.Granted},
		"one that demands what nobody here has": {[]identity.Group{{UUID: strongest.UUID, Name: "vault", GID: 1900000055, Points: 61}}, one("123456"), identity.Denied},
		"none":                                  {nil, one("123456"), identity.Denied},
	} {
		for _, where := range []string{"online", "offline"} {
			t.Run(sentence+", "+where, func(t *testing.T) {
				h, _ := machineWithCard(t)
				h.changed(func(t *identity.IDToken) { t.Groups = append(t.Groups, c.groups...) })
				h.d.p.AllowAll, h.d.p.AllowGroups = false, []uuid.UUID{stuff.UUID, strongest.UUID}
				if where == "offline" {
					h.lost()
				}
				conv := typing(c.answers(h)...)
				if v := h.door("login", conv); v.Code != c.want {
					t.Errorf("%s, want %s; prompts %q, told %q", v.Code, c.want, conv.prompts, conv.told)
				}
			})
		}
	}
}

// Promise card-prompt.
func TestNoReaderIsLookedAtForWhoHasNoCard(t *testing.T) {
	h, _ := machineWithCard(t)
	h.srv.set(t, token("bob", 1900000101), nil)
	h.wait("bob", func() bool { return h.d.Directory().Named("bob") != nil })
	h.cards.finds = 0
	if v, _ := h.login("bob", "secret"); v.Code != identity.Granted || h.cards.finds != 0 {
		t.Errorf("%s, looked %d times", v.Code, h.cards.finds)
	}
	if v := h.door("sshd", typing("secret", h.code(0)), fromAfar); v.Code != identity.Granted || h.cards.finds != 0 {
		t.Errorf("from afar: %s, looked %d times", v.Code, h.cards.finds)
	}
}

// Promise proof-of-card.
func TestAProofByACardEndsWithThatVeryCard(t *testing.T) {
	h, card := machineWithCard(t)
	if v := h.door("sudo", typing("123456")); v.Code != identity.Granted {
		t.Fatal(v.Code)
	}
	second := validCard(t)
	h.changed(func(t *identity.IDToken) {
		t.Factors = append(t.Factors, identity.Factor{Kind: piv, Epoch: 50, Certificate: second.der})
	})
	if v := h.door("sudo", typing()); v.Code != identity.Granted {
		t.Errorf("another card is enrolled: %s", v.Code)
	}
	h.changed(func(t *identity.IDToken) {
		t.Factors = append(t.Factors[:2:2], t.Factors[3])
		t.RevokedCards = [][]byte{card.fingerprint()}
	})
	if v := h.door("sudo", typing()); v.Code == identity.Granted {
		t.Error("a proof by a revoked card counts")
	}
}

// Promise proof-of-card.
func TestTheLastBackupCodeProvesAsMuchAsAnyOther(t *testing.T) {
	for _, n := range []int{1, 2} {
		h, _ := machineWithCard(t, func(h *testMachine) { h.cards = nil })
		h.changed(func(t *identity.IDToken) {
			t.Factors = append(t.Factors[:2:2], identity.Factor{Kind: backup, Epoch: 9})
		})
		h.srv.mu.Lock()
		h.srv.people[h.alice()].backup = []string{"first", "second"}[:n]
		h.srv.mu.Unlock()
		conv := typing("secret", "first")
		if v := h.door("sudo", conv); v.Code != identity.Granted || strings.Join(conv.prompts, "|") != "Password: |One-time code or backup code: " {
			t.Fatalf("%d codes: %s, prompts %q, told %q", n, v.Code, conv.prompts, conv.told)
		}
		if v := h.door("sudo", typing()); v.Code != identity.Granted {
			t.Errorf("%d codes: the proof does not count: %s", n, v.Code)
		}
		h.changed(func(t *identity.IDToken) {
			t.Factors = append(t.Factors[:2:2], identity.Factor{Kind: backup, Epoch: 10})
		})
		if v := h.door("sudo", typing()); v.Code == identity.Granted {
			t.Errorf("%d codes: the proof counts beside new codes", n)
		}
	}
}

func TestABackupCodeIsNeverTakenOffline(t *testing.T) {
	h, _ := machineWithCard(t, func(h *testMachine) { h.cards = nil })
	h.changed(func(t *identity.IDToken) {
		t.Factors = append(t.Factors[:2:2], identity.Factor{Kind: backup, Epoch: 9})
	})
	h.srv.mu.Lock()
	h.srv.people[h.alice()].backup = []string{"first", "second"}
	h.srv.mu.Unlock()
	h.srv.lostStepAt(2) // with the backup code on its way
	conv := typing("secret", "first", h.code(0))
	if v := h.door("login", conv); v.Code != identity.Granted || strings.Join(conv.prompts, "|") != "Password: |One-time code or backup code: |One-time code: " {
		t.Errorf("%s, prompts %q, told %q", v.Code, conv.prompts, conv.told)
	}
	h.later()
	h.lost()
	conv = typing("secret", "first")
	if v := h.door("login", conv); v.Code != identity.Denied || strings.Join(conv.prompts, "|") != "Password: |One-time code: " {
		t.Errorf("%s, prompts %q, told %q", v.Code, conv.prompts, conv.told)
	}
}

// Promise strength-asked.
func TestTheServersMoreIsAskedExactlyWhenThisMachineDemandsMore(t *testing.T) {
	h, _ := machineWithCard(t)
	for service, c := range map[string]struct {
		answers []string
		want    string
	}{
		"login":   {[]string{"", "secret", h.code(0)}, "[password false totp false]"},
		"vault":   {[]string{"123456"}, "[piv false]"},
		"two":     {[]string{"123456", h.code(0)}, "[piv true totp false]"},
		"all":     {[]string{"123456", h.code(0), "secret"}, "[piv true totp true password false]"},
		"too far": {[]string{"123456"}, "[piv false]"},
	} {
		t.Run(service, func(t *testing.T) {
			h, _ := machineWithCard(t, func(h *testMachine) {
				h.policy.Services["two"], h.policy.Services["all"] = policy.Service{Points: 50}, policy.Service{Points: 60}
				h.policy.Services["too far"] = policy.Service{Points: 61}
			})
			p := &listening{server: h.srv}
			h.d.Gate.o.Provider = provider.SourceOf(p)
			h.door(service, typing(c.answers...))
			if got := fmt.Sprint(p.heard); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// listening notes what the server is sent.
type listening struct {
	*server
	heard []any
}

type overheard struct {
	provider.Exchange
	l *listening
}

func (l *listening) Begin(ctx context.Context, a provider.Attempt) (provider.Exchange, provider.Reply, error) {
	x, r, err := l.server.Begin(ctx, a)
	return overheard{x, l}, r, err
}

func (o overheard) Step(ctx context.Context, a provider.Answer) (provider.Reply, error) {
	o.l.heard = append(o.l.heard, a.Kind, a.More)
	return o.Exchange.Step(ctx, a)
}
