package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// errLost says that the server is of no use for this exchange: go offline.
var errLost = errors.New("the exchange was lost")

const (
	codePrompt = "One-time code: "
	// maxSteps ends an exchange with a server that never comes to a decision.
	maxSteps = 8
	// skew is how far the server's clock and ours may differ.
	skew = 2 * time.Minute
)

// authenticate asks for the password first and for the server after: an exchange
// begun early would grow old while someone types.
func (s *login) authenticate(ctx context.Context) identity.Verdict {
	if r := s.door(ctx); r.code != identity.Granted {
		return s.end(ctx, r)
	}
	if s.again(ctx, slices.Concat(freshChecks, rightChecks)...) {
		return identity.Verdict{Code: identity.Granted}
	}
	return s.proving(ctx)
}

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

func (s *login) attempt(ctx context.Context) identity.Verdict {
	defer s.forgetCode()
	if code := s.needPassword(ctx); code != identity.Granted {
		return identity.Verdict{Code: code}
	}
	if s.secret.Len() == 0 {
		return identity.Verdict{Code: identity.Denied}
	}
	if s.Peer.UID != 0 {
		if r := s.d.reserveAlone(ctx, s.q.e.account.UUID, kindLocker); r.code != identity.Granted {
			return s.end(ctx, r)
		}
	}
	v, err := s.online(ctx)
	if errors.Is(err, errLost) {
		if ctx.Err() != nil {
			return identity.Verdict{Code: identity.Unavailable}
		}
		s.away = true
		return s.offline(ctx)
	}
	return v
}

func (s *login) needPassword(ctx context.Context) identity.Code {
	prompt := identity.PasswordPrompt
	if s.Operation == identity.OpAccount {
		// sudo puts its own prompt in the usual one's place, which it has not filled
		// in yet when it has asked nothing: the person would see "%p".
		prompt = "Password for " + string(s.q.e.account.Name) + ": "
	}
	secret, code := s.password(ctx, identity.AskSecret, prompt)
	s.secret = secret
	return code
}

// begun is the server's answer with the exchange that it belongs to.
type begun struct {
	exchange provider.Exchange
	reply    provider.Reply
}

// online goes through the steps that the server asks for. Its error is errLost.
func (s *login) online(ctx context.Context) (identity.Verdict, error) {
	d := s.d
	if d.link.justFailed() {
		return identity.Verdict{}, errLost
	}
	a := provider.Attempt{Name: s.q.e.account.Name, Service: s.Service, RemoteHost: s.RemoteHost, UsedStep: d.usedStep(ctx, s.q.e)}
	b, err := queued(ctx, d, func(ctx context.Context) (begun, error) {
		x, r, err := d.o.Provider.Begin(ctx, a)
		return begun{x, r}, err
	})
	var used []identity.FactorKind
	for range maxSteps {
		if err != nil {
			return s.failed(ctx, err)
		}
		d.note(evAnswered, nil)
		d.clock.contact(b.reply.ServerTime)
		switch b.reply.Outcome {
		case provider.Allow:
			return s.allowed(ctx, b.reply)
		case provider.Continue:
		default:
			return s.refusedBy(ctx, b.reply), nil
		}
		kind := next(b.reply.Offers, used)
		if kind == "" || b.exchange == nil {
			return s.end(ctx, ruling{
				code: identity.Denied, tell: true, detail: "The server asks for a proof that this machine cannot ask you for.",
				mend: "Ask your administrator to bring Sallyport up to date here.",
			}), nil
		}
		credential, code := s.credential(ctx, kind)
		if code != identity.Granted {
			return identity.Verdict{Code: code}, nil
		}
		used = append(used, kind)
		if kind == identity.Password && s.mayBeOneLine(b.reply.Offers) {
			kind = identity.PasswordAndTOTP
		}
		b.reply, err = s.step(ctx, b.exchange, kind, credential)
		if kind == identity.PasswordAndTOTP && err == nil && b.reply.Outcome == provider.Allow {
			s.takeApart()
		}
	}
	return s.failed(ctx, fmt.Errorf("%w: it comes to no decision", provider.ErrOffline))
}

// step sends one credential. The call gets a copy of its own: when it is given
// up it may still run while the caller wipes what was typed.
func (s *login) step(ctx context.Context, x provider.Exchange, kind identity.FactorKind, typed identity.Secret) (provider.Reply, error) {
	credential := identity.NewSecret(bytes.Clone(typed.Reveal()))
	return queued(ctx, s.d, func(ctx context.Context) (provider.Reply, error) {
		defer credential.Wipe()
		return x.Step(ctx, provider.Answer{Kind: kind, Credential: credential})
	})
}

// asking is how many steps are at the server at a time. The rest of a crowd waits
// here, where no time limit of the server's runs: two hundred people at once are
// no reason to believe that it is gone.
const asking = 16

// queued is bounded for a step of an authentication, when its turn has come. Who
// waited while the server went away is spared the wait for it.
func queued[T any](ctx context.Context, d *Daemon, call func(context.Context) (T, error)) (T, error) {
	var none T
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", provider.ErrOffline, ctx.Err())
	}
	if d.link.justFailed() {
		return none, errLost
	}
	return bounded(ctx, d.p.ServerTimeout, call)
}

