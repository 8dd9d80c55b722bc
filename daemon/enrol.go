package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Enrolling is an authentication with one step more, and only the server's: the
// account itself asks over control.sock and proves what a login takes. Then:
//
//	what is asked for   the server offers   what comes next
//	totp                new-totp, a secret  a code of it
//	piv                 new-piv, a nonce    the card is made ready (enrolcard.go), and signs
//	backup-codes        -                   nothing: they are shown
//	remove              -                   nothing: it is gone
//
// Between two requests the exchange waits here, for its uid alone.

const (
	// enrolWait is a little less than the server waits.
	enrolWait = 9 * time.Minute
	// maxEnrolling bounds how many wait at a time.
	maxEnrolling = 64
)

// These are for people; their text says what to do.
var (
	errEnrol       = errors.New("nothing was changed")
	errOtherServer = fmt.Errorf("%w: the server went away in the middle of it. Try again, with a new code", errEnrol)
	errNoServer    = fmt.Errorf("%w: the server cannot be reached. Connect to the network and try again", errEnrol)
)

type enrolments struct {
	mu   sync.Mutex
	open map[string]*enrolment
}

type enrolment struct {
	uid      uint32
	login    *login
	exchange provider.Exchange
	until    time.Time // by the wall clock: it is a matter of minutes
	wish     wish
	// nonce is for a card to sign, and made the card once it is ready.
	nonce identity.Nonce
	made  *identity.CardMade
}

// wish is what somebody wants to have, or to be rid of.
type wish struct {
	enrol, remove identity.FactorKind
	card          []byte // with remove identity.PIV: its fingerprint
	proved        string // with enrol identity.PIV: see proveCards
	purpose       string // of what is no enrolment: see requests.go
}

// offer is what the server offers once enough is proved, "" for nothing.
func (w wish) offer() identity.FactorKind {
	switch w.enrol {
	case identity.TOTP:
		return identity.NewTOTP
	case identity.PIV:
		return identity.NewPIV
	default:
		return ""
	}
}

// put keeps one enrolment for each uid: a new one ends the one before.
func (l *enrolments) put(e *enrolment, now time.Time) (handle string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = make(map[string]*enrolment)
	}
	for h, o := range l.open {
		if o.uid == e.uid || !now.Before(o.until) {
			delete(l.open, h)
		}
	}
	if len(l.open) >= maxEnrolling {
		return "", false
	}
	handle = rand.Text()
	l.open[handle] = e
	return handle, true
}

// take ends the wait: a handle leads on once, and only who began may go on.
func (l *enrolments) take(handle string, uid uint32, now time.Time) (*enrolment, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.open[handle]
	if !ok || e.uid != uid {
		return nil, false
	}
	delete(l.open, handle)
	return e, now.Before(e.until)
}

// silent is the conversation of a request that has said all it has to say. What a
// refusal would tell a person ends up in its error.
type silent struct{ told string }

func (c *silent) Ask(context.Context, identity.Style, string) (identity.Secret, error) {
	return identity.Secret{}, errors.New("nobody is there to ask")
}

func (c *silent) Tell(_ context.Context, _ identity.Style, text string) error {
	c.told = text
	return nil
}

// enrolRemove begins to give a factor up.
func (d *Gate) enrolRemove(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.RemoveArgs
	if err := report.Decode(args, &a); err != nil {
		return err
	}
	w := wish{remove: identity.FactorKind(a.Kind)}
	if !slices.Contains([]identity.FactorKind{identity.TOTP, identity.PIV, identity.BackupCode}, w.remove) {
		return fmt.Errorf("%w: %q cannot be removed", report.ErrVerb, a.Kind)
	}
	var err error
	if w.card, err = hex.DecodeString(a.Card); err != nil || len(w.card) != 0 && (w.remove != identity.PIV || len(w.card) != sha256.Size) {
		return fmt.Errorf("%w: a card is named by the SHA-256 of its certificate, and nothing else has one", report.ErrVerb)
	}
	return d.enrolBegin(ctx, peer, a.EnrolArgs, w, emit)
}

func (d *Gate) enrolBegin(ctx context.Context, peer identity.Peer, a report.EnrolArgs, w wish, emit func(any) error) error {
	s, err := d.proving(ctx, peer, a, "sallyport enrol")
	if err != nil {
		return err
	}
	defer s.forgetProof()
	if s.codeMissing() {
		return emit(report.Enrolment{NeedsCode: true})
	}
	if w.remove == identity.PIV && len(w.card) == 0 {
		if w.card, err = s.onlyCard(ctx); err != nil {
			return err
		}
	}
	b, err := s.proveNow(ctx, w)
	if err != nil {
		return err
	}
	open := &enrolment{uid: peer.UID, login: s, exchange: b.exchange, until: d.o.Now().Add(enrolWait), wish: w, nonce: b.reply.Nonce}
	if b.reply.Outcome == provider.Allow {
		return d.altered(ctx, open, b.reply, emit)
	}
	handle, ok := d.enrolling.put(open, d.o.Now())
	if !ok {
		return fmt.Errorf("%w: too many people are enrolling at this moment. Try again in some minutes", errEnrol)
	}
	defer b.reply.OTPAuth.Wipe()
	return emit(report.Enrolment{Handle: handle, Until: open.until, URL: string(b.reply.OTPAuth.Reveal())})
}

