package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// errLost says that the server is of no use for this exchange: go offline.
var errLost = errors.New("the exchange was lost")

const (
	// maxSteps ends an exchange with a server that never comes to a decision.
	maxSteps = 8
	// maxAnew is how often one login goes on at another server.
	maxAnew = 2
	// skew is how far the server's clock and ours may differ.
	skew = 2 * time.Minute
)

// prove asks until there is an answer that counts.
func (s *login) prove(ctx context.Context) identity.Verdict {
	for {
		v := s.attempt(ctx)
		if v.Code != identity.Granted && s.asked {
			s.secret.Wipe()
		}
		// What an earlier module left may be meant for another one: then ask.
		if v.Code == identity.Denied && !s.asked && s.FirstPass.Len() > 0 && !s.OnlyFirstPass {
			s.asked, s.FirstPass = true, identity.Secret{}
			continue
		}
		return v
	}
}

// attempt takes one proof, whole: from the server, or when it is lost on the way
// from this machine, with what was typed until then.
func (s *login) attempt(ctx context.Context) identity.Verdict {
	defer s.forgetCode()
	s.restart()
	if s.OnlyFirstPass && s.secret.Len() == 0 {
		return identity.Verdict{Code: identity.Denied}
	}
	if r := s.known(ctx); r.Code != identity.Granted {
		return s.end(ctx, r)
	}
	first := step{}
	if s.local == nil {
		first.offers = []identity.FactorKind{identity.Password, identity.PIV} // nothing else comes first
	}
	// Before the exchange begins: it would grow old while someone types.
	if _, r := s.collect(ctx, first); r.Code != identity.Granted {
		return s.end(ctx, r)
	}
	if s.Peer.UID != 0 {
		if r := s.d.tries.ReserveAlone(ctx, s.q.Entry.Account().UUID, lockout.Locker, s.Origin()); r.Code != identity.Granted {
			return s.end(ctx, r)
		}
	}
	v, err := s.online(ctx)
	if errors.Is(err, errLost) {
		if ctx.Err() != nil {
			return identity.Verdict{Code: identity.Unavailable}
		}
		return s.offline(ctx)
	}
	return v
}

// known looks, where the server is known to be away, at what can be done without it:
// who cannot be let in so is told before typing a secret, unless the server is back.
func (s *login) known(ctx context.Context) checks.Ruling {
	if s.d.Link().Now() != resolver.Offline && !s.d.Link().JustFailed() {
		return checks.Fine("")
	}
	name := s.q.Entry.Account().Name
	r := s.goOffline(ctx)
	if s.d.Link().JustFailed() || r.Code != identity.Granted && !s.d.reachable(ctx, name) {
		return r
	}
	s.local = nil
	if s.q.Entry = s.d.Directory().WithUUID(s.q.Entry.Account().UUID); s.q.Entry == nil {
		return checks.Ruling{Code: identity.UnknownUser}
	}
	return checks.Fine("")
}

// restart begins an attempt with nothing but what an earlier module left.
func (s *login) restart() {
	s.secret, s.proved, s.skipped, s.local = identity.Secret{}, nil, nil, nil
	s.q.Methods, s.away, s.expires, s.oneLine = nil, false, 0, false
	if !s.asked {
		s.secret = s.FirstPass
	}
	if s.secret.Len() > 0 {
		s.skipped = []identity.FactorKind{identity.PIV} // the person has chosen the password already
	}
}

// attemptLife is how long somebody may think about one prompt before the server, which
// waits for two minutes, is asked to begin anew. A server that was started anew meanwhile
// knows of no attempt at all.
const attemptLife = 100 * time.Second

// begun is the server's answer with the exchange that it belongs to.
type begun struct {
	exchange provider.Exchange
	reply    provider.Reply
}

