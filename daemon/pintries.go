package daemon

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
)

// A card counts wrong PINs and forgets them at the next right one. Somebody who comes to
// the reader now and then would get two more guesses after each of the owner's logins. So
// wrong PINs are counted here as well, by account and origin. A right PIN clears nothing:
// one failure is forgotten every 12 hours.
//
//	wrong PINs within their time    then
//	up to 9                         the card's own count alone decides
//	10 and more                     no PIN is asked for from that origin: a minute, doubled
//	                                by each further one, an hour at most
//
// The other factors go on. "sallyport unlock" clears the count.

// mayTypePIN is a card's fault where failures have locked PINs from that origin.
func (d *Gate) mayTypePIN(ctx context.Context, id uuid.UUID, from identity.Origin) error {
	until, err := d.tries.LockedUntil(ctx, id, lockout.PIN, from)
	if err != nil {
		return &identity.CardError{Retries: -1, Err: cards.RefusedError{Ruling: lockout.Uncounted(err)}}
	}
	if now := d.Clock().Now(); now.Before(until) {
		return &identity.CardError{Retries: -1, Err: cards.RefusedError{Ruling: lockout.Locked(until.Sub(now))}}
	}
	return nil
}

// countPIN has a card check a PIN. It counts as wrong before the card is asked, so that
// a crash gives no further try, and is taken back unless the card calls it wrong.
func countPIN[T any](ctx context.Context, d *Gate, id uuid.UUID, from identity.Origin, check func() (T, error)) (T, error) {
	if r := d.tries.ReserveAlone(ctx, id, lockout.PIN, from); r.Code != identity.Granted {
		var none T
		return none, &identity.CardError{Retries: -1, Err: cards.RefusedError{Ruling: r}}
	}
	v, err := check()
	var e *identity.CardError
	if !errors.As(err, &e) || e.Fault != identity.CardWrongPIN {
		d.tries.Unreserve(context.WithoutCancel(ctx), id, lockout.PIN, from)
	}
	return v, err
}