// proving begins an authentication of who asks over control.sock, by what came with the
// request. Whoever gets it calls forgetProof in the end.
func (d *Gate) proving(ctx context.Context, peer identity.Peer, a report.EnrolArgs, service string) (*login, error) {
	e := d.Directory().WithUID(peer.UID)
	if e == nil {
		return nil, fmt.Errorf("%w: uid %d is no account of the realm", report.ErrForbidden, peer.UID)
	}
	s := &login{
		d: d, conv: &silent{}, q: checks.Question{Typed: string(e.Account().Name)}, secret: identity.NewSecret([]byte(a.Password)),
		Login: identity.Login{Operation: identity.OpAuthenticate, Service: service, User: string(e.Account().Name), Peer: peer, LogindSession: a.LogindSession},
	}
	s.code, s.card.pin = identity.NewSecret(bytes.TrimSpace([]byte(a.Code))), identity.NewSecret([]byte(a.PIN))
	if r := s.preChecks(ctx); r.Code != identity.Granted {
		s.forgetProof()
		return nil, fmt.Errorf("%w: %s", report.ErrForbidden, r.Text())
	}
	return s, nil
}

func (s *login) forgetProof() { s.secret.Wipe(); s.forgetCode(); s.card.forget() }

// codeMissing: the account has a generator, so nothing is tried without its code.
func (s *login) codeMissing() bool {
	_, held := s.q.Entry.Epoch(identity.TOTP)
	return held && s.code.Len() == 0 && s.card.pin.Len() == 0
}

// proveNow answers the server's offers with what was given, counted as every attempt is.
func (s *login) proveNow(ctx context.Context, w wish) (begun, error) {
	d, id := s.d, s.q.Entry.Account().UUID
	if d.Link().JustFailed() { // so nothing is tried that would be counted
		return begun{}, errNoServer
	}
	if r := d.tries.ReserveAlone(ctx, id, lockout.Locker, s.Origin()); r.Code != identity.Granted {
		return begun{}, refusedEnrolment(r.Text())
	}
	b, err := s.proveForEnrolment(ctx, w)
	if err == nil {
		d.tries.SignedIn(ctx, id, s.Origin(), lockout.All()...)
	}
	return b, err
}

// altered is the end of what needs no confirmation.
func (d *Gate) altered(ctx context.Context, e *enrolment, r provider.Reply, emit func(any) error) error {
	if err := d.takeOver(ctx, e, r); err != nil {
		return err
	}
	done := report.Enrolment{Done: true}
	for _, c := range r.BackupCodes {
		done.BackupCodes = append(done.BackupCodes, string(c.Reveal()))
		c.Wipe()
	}
	return emit(done)
}

func refusedEnrolment(why string) error {
	if why == "" {
		why = "The server did not accept the password or the code. Try again."
	}
	return fmt.Errorf("%w. %s", errEnrol, why)
}

// proveForEnrolment answers the server's offers with what was given, until it
// offers what was wished for, or has done it.
func (s *login) proveForEnrolment(ctx context.Context, w wish) (begun, error) {
	d := s.d
	a := provider.Attempt{
		Name: s.q.Entry.Account().Name, Service: s.Service, Origin: s.Origin(), StepUp: true, Enrol: w.enrol, Remove: w.remove, RemoveCard: w.card,
		Purpose: w.purpose,
	}
	a.UsedStep, a.UsedEpoch = d.codes.Used(ctx, s.q.Entry)
	b, err := withSlot(ctx, d, true, func(ctx context.Context) (begun, error) {
		x, r, err := d.o.Provider.Begin(ctx, a)
		return begun{x, r}, err
	})
	var used []identity.FactorKind
	for range maxSteps {
		if err != nil {
			if !errors.Is(err, errLost) {
				d.Note(resolver.Failed, err)
			}
			if len(used) == 0 {
				d.tries.Unreserve(ctx, s.q.Entry.Account().UUID, lockout.Locker, s.Origin())
			}
			if lost := new(provider.AnewError); errors.As(err, &lost) {
				return begun{}, errOtherServer
			}
			return begun{}, errNoServer
		}
		d.Note(resolver.Answered, nil)
		d.Clock().Contact(b.reply.ServerTime)
		if b.reply.Outcome == provider.Allow && w.offer() != "" {
			return begun{}, fmt.Errorf("%w: this server cannot enrol that. Ask your administrator", errEnrol)
		}
		if b.reply.Outcome == provider.Allow {
			return b, nil
		}
		if b.reply.Outcome != provider.Continue || b.exchange == nil {
			return begun{}, refusedEnrolment(identity.Printable(b.reply.Message))
		}
		if k := w.offer(); k != "" && slices.Contains(b.reply.Offers, k) && (k != identity.NewTOTP || b.reply.OTPAuth.Len() > 0) {
			return b, nil
		}
		kind, credential, why := s.given(ctx, b.reply, used)
		if kind == "" {
			return begun{}, refusedEnrolment(why)
		}
		used = append(used, kind)
		b.reply, err = s.send(ctx, b.exchange, provider.Answer{Kind: kind, Credential: credential})
	}
	return begun{}, errNoServer
}

