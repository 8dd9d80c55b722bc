package mutual

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
)

// Closed stands in front of cards that nobody may use, because no mutual
// authentication can be had; Why says what is missing. The other ways to log in do
// not depend on it.
type Closed struct {
	Cards
	Why error
}

func (c *Closed) refusal() error {
	return &identity.CardError{Fault: identity.CardServiceUnproved, Retries: -1, Err: c.Why}
}

// Find tells of a card that is there, for whom it is wanted, only why it is not used.
func (c *Closed) Find(ctx context.Context, wanted identity.CardsWanted) (identity.CardSeen, error) {
	if _, err := c.Cards.Find(ctx, wanted); err != nil {
		return identity.CardSeen{}, err //nolint:wrapcheck // of the same kind
	}
	return identity.CardSeen{}, c.refusal()
}

// Prove never succeeds.
func (c *Closed) Prove(context.Context) (string, error) { return "", c.refusal() }

// Sign never does.
func (c *Closed) Sign(context.Context, identity.CardSeen, identity.Secret, identity.CardChallenge, func()) (identity.CardProof, error) {
	return identity.CardProof{}, c.refusal()
}

// Prepare makes no card ready.
func (c *Closed) Prepare(context.Context, identity.CardOrder, identity.Secret, func()) (identity.CardMade, error) {
	return identity.CardMade{}, c.refusal()
}

// Enrol enrols none.
func (c *Closed) Enrol(context.Context, identity.CardMade, identity.Secret, identity.CardChallenge, func()) (identity.CardProof, error) {
	return identity.CardProof{}, c.refusal()
}

// Agree has no card agree on a secret.
func (c *Closed) Agree(context.Context, identity.CardSeen, identity.Secret, []byte, []byte, func()) (identity.Secret, error) {
	return identity.Secret{}, c.refusal()
}

// PrepareAgreement makes no key.
func (c *Closed) PrepareAgreement(context.Context, identity.CardSeen, identity.CardOrder, identity.Secret, func()) (identity.CardAgreement, error) {
	return identity.CardAgreement{}, c.refusal()
}
