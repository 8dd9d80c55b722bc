package daemon

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
)

// Cards is the card service: the smartcards in the readers of this machine. Every
// error is an *identity.CardError. No card is held between two calls, so that other
// programs can use it while a person types.
type Cards interface {
	// Find looks for a card that is wanted, and asks nobody for anything.
	Find(ctx context.Context, wanted identity.CardsWanted) (identity.CardSeen, error)
	// Sign proves that this card is here and its PIN known. It calls touch when the
	// card waits to be touched.
	Sign(ctx context.Context, card identity.CardSeen, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error)
}

// CardEnroller is a [Cards] that can also show what is in the readers and make a
// card ready to be enrolled. Every error is an *identity.CardError.
type CardEnroller interface {
	Cards
	// Readers tells which have a card in them, and opens none.
	Readers(ctx context.Context) ([]identity.CardReader, error)
	// List opens the card in each reader. What is wrong with one is in its Err.
	List(ctx context.Context) ([]identity.CardReader, error)
	// Prepare makes the card ready, as ordered. The PIN is checked first.
	Prepare(ctx context.Context, o identity.CardOrder, pin identity.Secret, touch func()) (identity.CardMade, error)
	// Enrol lets the card sign, and adds the certificate and what attests its key.
	Enrol(ctx context.Context, made identity.CardMade, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error)
}

// CardGuard is a [Cards] that uses no card before server and card service have proved
// themselves to each other.
type CardGuard interface {
	// Prove has them do so, and returns what CardOrder.Proved is to be.
	Prove(ctx context.Context) (string, error)
}

func (d *Gate) enroller() CardEnroller {
	e, _ := d.o.Cards.(CardEnroller)
	return e
}
