package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Enrolling is an authentication with one step more, and only the server's: the
// account itself asks over control.sock, proves all that it has, is shown the new
// secret and confirms it with a code. Between the two requests the exchange waits
// here, for its uid alone.

const (
	// enrolWait is a little less than the server waits.
	enrolWait = 9 * time.Minute
	// maxEnrolling bounds how many wait at a time.
	maxEnrolling = 64
)

// errEnrol is for people; its text says what to do.
var errEnrol = errors.New("nothing was enrolled")

type enrolments struct {
	mu   sync.Mutex
	open map[string]*enrolment
}

type enrolment struct {
	uid      uint32
	login    *login
	exchange provider.Exchange
	until    time.Time // by the wall clock: it is a matter of minutes
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

func (d *Daemon) enrolTOTP(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.EnrolArgs
	err := decode(args, &a)
	clear(args) // it held the password
	if err != nil {
		return err
	}
	e := d.index.withUID(peer.UID)
	if e == nil {
		return fmt.Errorf("%w: uid %d is no account of the realm", report.ErrForbidden, peer.UID)
	}
	conv := &silent{}
	s := &login{
		d: d, conv: conv, q: question{typed: string(e.account.Name)}, secret: identity.NewSecret([]byte(a.Password)),
		Login: identity.Login{Operation: identity.OpAuthenticate, Service: "sallyport enrol", User: string(e.account.Name), Peer: peer},
	}
	if r := s.door(ctx); r.code != identity.Granted {
		return fmt.Errorf("%w: %s", report.ErrForbidden, r.text())
	}
	if _, held := s.q.e.epoch(identity.TOTP); held && a.Code == "" {
		return emit(report.Enrolment{NeedsCode: true})
	}
	s.code = identity.NewSecret([]byte(a.Code))
	defer s.forgetCode()
	if r := d.reserveAlone(ctx, s.q.e.account.UUID, kindLocker); r.code != identity.Granted {
		return refusedEnrolment(r.text())
	}
	b, err := s.proveForEnrolment(ctx)
	if err != nil {
		s.secret.Wipe()
		return err
	}
	if err := d.clearFailures(ctx, s.q.e.account.UUID); err != nil {
		d.log.WarnContext(ctx, "failures are not cleared", "error", err)
	}
	s.secret.Wipe()
	until := d.o.Now().Add(enrolWait)
	handle, ok := d.enrolling.put(&enrolment{uid: peer.UID, login: s, exchange: b.exchange, until: until}, d.o.Now())
	if !ok {
		return fmt.Errorf("%w: too many people are enrolling at this moment. Try again in some minutes", errEnrol)
	}
	defer b.reply.OTPAuth.Wipe()
	return emit(report.Enrolment{Handle: handle, Until: until, URL: string(b.reply.OTPAuth.Reveal())})
}

func refusedEnrolment(why string) error {
	if why == "" {
		why = "The server did not accept the password or the code. Try again."
	}
	return fmt.Errorf("%w. %s", errEnrol, why)
}

// proveForEnrolment answers the server's offers with what was given, until it
// shows a new secret.
func (s *login) proveForEnrolment(ctx context.Context) (begun, error) {
	d := s.d
	unreachable := fmt.Errorf("%w: the server cannot be reached. Connect to the network and try again", errEnrol)
	if d.link.justFailed() {
		return begun{}, unreachable
	}
	a := provider.Attempt{
		Name: s.q.e.account.Name, Service: s.Service, UsedStep: d.usedStep(ctx, s.q.e), Enrol: identity.TOTP,
	}
	b, err := queued(ctx, d, func(ctx context.Context) (begun, error) {
		x, r, err := d.o.Provider.Begin(ctx, a)
		return begun{x, r}, err
	})
	given := map[identity.FactorKind]identity.Secret{identity.Password: s.secret, identity.TOTP: s.code}
	for range maxSteps {
		if err != nil {
			if !errors.Is(err, errLost) {
				d.note(evFailed, err)
			}
			return begun{}, unreachable
		}
		d.note(evAnswered, nil)
		d.clock.contact(b.reply.ServerTime)
		if b.reply.Outcome == provider.Allow {
			return begun{}, fmt.Errorf("%w: this server cannot enrol a one-time code. Ask your administrator", errEnrol)
		}
		if b.reply.Outcome != provider.Continue || b.exchange == nil {
			return begun{}, refusedEnrolment(printable(b.reply.Message))
		}
		if slices.Contains(b.reply.Offers, identity.NewTOTP) && b.reply.OTPAuth.Len() > 0 {
			return b, nil
		}
		kind := next(b.reply.Offers, nil)
		credential, ok := given[kind]
		if !ok {
			return begun{}, refusedEnrolment("")
		}
		delete(given, kind)
		b.reply, err = s.step(ctx, b.exchange, kind, credential)
	}
	return begun{}, unreachable
}

func (d *Daemon) enrolConfirm(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.ConfirmArgs
	if err := decode(args, &a); err != nil {
		return err
	}
	e, ok := d.enrolling.take(a.Handle, peer.UID, d.o.Now())
	if !ok {
		return fmt.Errorf("%w: it took too long, or another enrolment began. Start again", errEnrol)
	}
	code := identity.NewSecret(bytes.TrimSpace([]byte(a.Code)))
	defer code.Wipe()
	r, err := e.login.step(ctx, e.exchange, identity.NewTOTP, code)
	if err != nil {
		d.note(evFailed, err)
		return fmt.Errorf("%w, or it is not known whether: the server gave no answer. Log in with the new code, then with the old", errEnrol)
	}
	d.note(evAnswered, nil)
	switch r.Outcome {
	case provider.Allow:
		return d.enrolled(ctx, e, r, emit)
	case provider.Continue:
		if _, ok := d.enrolling.again(a.Handle, e, d.o.Now()); ok {
			return emit(report.Enrolled{Message: printable(r.Message)})
		}
	default: // a no, which is also what anything else is
	}
	return refusedEnrolment(printable(r.Message))
}

// again lets an enrolment wait under the handle that it had.
func (l *enrolments) again(handle string, e *enrolment, now time.Time) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.open {
		if o.uid == e.uid {
			return "", false
		}
	}
	l.open[handle] = e
	return handle, now.Before(e.until)
}

// enrolled takes over what the server says now, after the checks of any yes.
func (d *Daemon) enrolled(ctx context.Context, e *enrolment, r provider.Reply, emit func(any) error) error {
	s := e.login
	if s.q.e = d.index.withUUID(s.q.e.account.UUID); s.q.e == nil {
		return identity.ErrNotFound
	}
	if err := s.checkYes(r); err != nil {
		return fmt.Errorf("%w: %w", errEnrol, err)
	}
	_ = d.learn(d.base, news{records: []provider.Record{r.Record}}) // logged there; the index has it
	d.keepSealed(ctx, s.q.e, r.Sealed)
	return emit(report.Enrolled{Done: true})
}
