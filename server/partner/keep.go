package partner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/partner/trust"
	"github.com/sallyport-auth/sallyport/server/store"
)

// keep stores what an answer tells, with the position up to which it tells.
func (x *exchange) keep(ctx context.Context, q *identity.PartnerQuestion, a *identity.PartnerAnswer) error {
	if !a.Full && (q.History == uuid.Nil || a.Position < q.Position) {
		return fmt.Errorf("%s goes on from where it was not asked to", x.p.Realm)
	}
	to := x.next(a)
	// It forgot what it told a short time ago: its database was put back from a copy.
	back := a.Full && q.History != uuid.Nil && !q.Listing && !x.p.Reached.IsZero() && x.Now().Sub(x.p.Reached) <= trust.StaleAfter
	err := x.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.MovePartner(x.p, to); err != nil {
			return err
		}
		if a.Full {
			if err := tx.DropPartnerPeople(x.p.ID); err != nil {
				return err
			}
		}
		if err := tx.SetPartnerPeople(x.p.ID, a.People, a.Gone, x.most); err != nil {
			return err
		}
		return x.changes(tx, a, back)
	})
	switch {
	case errors.Is(err, store.ErrPartnerPeople):
		return x.alarm(ctx, trust.People, fmt.Sprintf("it tells of more than %d people: nothing more is taken", x.most))
	case errors.Is(err, identity.ErrNotFound):
		return fmt.Errorf("%s is no partner any more, or another server asked it meanwhile", x.p.Realm)
	case err != nil:
		return fmt.Errorf("keep what a partner told: %w", err)
	}
	x.p = to
	return nil
}

// next is where the partner stands after an answer.
func (x *exchange) next(a *identity.PartnerAnswer) store.Partner {
	to := x.p
	to.History, to.Position, to.Organisation = a.History, a.Position, a.Organisation
	switch {
	case !a.More:
		to.Listing, to.Reached = time.Time{}, x.Now()
	case a.Full:
		to.Listing = x.Now()
	}
	return to
}

// changes raises the alarms over what has changed, and ends those that are over.
func (x *exchange) changes(tx *store.Tx, a *identity.PartnerAnswer, back bool) error {
	first := x.p.History == uuid.Nil && x.p.Reached.IsZero()
	if a.Organisation != x.p.Organisation && !first {
		text := fmt.Sprintf("it says that it belongs to %q now, and said %q before", a.Organisation, x.p.Organisation)
		if err := x.alarms.Raise(tx, trust.Organisation, text); err != nil {
			return err //nolint:wrapcheck // by keep
		}
	}
	if back {
		text := "it forgot what it has told before: its database was put back from a copy, and somebody whom it removed may be back"
		if err := x.alarms.Raise(tx, trust.History, text); err != nil {
			return err //nolint:wrapcheck // by keep
		}
	}
	over := []trust.Kind{trust.KeyList, trust.RealmName, trust.Clock}
	if !a.More {
		over = append(over, trust.People)
	}
	return x.alarms.End(tx, over...) //nolint:wrapcheck // by keep
}