// next picks the first factor on offer that we can ask for, the password before
// all others, each once.
func next(offers, used []identity.FactorKind) identity.FactorKind {
	for _, k := range []identity.FactorKind{identity.Password, identity.TOTP} {
		if slices.Contains(offers, k) && !slices.Contains(used, k) {
			return k
		}
	}
	return ""
}

func (s *login) credential(ctx context.Context, kind identity.FactorKind) (identity.Secret, identity.Code) {
	if kind == identity.Password {
		return s.secret, identity.Granted
	}
	// use_first_pass forbids to ask for the password again, not for a further
	// factor: no earlier module can have left one.
	code, err := s.conv.Ask(ctx, identity.AskText, codePrompt)
	if err != nil {
		return identity.Secret{}, identity.ConversationFailed
	}
	s.code = code // kept until the attempt ends: the network may be lost now
	return code, identity.Granted
}

// failed sorts an error of the provider: gone for good, or of no use.
func (s *login) failed(ctx context.Context, err error) (identity.Verdict, error) {
	d := s.d
	if errors.Is(err, errLost) { // nobody was asked
		return identity.Verdict{}, errLost
	}
	if errors.Is(err, provider.ErrNotFound) {
		d.note(evAnswered, nil)
		_ = d.learn(d.base, news{gone: []uuid.UUID{s.q.e.account.UUID}}) // logged there
		return identity.Verdict{Code: identity.UnknownUser}, nil
	}
	if ctx.Err() == nil {
		d.note(evFailed, err)
	}
	d.log.WarnContext(ctx, "authentication goes on offline", "account", s.q.e.account.Name, "error", err)
	return identity.Verdict{}, errLost
}

// refusedBy ends with the server's denial. It never goes on offline.
func (s *login) refusedBy(ctx context.Context, r provider.Reply) identity.Verdict {
	out := ruling{code: identity.Denied, detail: printable(r.Message), tell: r.Message != ""}
	if r.Locked {
		out.code, out.tell = identity.TooManyTries, true
		if out.detail == "" {
			out.detail = "Too many wrong answers: the server has locked this account for a while."
			out.mend = "Wait some minutes and try again, or ask your administrator."
		}
	}
	return s.end(ctx, out)
}

// printable makes a server's text fit for a terminal.
func printable(text string) string {
	const maxText = 512
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return strings.TrimSpace(text)
}

// allowed checks that the server's yes is for this account, on this machine,
// now, and proves all that the account demands; then takes over what it learnt.
func (s *login) allowed(ctx context.Context, r provider.Reply) (identity.Verdict, error) {
	d := s.d
	if err := s.checkYes(r); err != nil {
		return s.failed(ctx, fmt.Errorf("%w: %w", provider.ErrOffline, err))
	}
	_ = d.learn(d.base, news{records: []provider.Record{r.Record}}) // logged there; the index has it
	s.q.methods, s.expires = r.Session.Methods, r.Session.ExpiresAt
	if out := s.stillRight(ctx, r.Record.Token); out.code != identity.Granted {
		return s.end(ctx, out), nil
	}
	d.keepSealed(ctx, s.q.e, r.Sealed)
	d.succeeded(ctx, s.q.e, s.secret)
	// That took its time: what was pushed meanwhile counts.
	if out := s.stillRight(ctx, r.Record.Token); out.code != identity.Granted {
		return s.end(ctx, out), nil
	}
	return identity.Verdict{Code: identity.Granted, Password: s.secret}, nil
}

// stillRight judges by the index: a push may have brought something newer than
// the token that came with the server's yes.
func (s *login) stillRight(ctx context.Context, proved *identity.IDToken) ruling {
	if s.q.e = s.d.index.withUUID(proved.Account.UUID); s.q.e == nil {
		return ruling{code: identity.UnknownUser}
	}
	was, _ := proved.FactorEpoch(identity.Password)
	if now, ok := s.q.e.epoch(identity.Password); !ok || now != was {
		return ruling{code: identity.Denied}
	}
	return s.d.ask(ctx, rightChecks, &s.q, nil)
}

func (s *login) checkYes(r provider.Reply) error {
	e, t := s.q.e, r.Record.Token
	if r.Session == nil || t == nil {
		return errors.New("it allowed without a token")
	}
	if t.Account.UUID != e.account.UUID {
		return errors.New("it allowed another account")
	}
	if err := r.Session.Check(e.account.UUID, s.d.o.Machine, s.d.clock.now(), skew); err != nil {
		return fmt.Errorf("it allowed wrongly: %w", err)
	}
	if r.Session.Realm != s.d.o.Realm {
		return errors.New("it allowed for another realm")
	}
	if !covers(r.Session.Methods, demanded(t)) {
		return fmt.Errorf("it allowed with %v, which is not enough", r.Session.Methods)
	}
	return nil
}

// demanded are the factors that every authentication of an account must prove:
// the password, and a one-time code once there is one.
func demanded(t *identity.IDToken) []identity.FactorKind {
	list := []identity.FactorKind{identity.Password}
	if _, ok := t.FactorEpoch(identity.TOTP); ok {
		list = append(list, identity.TOTP)
	}
	return list
}