// online goes through the steps that the server asks for. Its error is errLost.
func (s *login) online(ctx context.Context) (identity.Verdict, error) {
	d := s.d
	if d.Link().JustFailed() {
		return identity.Verdict{}, errLost
	}
	s.local = nil
	a := provider.Attempt{Name: s.q.Entry.Account().Name, Service: s.Service, RemoteHost: s.RemoteHost, Origin: s.Origin(), StepUp: s.steppingUp()}
	a.UsedStep, a.UsedEpoch = d.codes.Used(ctx, s.q.Entry)
	renewed, anew := false, 0
	begin := func() (begun, error) {
		return withSlot(ctx, d, !renewed && anew == 0, func(ctx context.Context) (begun, error) {
			x, r, err := d.o.Provider.Begin(ctx, a)
			return begun{x, r}, err
		})
	}
	b, err := begin()
	var proved []identity.FactorKind
	var last identity.FactorKind // that was answered for
	for range maxSteps {
		if lost := new(provider.AnewError); errors.As(err, &lost) && anew < maxAnew {
			anew, proved = anew+1, nil
			if b, err = begin(); err == nil && lost.Sent && !s.spent(ctx, last) {
				err = lost
			}
			if err == nil {
				continue
			}
		}
		if err != nil {
			return s.failed(ctx, err)
		}
		d.Note(resolver.Answered, nil)
		d.Clock().Contact(b.reply.ServerTime)
		switch b.reply.Outcome {
		case provider.Allow:
			return s.allowed(ctx, b.reply)
		case provider.Continue:
		default:
			return s.refusedBy(ctx, b.reply, last), nil
		}
		if b.exchange == nil {
			return s.end(ctx, notAskable()), nil
		}
		heard, link := d.Clock().Now(), d.Link().View().Since
		answer, r := s.next(ctx, step{proved: proved, offers: b.reply.Offers, nonce: b.reply.Nonce})
		if r.Code != identity.Granted {
			return s.end(ctx, r), nil
		}
		if !renewed && (d.Clock().Now().Sub(heard) > attemptLife || !d.Link().View().Since.Equal(link)) {
			// What was typed answers for the new attempt as well.
			renewed, proved = true, nil
			b, err = begin()
			continue
		}
		last = answer.Kind
		if b.reply, err = s.send(ctx, b.exchange, answer); err == nil {
			s.proven = s.proven || b.reply.Outcome == provider.Continue && !b.reply.Unproved
			proved = append(proved, s.provedBy(answer.Kind, b.reply)...)
		}
	}
	return s.failed(ctx, fmt.Errorf("%w: it comes to no decision", provider.ErrOffline))
}

func notAskable() checks.Ruling {
	return checks.Ruling{
		Code: identity.Denied, Tell: true, Detail: "The server wants a proof that cannot be asked for here.",
		Mend: "Ask your administrator to bring Sallyport up to date here.",
	}
}

// provedBy is what an answer has proved, if it was not denied. Whether one line was
// password and code the server says with its yes: it may know of no code any more.
func (s *login) provedBy(kind identity.FactorKind, r provider.Reply) []identity.FactorKind {
	if kind != identity.PasswordAndTOTP {
		return []identity.FactorKind{kind}
	}
	if r.Outcome == provider.Allow || r.Outcome == provider.Continue && !slices.Contains(r.Offers, identity.TOTP) {
		s.oneLine = true
		return []identity.FactorKind{identity.Password, identity.TOTP}
	}
	return []identity.FactorKind{identity.Password}
}

// step sends one credential, and wants no more than a login.
func (s *login) step(ctx context.Context, x provider.Exchange, kind identity.FactorKind, typed identity.Secret) (provider.Reply, error) {
	return s.send(ctx, x, provider.Answer{Kind: kind, Credential: typed})
}

// send answers the server. The call gets a copy of its own: when it is given up it
// may still run while the caller wipes what was typed.
func (s *login) send(ctx context.Context, x provider.Exchange, a provider.Answer) (provider.Reply, error) {
	a.Credential = identity.NewSecret(bytes.Clone(a.Credential.Reveal()))
	return withSlot(ctx, s.d, false, func(ctx context.Context) (provider.Reply, error) {
		defer a.Credential.Wipe()
		return x.Step(ctx, a)
	})
}