// given is the first answer to an offer that was given and not used yet.
func (s *login) given(ctx context.Context, r provider.Reply, used []identity.FactorKind) (kind identity.FactorKind, credential identity.Secret, why string) {
	may := func(k identity.FactorKind) bool { return slices.Contains(r.Offers, k) && !slices.Contains(used, k) }
	code := identity.TOTP
	if !isCode(s.code) {
		code = identity.BackupCode
	}
	switch {
	case s.card.pin.Len() > 0 && may(identity.PIV) && s.d.reader.Exists():
		if !s.atReader() {
			return "", identity.Secret{}, notAtReader
		}
		if !s.findCard(ctx) {
			return "", identity.Secret{}, cards.Text(s.card.fault)
		}
		signature, ruled := s.signed(ctx, r.Nonce)
		if ruled.Code != identity.Granted {
			return "", identity.Secret{}, s.conv.(*silent).told + ruled.Detail //nolint:forcetypeassert // enrolBegin made it; one says it
		}
		return identity.PIV, signature, ""
	case s.secret.Len() > 0 && may(identity.Password):
		return identity.Password, s.secret, ""
	case s.code.Len() > 0 && may(code):
		return code, s.code, ""
	case len(used) > 0 && may(identity.PIV):
		return "", identity.Secret{}, "This takes a proof by a card that the account has already: run the command again with --by-card."
	default:
		return "", identity.Secret{}, ""
	}
}

func (d *Gate) enrolConfirm(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.ConfirmArgs
	if err := report.Decode(args, &a); err != nil {
		return err
	}
	e, ok := d.enrolling.take(a.Handle, peer.UID, d.o.Now())
	if !ok {
		return fmt.Errorf("%w: it took too long, or another enrolment began. Start again", errEnrol)
	}
	if e.wish.enrol != identity.TOTP {
		return fmt.Errorf("%w: what is under way is no enrolment of a one-time code", report.ErrVerb)
	}
	code := identity.NewSecret(bytes.TrimSpace([]byte(a.Code)))
	defer code.Wipe()
	r, err := e.login.step(ctx, e.exchange, identity.NewTOTP, code)
	if err != nil {
		d.Note(resolver.Failed, err)
		return fmt.Errorf("%w, or it is not known whether: the server gave no answer. Log in with the new code, then with the old", errEnrol)
	}
	d.Note(resolver.Answered, nil)
	switch r.Outcome {
	case provider.Allow:
		return d.enrolled(ctx, e, r, emit)
	case provider.Continue:
		if d.enrolling.again(a.Handle, e, d.o.Now()) {
			return emit(report.Enrolled{Message: identity.Printable(r.Message)})
		}
	default: // a no, which is also what anything else is
	}
	return refusedEnrolment(identity.Printable(r.Message))
}

// again lets an enrolment wait under the handle that it had, if it is not too late
// and no other began meanwhile.
func (l *enrolments) again(handle string, e *enrolment, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.open {
		if o.uid == e.uid {
			return false
		}
	}
	l.open[handle] = e
	return now.Before(e.until)
}

// enrolled is the end of what was confirmed.
func (d *Gate) enrolled(ctx context.Context, e *enrolment, r provider.Reply, emit func(any) error) error {
	if err := d.takeOver(ctx, e, r); err != nil {
		return err
	}
	return emit(report.Enrolled{Done: true})
}

// takeOver learns what the server says now, after the checks of any yes.
func (d *Gate) takeOver(ctx context.Context, e *enrolment, r provider.Reply) error {
	s := e.login
	if s.q.Entry = d.Directory().WithUUID(s.q.Entry.Account().UUID); s.q.Entry == nil {
		return identity.ErrNotFound
	}
	// Whoever gives a factor up may have proved it: it was the account's until now.
	if err := s.checkBound(r); err != nil {
		return fmt.Errorf("%w: %w", errEnrol, err)
	}
	held := r.Record.Token.Held()
	if e.wish.remove != "" {
		held = append(held, e.wish.remove)
	}
	if !(policy.Goal{Held: held}).EnoughForLogin(r.Session.Methods) {
		return fmt.Errorf("%w: it allowed with %v, which is not enough", errEnrol, r.Session.Methods)
	}
	_ = d.Apply(d.Life(), resolver.Update{Records: []provider.Record{r.Record}}) // logged there; the index has it
	d.codes.Keep(ctx, s.q.Entry, r.Session.Methods, r.Sealed)
	return nil
}
