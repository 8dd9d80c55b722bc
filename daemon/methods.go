package daemon

import (
	"bytes"
	"context"
	"slices"

	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// What is asked for, and in what order. One attempt is a row of steps; at each of
// them identity.Next says which factors lead to the goal, and of those:
//
//	what was typed already comes before all others
//	at a login a card that is in a reader comes first; at a step-up the strongest
//	what the person passed over, by an empty line, comes last
//	a line that is no number answers a card's prompt as a password: sudo -S and its
//	like send one line, and know of no card

// Prompts. The one for a password is identity.PasswordPrompt.
const (
	codePrompt       = "One-time code: "
	codeOrBackup     = "One-time code or backup code: "
	backupCodePrompt = "Backup code: "
	anotherWay       = "Enter alone: another way."
	typePIN          = "Type the card's PIN. " // some greeters hide the prompt in their entry
	anotherWayBehind = " (Enter for another way)"
	// maxAsks bounds the prompts of one step.
	maxAsks = 12
)

// step is one step of an attempt.
type step struct {
	proved []identity.FactorKind
	offers []identity.FactorKind // what the server takes now; nil: this machine checks
	nonce  identity.Nonce        // for a card to sign
}

// askableKinds lists what the account holds and can be asked for here and now.
func (s *login) askableKinds() []identity.FactorKind {
	return slices.DeleteFunc(s.goal().Held, func(k identity.FactorKind) bool {
		return k == identity.PIV && !s.mayUseCard() || s.local != nil && !slices.Contains(s.local.can, k)
	})
}

// methods lists what may be asked for at this step, best first.
func (s *login) methods(ctx context.Context, t step) []identity.FactorKind {
	list := s.leading(t)
	if slices.Contains(list, identity.PIV) && !s.findCard(ctx) {
		list = s.leading(t)
	}
	if s.onlyByCard() {
		return nil
	}
	if !s.d.p.Services[s.Service].StepUp {
		slices.SortStableFunc(list, first(func(k identity.FactorKind) bool { return k == identity.PIV }))
	}
	slices.SortStableFunc(list, func(a, b identity.FactorKind) int { return slices.Index(s.skipped, a) - slices.Index(s.skipped, b) })
	slices.SortStableFunc(list, first(s.typed))
	return list
}

// onlyByCard tells whether the goal is out of reach for want of a card that the
// person could bring. Asking for anything else would be in vain.
func (s *login) onlyByCard() bool {
	g, can := s.goal(), s.askableKinds()
	with := append(slices.Clone(can), identity.PIV)
	return s.card.fault != nil && slices.Contains(g.Held, identity.PIV) && !g.Met(can) && g.Met(with)
}

// first sorts what is so before what is not.
func first(is func(identity.FactorKind) bool) func(a, b identity.FactorKind) int {
	return func(a, b identity.FactorKind) int {
		switch {
		case is(a) == is(b):
			return 0
		case is(a):
			return -1
		default:
			return 1
		}
	}
}

// leading are the factors that lead to the goal and are on offer. A server that offers
// none of them knows something newer than we do: then whatever it offers.
func (s *login) leading(t step) []identity.FactorKind {
	can, g := s.askableKinds(), s.goal()
	var list []identity.FactorKind
	if aim := g.Aim(can); aim != nil && (t.offers != nil || !aim(t.proved)) {
		list = identity.Next(can, t.proved, g.Table, aim)
	}
	if t.offers != nil {
		list = slices.DeleteFunc(list, func(k identity.FactorKind) bool { return !slices.Contains(t.offers, k) })
		if len(list) == 0 {
			list = s.askable(t, can)
		}
	}
	if slices.Contains(list, identity.TOTP) && !s.typed(identity.BackupCode) { // one prompt takes either code
		list = slices.DeleteFunc(list, func(k identity.FactorKind) bool { return k == identity.BackupCode })
	}
	return list
}

func (s *login) askable(t step, can []identity.FactorKind) []identity.FactorKind {
	var list []identity.FactorKind
	for _, row := range factors() {
		k := row.kind
		if slices.Contains(t.offers, k) && !slices.Contains(t.proved, k) && (k != identity.PIV || slices.Contains(can, k)) {
			list = append(list, k)
		}
	}
	return list
}

// typed tells whether the person, or an earlier module, has answered for it already.
func (s *login) typed(k identity.FactorKind) bool { return factorOf(k).typed(s).Len() > 0 }

// collect asks until one of the factors was answered for, and tells which. It says
// nothing of whether the answer is right.
func (s *login) collect(ctx context.Context, t step) (identity.FactorKind, checks.Ruling) {
	for range maxAsks {
		list := s.methods(ctx, t)
		if len(list) == 0 {
			return "", s.noMethod()
		}
		k := list[0]
		if s.typed(k) {
			return k, checks.Fine("")
		}
		if k == identity.Password && s.OnlyFirstPass {
			return "", checks.Ruling{Code: identity.Denied}
		}
		line, err := factorOf(k).ask(ctx, s, t, len(list) > 1)
		switch {
		case err != nil:
			return "", checks.Ruling{Code: identity.ConversationFailed}
		case line.Len() > 0:
			if k == identity.PIV && !digits(line) && slices.Contains(list, identity.Password) {
				k = identity.Password // one line, from a program that knows of no card
			}
			return s.keep(k, t, line), checks.Fine("")
		case len(list) == 1:
			return "", checks.Ruling{Code: identity.Denied}
		}
		s.skipped = append(slices.DeleteFunc(s.skipped, func(o identity.FactorKind) bool { return o == k }), k)
	}
	return "", checks.Ruling{Code: identity.Denied}
}

// noMethod says why nothing can be asked for.
func (s *login) noMethod() checks.Ruling {
	if s.card.fault == nil {
		return notAskable()
	}
	if s.card.told {
		return checks.Ruling{Code: identity.Denied}
	}
	detail, mend := cards.Words(s.card.fault)
	return checks.Ruling{Code: identity.Denied, Tell: true, Detail: detail, Mend: mend}
}

// hinted is a prompt, and says that there is another way than to answer it. A greeter cuts
// a long prompt off, so the hint is a line before it; sudo, which asks us to be silent, shows
// no such line, and its prompt has a line of its own. Some greeters show the last line alone:
// where that is the reason why the card is of no use, the hint does not take its place.
func (s *login) hinted(ctx context.Context, what, text string, others bool) string {
	reason := s.card.reason
	s.card.reason = false
	switch {
	case !others:
		return text
	case s.Silent:
		return text[:len(text)-len(": ")] + anotherWayBehind + ": "
	case reason:
		return text
	}
	if err := s.conv.Tell(ctx, identity.TellInfo, what+anotherWay); err != nil {
		s.d.log.DebugContext(ctx, "nobody to tell", "error", err)
	}
	return text
}

// keep holds what was typed until the attempt ends, and tells what it answers: by
// its form, for a one-time code is six digits.
func (s *login) keep(k identity.FactorKind, t step, line identity.Secret) identity.FactorKind {
	if k == identity.TOTP && !isCode(line) && s.takesBackup(t) {
		k = identity.BackupCode
	}
	*factorOf(k).typed(s) = line
	return k
}

// takesBackup tells whether a backup code would do at this step: only the server
// takes one. Of somebody who is not known to hold any code it knows better.
func (s *login) takesBackup(t step) bool {
	can := s.askableKinds()
	return slices.Contains(t.offers, identity.BackupCode) && (slices.Contains(can, identity.BackupCode) || !slices.Contains(can, identity.TOTP))
}

// next makes the answer to one step. A card that cannot be used leaves the other
// factors; a PIN that was wrong is asked for again while the card bears it.
func (s *login) next(ctx context.Context, t step) (provider.Answer, checks.Ruling) {
	for range maxAsks {
		k, r := s.collect(ctx, t)
		if r.Code != identity.Granted {
			return provider.Answer{}, r
		}
		a, r := factorOf(k).answer(ctx, s, t)
		if r.Code != identity.Granted {
			if r.Tell {
				return provider.Answer{}, r
			}
			continue
		}
		if a.Credential.Len() > 0 && bytes.Equal(a.Credential.Reveal(), s.usedUp.Reveal()) && s.spent(ctx, a.Kind) {
			continue
		}
		a.More = s.more(t, a.Kind)
		return a, checks.Fine("")
	}
	return provider.Answer{}, checks.Ruling{Code: identity.Denied}
}

// more tells whether this machine demands more than this answer and those before
// it. What a login takes the server knows better.
func (s *login) more(t step, kind identity.FactorKind) bool {
	proved := append(slices.Clone(t.proved), kind)
	if kind == identity.PasswordAndTOTP {
		proved = append(slices.Clone(t.proved), identity.Password, identity.TOTP)
	}
	g := s.goal()
	return g.Met(s.askableKinds()) && (!g.EnoughForService(proved) || !g.EnoughForGroups(proved))
}

func isCode(c identity.Secret) bool {
	return len(bytes.TrimSpace(c.Reveal())) == identity.TOTPDigits && digits(c)
}

// digits tells a PIN (NIST SP 800-73-4, part 2, section 2.4.3: decimal digits alone)
// from a password, as far as its form can.
func digits(c identity.Secret) bool {
	return !slices.ContainsFunc(bytes.TrimSpace(c.Reveal()), func(c byte) bool { return c < '0' || c > '9' })
}