// asking is how many steps are at the server at a time. The rest of a crowd waits
// here, where no time limit of the server's runs: two hundred people at once are
// no reason to believe that it is gone.
const asking = 16

// withSlot is bounded for a step of an authentication, when its turn has come. Who
// begins when the server has just gone away, or waited meanwhile, is spared the wait for
// it; what goes on is sent all the same: the server may be back, and what was typed is right.
func withSlot[T any](ctx context.Context, d *Gate, begins bool, call func(context.Context) (T, error)) (T, error) {
	var none T
	spared := begins || len(d.asking) == cap(d.asking)
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", provider.ErrOffline, ctx.Err())
	}
	if spared && d.Link().JustFailed() {
		return none, errLost
	}
	return resolver.WithProviderTimeout(ctx, d.p.ServerTimeout, call)
}

// failed sorts an error of the provider: gone for good, or of no use.
func (s *login) failed(ctx context.Context, err error) (identity.Verdict, error) {
	d := s.d
	if errors.Is(err, errLost) { // nobody was asked
		return identity.Verdict{}, errLost
	}
	if errors.Is(err, provider.ErrNotFound) {
		d.Note(resolver.Answered, nil)
		_ = d.Apply(d.Life(), resolver.Update{Gone: []uuid.UUID{s.q.Entry.Account().UUID}}) // logged there
		return identity.Verdict{Code: identity.UnknownUser}, nil
	}
	if ctx.Err() == nil {
		d.Note(resolver.Failed, err)
	}
	d.log.WarnContext(ctx, "authentication goes on offline", "account", s.q.Entry.Account().Name, "error", err)
	return identity.Verdict{}, errLost
}

// refusedBy ends with the server's denial. It never goes on offline.
func (s *login) refusedBy(ctx context.Context, r provider.Reply, of identity.FactorKind) identity.Verdict {
	s.proven = s.proven || r.Proved
	if s.proven && r.Message == identity.Refused && isCodeKind(of) {
		r.Message = identity.WrongCode
	}
	s.endRefused(ctx, r)
	// A locker says of itself that an answer was wrong, and some wait for OK at each line.
	mute := s.Silent || s.Peer.UID != 0
	out := checks.Ruling{Code: identity.Denied, Detail: identity.Printable(r.Message), Tell: r.Message != "" && (!mute || r.Message != identity.Refused)}
	if r.Locked {
		out.Code, out.Tell = identity.TooManyTries, true
		if out.Detail == "" {
			out.Detail = "Too many wrong answers. The server has locked this account."
			out.Mend = "Wait some minutes and try again, or ask your administrator."
		}
	}
	return s.end(ctx, out)
}

func isCodeKind(k identity.FactorKind) bool { return k == identity.TOTP || k == identity.BackupCode }

// allowed checks that the server's yes is for this account, on this machine,
// now, and proves all that the account demands; then takes over what it learnt.
func (s *login) allowed(ctx context.Context, r provider.Reply) (identity.Verdict, error) {
	d := s.d
	if err := s.checkYes(r); err != nil {
		return s.wrongYes(ctx, err), nil
	}
	_ = d.Apply(d.Life(), resolver.Update{Records: []provider.Record{r.Record}}) // logged there; the index has it
	s.q.Methods, s.expires = r.Session.Methods, r.Session.ExpiresAt
	if s.oneLine && slices.Contains(s.q.Methods, identity.TOTP) {
		s.takeApart() // so that the password is handed on
	}
	s.proved, s.proven = s.factorsOf(r), true
	if out := s.stillRight(ctx); out.Code != identity.Granted {
		return s.end(ctx, out), nil
	}
	d.codes.Keep(ctx, s.q.Entry, r.Session.Methods, r.Sealed)
	d.proofs.Tokens.Keep(r.Session, r.SignedSession)
	d.succeeded(ctx, s.q.Entry, s.Origin(), s.handedOn())
	// That took its time: what was pushed meanwhile counts.
	if out := s.stillRight(ctx); out.Code != identity.Granted {
		return s.end(ctx, out), nil
	}
	return identity.Verdict{Code: identity.Granted, Password: s.handedOn()}, nil
}

