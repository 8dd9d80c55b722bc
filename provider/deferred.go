package provider

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// UnreadyError says why a realm cannot be used yet: what its settings name is missing, or
// makes no sense. It is an [ErrOffline], so what is remembered goes on.
type UnreadyError struct{ Err error }

// Error implements error.
func (u *UnreadyError) Error() string { return "this realm cannot be used yet: " + u.Err.Error() }

// Unwrap implements errors.Unwrap.
func (u *UnreadyError) Unwrap() []error { return []error{ErrOffline, u.Err} }

// Finding is the reason in words.
func (u *UnreadyError) Finding() report.Finding {
	return trouble.RealmUnready.Finding("WHY", u.Err.Error())
}

// openAgain is the shortest time between two attempts to open a source: anybody's lookup
// makes one.
const openAgain = time.Second

// Deferred is a source of accounts that may not be open yet, so that one realm's missing
// file keeps nobody else out. Until it is open, its StandIn answers what takes no network
// (is this remembered token the realm's?), and everything else is an [UnreadyError]. It is
// opened by whoever needs it, once in a second at most, and then stays open.
//
// It can do what its StandIn can. Make it with [Defer].
type Deferred struct {
	standIn Source
	open    func() (Provider, error)
	now     func() time.Time

	opened atomic.Pointer[Source]

	mu     sync.Mutex // nobody who asks only opened waits for it
	why    error
	tried  time.Time
	closed bool
	heard  Position
}

// Defer makes a source that open opens. The stand-in is of the same kind; of it Name,
// Verify, VerifyGroup, Unprovable, Disowning and the Fleet's are called. An error of open is
// its last word on one attempt. now is the monotonic clock; nil: time.Now.
func Defer(standIn Provider, open func() (Provider, error), now func() time.Time) *Deferred {
	if now == nil {
		now = time.Now
	}
	return &Deferred{standIn: SourceOf(standIn), open: open, now: now}
}

// Open opens a source, or defers it: until open works, standIn goes by what is remembered.
// A source that was opened later than that has to fit it, because what the stand-in
// verified is in use: fits says why it does not, and it is closed.
func Open[P Provider](open func() (P, error), standIn func() P, fits func(was, is P) error) Provider {
	if p, err := open(); err == nil {
		return p
	}
	was := standIn()
	return Defer(was, func() (Provider, error) {
		p, err := open()
		if err != nil {
			return nil, err
		}
		if err := fits(was, p); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		return p, nil
	}, nil)
}

// Sound tells what keeps a source from being opened.
func Sound[P Provider](open func() (P, error)) error {
	p, err := open()
	if err != nil {
		return err
	}
	return p.Close() //nolint:wrapcheck // the source's own
}

// source is what the stand-in can do, done by the Deferred.
func (d *Deferred) source() Source {
	s := Source{Provider: d, StaticEpoch: d.standIn.StaticEpoch, deferred: d}
	can := d.standIn
	if can.Lister != nil {
		s.Lister = d
	}
	if can.Watcher != nil {
		s.Watcher = d
	}
	if can.GroupFinder != nil {
		s.GroupFinder = d
	}
	if can.PasswordChanger != nil {
		s.PasswordChanger = d
	}
	if can.KeyRegistrar != nil {
		s.KeyRegistrar = d
	}
	if can.LossReporter != nil {
		s.LossReporter = d
	}
	if can.VerdictGiver != nil {
		s.VerdictGiver = d
	}
	if can.CardProver != nil {
		s.CardProver = d
	}
	if can.Limited != nil {
		s.Limited = d
	}
	if can.Disowner != nil {
		s.Disowner = d
	}
	if can.Fleet != nil {
		s.Fleet = d
	}
	if can.Requester != nil {
		s.Requester = d
	}
	if can.SSHTrust != nil {
		s.SSHTrust = d
	}
	if can.IdentityService != nil {
		s.IdentityService = d
	}
	if can.Verifier != nil {
		s.Verifier = d
	}
	if can.Follower != nil {
		s.Follower = d
	}
	return s
}

// ready is the open source, or an UnreadyError.
func (d *Deferred) ready() (*Source, error) {
	if s := d.opened.Load(); s != nil {
		return s, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if s := d.opened.Load(); s != nil {
		return s, nil
	}
	if d.closed || d.why != nil && now.Sub(d.tried) < openAgain {
		return nil, d.why
	}
	p, err := d.open()
	if err != nil {
		d.why, d.tried = &UnreadyError{err}, now
		return nil, d.why
	}
	s := SourceOf(p)
	if s.Follower != nil {
		s.Follower.Heard(d.heard)
	}
	d.opened.Store(&s)
	return &s, nil
}

// offline is what answers without the network.
func (d *Deferred) offline() *Source {
	if s := d.opened.Load(); s != nil {
		return s
	}
	return &d.standIn
}

// ask asks the open source.
func ask[T any](d *Deferred, what func(*Source) (T, error)) (T, error) {
	s, err := d.ready()
	if err != nil {
		var none T
		return none, err
	}
	return what(s)
}

// do is ask for what has no answer.
func (d *Deferred) do(what func(*Source) error) error {
	_, err := ask(d, func(s *Source) (struct{}, error) { return struct{}{}, what(s) })
	return err
}

// Name implements [Provider].
func (d *Deferred) Name() string { return d.standIn.Name() }

// Close implements [Provider]. After it the source is not opened any more.
func (d *Deferred) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed, d.why = true, &UnreadyError{errClosed}
	if s := d.opened.Load(); s != nil {
		return s.Close() //nolint:wrapcheck // the source's own
	}
	return nil
}

