package cards

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
)

// Service is the card service: the smartcards in the readers of this machine. Every
// error is an *identity.CardError. No card is held between two calls, so that other
// programs can use it while a person types.
type Service interface {
	// Find looks for a card that is wanted, and asks nobody for anything.
	Find(ctx context.Context, wanted identity.CardsWanted) (identity.CardSeen, error)
	// Sign proves that this card is here and its PIN known. It calls touch when the
	// card waits to be touched.
	Sign(ctx context.Context, card identity.CardSeen, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error)
}

// Enroller is a [Service] that can also show what is in the readers and make a
// card ready to be enrolled. Every error is an *identity.CardError.
type Enroller interface {
	Service
	// Readers tells which have a card in them, and opens none.
	Readers(ctx context.Context) ([]identity.CardReader, error)
	// List opens the card in each reader. What is wrong with one is in its Err.
	List(ctx context.Context) ([]identity.CardReader, error)
	// Prepare makes the card ready, as ordered. The PIN is checked first.
	Prepare(ctx context.Context, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardMade, error)
	// Enrol lets the card sign, and adds the certificate and what attests its key.
	Enrol(ctx context.Context, made identity.CardMade, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error)
}

// Agreer is a [Service] whose cards can agree on secrets, by a key of P-256 in slot 9D. Every
// error is an *identity.CardError.
type Agreer interface {
	Service
	// PrepareAgreement finds that key in a card that was found, or makes one where there is none.
	PrepareAgreement(ctx context.Context, card identity.CardSeen, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardAgreement, error)
	// Agree has the key of that public half agree with another's: the shared x coordinate.
	Agree(ctx context.Context, card identity.CardSeen, pin identity.Secret, own, theirs []byte, touch func()) (identity.Secret, error)
}

// Guard is a [Service] that uses no card before server and card service have proved
// themselves to each other.
type Guard interface {
	// Prove has them do so, and returns what CardOrder.Proved is to be.
	Prove(ctx context.Context) (string, error)
}

// Seats tells who sits at this machine, in a session that is in front on its own screen
// or console. An error is no yes.
type Seats interface {
	// Session tells it of one session of logind.
	Session(id string, uid uint32) (bool, error)
	// User tells it of any session that the user has.
	User(uid uint32) (bool, error)
}

// Time limits for the card service. The PAM module hears from the daemon in between, see
// timeout= in pam_sallyport(8), which is 30 s.
const (
	findLimit = 5 * time.Second
	signLimit = 25 * time.Second
	// makeLimit is of control.sock, where nothing waits for an answer in between.
	makeLimit = 45 * time.Second
)

// Reader is the card reader of this machine, with those who may use it. It is made by [New]
// and safe for concurrent use.
type Reader struct {
	service Service
	seats   Seats
	now     func() time.Time
	log     *slog.Logger
	proof   mutual
}

// New makes one. Without a service the machine has no cards; without seats nobody can be
// seen to sit here, so a card is asked for at a real console alone. now is the wall clock.
func New(s Service, at Seats, now func() time.Time, log *slog.Logger) *Reader {
	return &Reader{service: s, seats: at, now: now, log: log}
}

// Exists tells whether this machine uses cards at all.
func (r *Reader) Exists() bool { return r.service != nil }

// Enroller is nil where no card can be enrolled.
func (r *Reader) Enroller() Enroller {
	e, _ := r.service.(Enroller)
	return e
}

// Find looks for a card that is wanted. Its error is an [*identity.CardError].
func (r *Reader) Find(ctx context.Context, wanted identity.CardsWanted) (identity.CardSeen, error) {
	seen, err := limited(ctx, findLimit, func(ctx context.Context) (identity.CardSeen, error) { return r.service.Find(ctx, wanted) })
	r.noteProof(err)
	return seen, err
}

// Sign lets the card sign, and wipes the PIN in the end: when it is given up, the card
// service may still run. Its error is an [*identity.CardError].
func (r *Reader) Sign(ctx context.Context, seen identity.CardSeen, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error) {
	return limited(ctx, signLimit, func(ctx context.Context) (identity.CardProof, error) {
		defer pin.Wipe()
		return r.service.Sign(ctx, seen, pin, c, touch)
	})
}

// Agrees tells whether cards can agree on secrets here.
func (r *Reader) Agrees() bool {
	_, ok := r.service.(Agreer)
	return ok
}

// Agree is [Agreer]'s, and wipes the PIN in the end, as [Reader.Sign] does.
func (r *Reader) Agree(ctx context.Context, seen identity.CardSeen, pin identity.Secret, own, theirs []byte, touch func()) (identity.Secret, error) {
	return agreeing(ctx, r, signLimit, func(ctx context.Context, a Agreer) (identity.Secret, error) {
		defer pin.Wipe()
		return a.Agree(ctx, seen, pin, own, theirs, touch)
	})
}

// PrepareAgreement is likewise.
func (r *Reader) PrepareAgreement(ctx context.Context, seen identity.CardSeen, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardAgreement, error) {
	return agreeing(ctx, r, makeLimit, func(ctx context.Context, a Agreer) (identity.CardAgreement, error) {
		defer pin.Wipe()
		return a.PrepareAgreement(ctx, seen, o, pin, touch)
	})
}

func agreeing[T any](ctx context.Context, r *Reader, limit time.Duration, call func(context.Context, Agreer) (T, error)) (T, error) {
	a, ok := r.service.(Agreer)
	if !ok {
		var none T
		return none, &identity.CardError{Fault: identity.CardNoService, Retries: -1}
	}
	return limited(ctx, limit, func(ctx context.Context) (T, error) { return call(ctx, a) })
}

// limited is waited for a call to the card service. Its error is an
// *identity.CardError.
func limited[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	v, err := resolver.WithTimeout(ctx, limit, call)
	var e *identity.CardError
	if err != nil && !errors.As(err, &e) {
		err = &identity.CardError{Retries: -1, Err: err}
	}
	return v, err
}
