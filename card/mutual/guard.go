package mutual

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Mode says when the proof is demanded. The zero value is [Always].
type Mode uint8

// The modes.
const (
	Always Mode = iota // no card is used without it
	Online             // as Always while the server can be reached
)

// Cards is what stands behind a [Guard].
type Cards interface {
	Find(ctx context.Context, wanted identity.CardsWanted) (identity.CardSeen, error)
	Sign(ctx context.Context, card identity.CardSeen, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error)
	Readers(ctx context.Context) ([]identity.CardReader, error)
	List(ctx context.Context) ([]identity.CardReader, error)
	Prepare(ctx context.Context, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardMade, error)
	Enrol(ctx context.Context, made identity.CardMade, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error)
	Agree(ctx context.Context, card identity.CardSeen, pin identity.Secret, own, theirs []byte, touch func()) (identity.Secret, error)
	PrepareAgreement(ctx context.Context, card identity.CardSeen, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardAgreement, error)
}

// Server is the realm's server. Where it has no such thing its error is
// identity.ErrCardServiceOff, and where it cannot be reached one that
// [Guard.Unreachable] knows.
type Server interface {
	CardCertificate(ctx context.Context) (identity.CardServiceOffer, error)
	CardChallenge(ctx context.Context, claim identity.CardServiceClaim) (signature []byte, err error)
}

// Guard has both sides prove themselves when a card is found, which is before
// anybody is asked for a PIN, and signs only after that. All fields are needed but
// Patience.
type Guard struct {
	Cards
	Service     *Middleware
	Server      Server
	Mode        Mode
	Unreachable func(error) bool
	// Patience is how long the server is waited for: a person waits meanwhile, and one
	// that does not answer is to be found out before that person is told to give up.
	// 0 means 3 s.
	Patience time.Duration
}

// Find is as that of Cards, with the mutual authentication behind it.
func (g *Guard) Find(ctx context.Context, wanted identity.CardsWanted) (identity.CardSeen, error) {
	seen, err := g.Cards.Find(ctx, wanted)
	if err != nil {
		return identity.CardSeen{}, err //nolint:wrapcheck // of the same kind
	}
	if seen.Proved, err = g.Prove(ctx); err != nil {
		return identity.CardSeen{}, err
	}
	return seen, nil
}

// Prove goes through one mutual authentication, and returns the environment that it
// opened. Its error is an *identity.CardError.
func (g *Guard) Prove(ctx context.Context) (environment string, err error) {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(g.Patience, patience))
	defer cancel()
	environment, err = g.prove(ctx)
	switch {
	case err == nil:
		return environment, nil
	case g.Mode == Online && g.Unreachable(err):
		return withoutServer, nil
	default:
		return "", &identity.CardError{Fault: identity.CardServiceUnproved, Retries: -1, Err: err}
	}
}

// withoutServer stands for an environment that is open because nobody can be asked.
const withoutServer = "offline"

func (g *Guard) prove(ctx context.Context) (string, error) {
	offer, err := g.Server.CardCertificate(ctx)
	if err != nil {
		return "", fmt.Errorf("get the server's certificate: %w", err)
	}
	claim, handle, err := g.Service.Begin(offer.Certificate, offer.Challenge)
	if err != nil {
		return "", err
	}
	sig, err := g.Server.CardChallenge(ctx, claim)
	if err != nil {
		return "", fmt.Errorf("have the server answer the card service: %w", err)
	}
	return g.Service.Finish(handle, sig)
}

var errNoEnvironment = errors.New("no mutual authentication came before, or it is too long ago")

// Sign is as that of Cards, for a card that was found here within 5 minutes.
func (g *Guard) Sign(ctx context.Context, card identity.CardSeen, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error) {
	if err := g.allowed(card.Proved); err != nil {
		return identity.CardProof{}, err
	}
	return g.Cards.Sign(ctx, card, pin, c, touch) //nolint:wrapcheck // of the same kind
}

// Prepare is as that of Cards, in the environment that the order names.
func (g *Guard) Prepare(ctx context.Context, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardMade, error) {
	if err := g.allowed(o.Proved); err != nil {
		return identity.CardMade{}, err
	}
	made, err := g.Cards.Prepare(ctx, o, pin, touch)
	made.Seen.Proved = o.Proved
	return made, err //nolint:wrapcheck // of the same kind
}

// Enrol is as that of Cards, for a card that was prepared here.
func (g *Guard) Enrol(ctx context.Context, made identity.CardMade, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error) {
	if err := g.allowed(made.Seen.Proved); err != nil {
		return identity.CardProof{}, err
	}
	return g.Cards.Enrol(ctx, made, pin, c, touch) //nolint:wrapcheck // of the same kind
}

// Agree is as that of Cards, for a card that was found here.
func (g *Guard) Agree(ctx context.Context, card identity.CardSeen, pin identity.Secret, own, theirs []byte, touch func()) (identity.Secret, error) {
	if err := g.allowed(card.Proved); err != nil {
		return identity.Secret{}, err
	}
	return g.Cards.Agree(ctx, card, pin, own, theirs, touch) //nolint:wrapcheck // of the same kind
}

// PrepareAgreement is likewise.
func (g *Guard) PrepareAgreement(ctx context.Context, card identity.CardSeen, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardAgreement, error) {
	if err := g.allowed(card.Proved); err != nil {
		return identity.CardAgreement{}, err
	}
	return g.Cards.PrepareAgreement(ctx, card, o, pin, touch) //nolint:wrapcheck // of the same kind
}

// allowed tells whether a card may be used in that environment.
func (g *Guard) allowed(environment string) error {
	if g.Service.Open(environment) || g.Mode == Online && environment == withoutServer {
		return nil
	}
	return &identity.CardError{Fault: identity.CardServiceUnproved, Retries: -1, Err: errNoEnvironment}
}
