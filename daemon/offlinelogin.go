package daemon

import (
	"context"
	"slices"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// offlineMethods is what this machine can check of one account without the server.
type offlineMethods struct {
	can []identity.FactorKind // of those held
	out []checks.Ruling       // why others cannot, the first the weightiest
}

const connect = "Connect to the network and try again."

// mayOffline tells whether the account could sign in here without a server, and
// with what. Explain shows the same answer. Who may not is refused, not passed on
// as unavailable: no other module of the stack could know better, and the next
// would only ask for the password again.
func (d *Gate) mayOffline(ctx context.Context, e *directory.Entry) (offlineMethods, checks.Ruling) {
	refuse := func(detail, mend string) (offlineMethods, checks.Ruling) {
		return offlineMethods{}, checks.Ruling{Code: identity.NotPermitted, Tell: true, Detail: detail, Mend: mend}
	}
	if e.Blocked() != "" {
		return refuse("Offline, and this machine refuses the account's new state.", "Ask your administrator.")
	}
	a := d.checks.AgeOf(e)
	if !a.Within {
		return refuse(a.Refusal(), connect)
	}
	h := d.checkable(ctx, e)
	if g := d.checks.GoalOf(e, policy.Service{}); g.Aim(h.can) == nil {
		return offlineMethods{}, h.why("Offline, and no factor of yours can be checked here.")
	}
	return h, checks.Fine(a.String())
}

// why is the reason for a refusal, when what can be checked here does not suffice.
func (h offlineMethods) why(otherwise string) checks.Ruling {
	if len(h.out) > 0 {
		return h.out[0]
	}
	return checks.Ruling{Code: identity.NotPermitted, Tell: true, Detail: otherwise, Mend: connect}
}

// checkable goes through the account's factors. The first reason is that of a code, which
// takes the most to be had.
func (d *Gate) checkable(ctx context.Context, e *directory.Entry) offlineMethods {
	var h offlineMethods
	held := identity.Kinds(e.Factors())
	for _, row := range factors() {
		if !slices.Contains(held, row.kind) {
			continue
		}
		switch r := row.checkable(ctx, d, e); {
		case r.Code == identity.Granted:
			h.can = append(h.can, row.kind)
		case r.Detail == "": // it never can, and is no reason
		case row.kind == identity.TOTP:
			h.out = slices.Insert(h.out, 0, r)
		default:
			h.out = append(h.out, r)
		}
	}
	return h
}

// goOffline is judge for a caller without the account's lock: another attempt that
// is being checked counts as failed until it was right.
func (s *login) goOffline(ctx context.Context) checks.Ruling {
	unlock, err := s.d.tries.Lock(ctx, s.q.Entry.Account().UUID)
	if err != nil {
		return checks.Ruling{Code: identity.Unavailable}
	}
	defer unlock()
	return s.judge(ctx)
}

// judge finds what this machine can do for this login without the server, and
// refuses what cannot succeed before anyone types a secret.
func (s *login) judge(ctx context.Context) checks.Ruling {
	d := s.d
	if s.q.Entry = d.Directory().WithUUID(s.q.Entry.Account().UUID); s.q.Entry == nil {
		return checks.Ruling{Code: identity.UnknownUser}
	}
	h, r := d.mayOffline(ctx, s.q.Entry)
	if r.Code != identity.Granted {
		return r
	}
	if locked := d.locks(ctx, &h, s.q.Entry, s.Origin()); locked.Code != identity.Granted {
		return locked
	}
	s.local = &h
	g, can := s.goal(), s.askableKinds()
	aim := g.Aim(can)
	switch {
	case aim == nil && s.card.fault != nil && slices.Contains(h.can, identity.PIV):
		return s.noMethod()
	case aim == nil:
		return h.why("Offline, and what can be checked here is not enough.")
	case g.Met(g.Held) && !g.Met(h.can):
		return h.why("Offline. " + s.Service + " takes more than can be checked here: " + g.Describe() + ".")
	}
	return r
}

// locks takes out what failures have locked for that origin; what that leaves decides whether
// anyone may go on. A count that cannot be read locks all.
func (d *Gate) locks(ctx context.Context, h *offlineMethods, e *directory.Entry, from identity.Origin) checks.Ruling {
	now := d.Clock().Now()
	for _, k := range slices.Clone(h.can) {
		until, err := d.tries.LockedUntil(ctx, e.Account().UUID, lockout.KindOf(k), from)
		if err != nil {
			return lockout.Uncounted(err)
		}
		if at := slices.Index(h.can, k); at >= 0 && now.Before(until) {
			h.can = slices.Delete(h.can, at, at+1)
			h.out = slices.Insert(h.out, 0, lockout.Locked(until.Sub(now)))
		}
	}
	return checks.Fine("")
}

// offline decides from what is remembered, as strictly as the server would: the
// same steps, with this machine in its place.
func (s *login) offline(ctx context.Context) identity.Verdict {
	d := s.d
	s.away = true
	for range maxSteps {
		if r := s.goOffline(ctx); r.Code != identity.Granted {
			return s.end(ctx, r)
		}
		a, r := s.next(ctx, step{proved: s.kinds(), nonce: d.newNonce()})
		if r.Code != identity.Granted {
			return s.end(ctx, r)
		}
		done, r := s.check(ctx, a)
		if r.Code != identity.Granted {
			return s.end(ctx, r)
		}
		if done {
			return s.grantOffline(ctx, r.Detail)
		}
	}
	return identity.Verdict{Code: identity.Denied}
}

func (s *login) kinds() []identity.FactorKind { return identity.Kinds(s.proved) }

// check takes one answer, and tells whether it was the last. The account's lock is
// held for it, and let go while anyone types.
func (s *login) check(ctx context.Context, a provider.Answer) (done bool, out checks.Ruling) {
	unlock, err := s.d.tries.Lock(ctx, s.q.Entry.Account().UUID)
	if err != nil {
		return false, checks.Ruling{Code: identity.Unavailable}
	}
	defer unlock()
	// Typing took its time: what was pushed meanwhile counts, and time went by.
	if out = s.judge(ctx); out.Code != identity.Granted {
		return false, out
	}
	f, r := factorOf(a.Kind).verify(ctx, s, a)
	if r.Code == identity.Denied && r.Detail == "" && s.proven && isCodeKind(a.Kind) {
		r.Detail, r.Tell = identity.WrongCode, true
	}
	if r.Code != identity.Granted {
		return false, r
	}
	s.proved, s.proven = append(s.proved, f), true
	id := s.q.Entry.Account().UUID
	s.d.tries.TakeBack(ctx, id, lockout.KindOf(a.Kind), s.Origin()) // it was right
	if aim := s.goal().Aim(s.askableKinds()); aim == nil || !aim(s.kinds()) {
		return false, out
	}
	// Of what was proved, and of no other factor: else who may log in by one has any
	// number of guesses at the rest.
	cleared := []string{lockout.Locker}
	for _, k := range s.kinds() {
		cleared = append(cleared, lockout.KindOf(k))
	}
	s.d.tries.SignedIn(ctx, id, s.Origin(), cleared...)
	return true, out
}

// grantOffline is the end of an attempt that proved all that was asked for.
func (s *login) grantOffline(ctx context.Context, age string) identity.Verdict {
	s.q.Methods = s.kinds()
	// The last answer took its time: what was pushed meanwhile counts.
	if out := s.stillRight(ctx); out.Code != identity.Granted {
		return s.end(ctx, out)
	}
	if !s.Silent && s.conv.Tell(ctx, identity.TellInfo, age) != nil {
		return identity.Verdict{Code: identity.ConversationFailed}
	}
	return identity.Verdict{Code: identity.Granted, Password: s.handedOn()}
}
