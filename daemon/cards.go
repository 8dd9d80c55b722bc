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
