package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// DefaultIDGap is how many ids are left out where changes were lost: those of accounts
// that were made in between and that no machine has reported yet.
const DefaultIDGap = 1000

// begin begins the history of this start, and forgets what the change log need not
// remember any more. The mark outside the folder tells whether that was put back.
func (r *realm) begin(ctx context.Context) error {
	mark, err := r.mark.read()
	if err != nil {
		r.log.WarnContext(ctx, "the mark that shows a folder that was put back cannot be read", "error", err)
	}
	err = r.store.Write(ctx, func(tx *store.Tx) error {
		kind, why := store.Started, ""
		behind, err := r.behind(tx, mark)
		if err != nil {
			return err
		}
		if behind {
			kind = store.Lost
			why = fmt.Sprintf("The server's folder was put back to an earlier state: it lacks changes made until %s.", day(mark.At))
		}
		h, err := tx.Begin(kind, why, DefaultIDGap, r.now())
		if err != nil {
			return err
		}
		if behind {
			if err := r.recordLoss(tx, h, "realm"); err != nil {
				return err
			}
		}
		return tx.CompactChanges(r.now().Add(-keepGone))
	})
	if err != nil {
		return fmt.Errorf("begin the history of this start: %w", err)
	}
	r.keepMark(ctx)
	return r.relist(ctx)
}

// relist signs the key list anew at each start: the folder may have been put back, which
// nobody may know yet, and a machine that saw a later list takes none of a lower version.
// Without the realm key in the folder that is left to "keys sign".
func (r *realm) relist(ctx context.Context) error {
	if !r.dir.hasRealmKey() {
		return nil
	}
	if err := r.signList(ctx, nil); err != nil {
		return fmt.Errorf("sign the key list anew: %w", err)
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// behind tells whether the mark is of changes that the database does not know, and that
// no restore accounts for.
func (r *realm) behind(tx *store.Tx, m mark) (bool, error) {
	if m.History == uuid.Nil {
		return false, nil
	}
	known, err := tx.Knows(m.History, m.Revision)
	if err != nil || known {
		return false, err
	}
	return r.unexplained(tx, m.At)
}

// unexplained tells whether what was said at that time is missing though no history
// began since because of a loss.
func (r *realm) unexplained(tx *store.Tx, said time.Time) (bool, error) {
	loss, err := tx.Loss()
	if errors.Is(err, identity.ErrNotFound) {
		return true, nil
	}
	return err == nil && said.Unix() > loss.Began.Unix(), err
}

func (r *realm) recordLoss(tx *store.Tx, h store.History, subject string) error {
	r.log.Warn("a new history began: changes were lost", "reason", h.Why, "history", h.ID)
	return tx.Record(store.Entry{Time: r.now(), Actor: "server", Action: "realm.loss", Subject: subject, Detail: h.Why})
}

// signedHere opens a token that this realm signed, else its error is identity.ErrToken.
func (r *realm) signedHere(tx *store.Tx, signed []byte) (*identity.IDToken, error) {
	keys, err := tx.SigningKeys()
	if err != nil {
		return nil, err
	}
	ring, err := identity.NewKeyring(r.Name, keys)
	if err != nil {
		return nil, err
	}
	return ring.IDToken(signed)
}

// lost notes a lost history, and begins a new one when nothing has yet.
func (r *realm) lost(tx *store.Tx, machine identity.Name, t *identity.IDToken) error {
	news, err := tx.NoteLost(t.History, t.Revision, r.now())
	if err != nil || !news {
		return err
	}
	said := time.Unix(t.IssuedAt, 0)
	unexplained, err := r.unexplained(tx, said)
	if err != nil {
		return err
	}
	h := store.History{ID: t.History, Why: fmt.Sprintf("Machine %s was served on %s by a later state of this server, which the server does not know.", machine, day(said))}
	if unexplained {
		why := h.Why + " The server's folder was put back to an earlier state."
		if h, err = tx.Begin(store.Lost, why, DefaultIDGap, r.now()); err != nil {
			return err
		}
	}
	return r.recordLoss(tx, h, string(machine))
}