var errClosed = errors.New("it is closed")

// Fetch implements [Provider].
func (d *Deferred) Fetch(ctx context.Context, name identity.Name) (Record, error) {
	return ask(d, func(s *Source) (Record, error) { return s.Fetch(ctx, name) })
}

// FetchUID implements [Provider].
func (d *Deferred) FetchUID(ctx context.Context, uid uint32) (Record, error) {
	return ask(d, func(s *Source) (Record, error) { return s.FetchUID(ctx, uid) })
}

// Verify implements [Provider].
func (d *Deferred) Verify(signed []byte) (*identity.IDToken, error) {
	return d.offline().Verify(signed) //nolint:wrapcheck // the source's own
}

// Begin implements [Provider].
func (d *Deferred) Begin(ctx context.Context, a Attempt) (Exchange, Reply, error) {
	s, err := d.ready()
	if err != nil {
		return nil, Reply{}, err
	}
	return s.Begin(ctx, a) //nolint:wrapcheck // the source's own
}

// List implements [Lister].
func (d *Deferred) List(ctx context.Context, each func(Record) error) (Position, error) {
	return ask(d, func(s *Source) (Position, error) { return s.Lister.List(ctx, each) })
}

// Watch implements [Watcher].
func (d *Deferred) Watch(ctx context.Context, from Position, newest []byte, each func(Event) error) error {
	return d.do(func(s *Source) error { return s.Watcher.Watch(ctx, from, newest, each) })
}

// FetchGroup implements [GroupFinder].
func (d *Deferred) FetchGroup(ctx context.Context, name identity.Name) (GroupRecord, error) {
	return ask(d, func(s *Source) (GroupRecord, error) { return s.GroupFinder.FetchGroup(ctx, name) })
}

// FetchGID implements [GroupFinder].
func (d *Deferred) FetchGID(ctx context.Context, gid uint32) (GroupRecord, error) {
	return ask(d, func(s *Source) (GroupRecord, error) { return s.GroupFinder.FetchGID(ctx, gid) })
}

// VerifyGroup implements [GroupFinder].
func (d *Deferred) VerifyGroup(signed []byte) (*identity.GroupToken, error) {
	return d.offline().GroupFinder.VerifyGroup(signed) //nolint:wrapcheck // the source's own
}

// ChangePassword implements [PasswordChanger].
func (d *Deferred) ChangePassword(ctx context.Context, name identity.Name, from identity.Origin, old, code, fresh identity.Secret) (Record, error) {
	return ask(d, func(s *Source) (Record, error) {
		return s.PasswordChanger.ChangePassword(ctx, name, from, old, code, fresh)
	})
}

// SetSealingKey implements [KeyRegistrar].
func (d *Deferred) SetSealingKey(ctx context.Context, public []byte) error {
	return d.do(func(s *Source) error { return s.KeyRegistrar.SetSealingKey(ctx, public) })
}

// ReportLost implements [LossReporter].
func (d *Deferred) ReportLost(ctx context.Context, signed [][]byte) error {
	return d.do(func(s *Source) error { return s.LossReporter.ReportLost(ctx, signed) })
}

// Verdict implements [VerdictGiver].
func (d *Deferred) Verdict(ctx context.Context, name identity.Name) (Verdict, error) {
	return ask(d, func(s *Source) (Verdict, error) { return s.VerdictGiver.Verdict(ctx, name) })
}

// CardCertificate implements [CardProver].
func (d *Deferred) CardCertificate(ctx context.Context) (identity.CardServiceOffer, error) {
	return ask(d, func(s *Source) (identity.CardServiceOffer, error) { return s.CardProver.CardCertificate(ctx) })
}

// CardChallenge implements [CardProver].
func (d *Deferred) CardChallenge(ctx context.Context, claim identity.CardServiceClaim) ([]byte, error) {
	return ask(d, func(s *Source) ([]byte, error) { return s.CardProver.CardChallenge(ctx, claim) })
}

// Unprovable implements [Limited].
func (d *Deferred) Unprovable(kind identity.FactorKind) string {
	return d.offline().Limited.Unprovable(kind)
}

// Disowning implements [Disowner].
func (d *Deferred) Disowning() bool { return d.offline().Disowner.Disowning() }

// Servers implements [Fleet].
func (d *Deferred) Servers() []Server { return d.offline().Fleet.Servers() }

// ServersIgnored implements [Fleet].
func (d *Deferred) ServersIgnored() string { return d.offline().Fleet.ServersIgnored() }

// Heard implements [Follower].
func (d *Deferred) Heard(at Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = at
	if s := d.opened.Load(); s != nil && s.Follower != nil {
		s.Follower.Heard(at)
	}
}