// handedOn is the password if it was proved: another one is no use to anybody.
func (s *login) handedOn() identity.Secret {
	if slices.Contains(s.q.Methods, identity.Password) {
		return s.secret
	}
	return identity.Secret{}
}

// factorsOf are the credentials that the server's yes names, as they were then; nil when one
// of them is not the account's: then nothing can be judged by it later.
func (s *login) factorsOf(r provider.Reply) []identity.Factor {
	list := make([]identity.Factor, 0, len(r.Session.Methods))
	for _, kind := range r.Session.Methods {
		f := identity.Factor{Kind: kind}
		at := slices.IndexFunc(r.Record.Token.Factors, func(o identity.Factor) bool {
			return o.Kind == kind && (kind != identity.PIV || bytes.Equal(identity.CardFingerprint(o.Certificate), s.card.seen.Fingerprint))
		})
		switch {
		case at >= 0:
			f.Epoch = r.Record.Token.Factors[at].Epoch
		case kind != identity.BackupCode: // the last one is gone with its use
			return nil
		}
		list = append(list, f)
	}
	return list
}

// stillRight judges by the index: a push may have brought something newer than
// the token that came with the server's yes.
func (s *login) stillRight(ctx context.Context) checks.Ruling {
	if s.q.Entry = s.d.Directory().WithUUID(s.q.Entry.Account().UUID); s.q.Entry == nil {
		return checks.Ruling{Code: identity.UnknownUser}
	}
	// What was proved is still the account's, and it holds nothing more by now that
	// a login takes.
	if slices.ContainsFunc(s.proved, func(f identity.Factor) bool { return !s.q.Entry.Holds(f) }) || !s.goal().EnoughForLogin(s.q.Methods) {
		return checks.Ruling{Code: identity.Denied}
	}
	return s.d.checks.Run(ctx, checks.Access(), &s.q, nil)
}

func (s *login) goal() policy.Goal { return s.d.checks.GoalOf(s.q.Entry, s.d.p.Services[s.Service]) }

func (s *login) checkYes(r provider.Reply) error {
	if err := s.checkBound(r); err != nil {
		return err
	}
	if g := (policy.Goal{Held: r.Record.Token.Held()}); !g.EnoughForLogin(r.Session.Methods) {
		return fmt.Errorf("it allowed with %v, which is not enough", r.Session.Methods)
	}
	return nil
}

var errAnother = errors.New("it allowed another account")

// wrongYes refuses a yes that does not fit. The server has answered, so this does not go
// on offline: what is remembered may be just what the server has changed.
func (s *login) wrongYes(ctx context.Context, err error) identity.Verdict {
	name := string(s.q.Entry.Account().Name)
	s.d.log.WarnContext(ctx, "the server's yes is refused", "account", name, "error", err)
	out := checks.Ruling{
		Code: identity.Denied, Tell: true, Detail: "The server's answer does not fit this account: " + err.Error() + ".",
		Mend: "Try again; if that does not help, ask your administrator.",
	}
	if errors.Is(err, errAnother) {
		out.Detail = "The server has another account called " + name + " now."
		out.Mend = "Ask your administrator. If it is meant: sudo sallyport cache forget " + name
	}
	return s.end(ctx, out)
}

// checkBound sees that a yes is for this account, here and now.
func (s *login) checkBound(r provider.Reply) error {
	e, t := s.q.Entry, r.Record.Token
	if r.Session == nil || t == nil {
		return errors.New("it allowed without a token")
	}
	if !e.IsOf(t) {
		return errAnother
	}
	if err := r.Session.Check(e.Account().UUID, s.d.o.Machine, s.d.Clock().Now(), skew); err != nil {
		return fmt.Errorf("it allowed wrongly: %w", err)
	}
	if r.Session.Realm != s.d.o.Realm {
		return errors.New("it allowed for another realm")
	}
	return nil
}
