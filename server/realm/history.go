package realm

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

// keepGone is how long the change log remembers accounts that were removed.
// A machine that was away for longer lists afresh.
const keepGone = 90 * 24 * time.Hour

// BeginHistory begins the history of this start, and forgets what the change log need not
// remember any more. The mark outside the folder tells whether that was put back.
func (r *Realm) BeginHistory(ctx context.Context) error {
	if r.reader != nil { // it writes none
		_, err := r.look(ctx)
		return err
	}
	mark, err := r.mark.read()
	if err != nil {
		r.Log.WarnContext(ctx, "the mark that shows a folder that was put back cannot be read", "error", err)
	}
	err = r.Store.Write(ctx, func(tx *store.Tx) error {
		kind, why := store.Started, ""
		if err := r.recallTerm(tx, mark.Term); err != nil {
			return err
		}
		behind, err := r.behind(tx, mark)
		if err != nil {
			return err
		}
		if behind {
			kind = store.Lost
			why = fmt.Sprintf("The server's folder was put back to an earlier state: it lacks changes made until %s.", Day(mark.At))
		}
		h, err := tx.Begin(kind, why, DefaultIDGap, r.Now())
		if err != nil {
			return err
		}
		if behind {
			if err := r.recordLoss(tx, h, "realm"); err != nil {
				return err
			}
		}
		return tx.CompactChanges(r.Now().Add(-keepGone))
	})
	if err != nil {
		return fmt.Errorf("begin the history of this start: %w", err)
	}
	r.KeepMark(ctx)
	if _, err := r.look(ctx); err != nil { // at the clocks
		r.Log.WarnContext(ctx, "the clock is not compared with the database's yet", "error", err)
	}
	return r.relist(ctx)
}

// relist signs the key list anew at each start: the folder may have been put back, which
// nobody may know yet, and a machine that saw a later list takes none of a lower version.
// Without the realm key in the folder that is left to "keys sign".
func (r *Realm) relist(ctx context.Context) error {
	if !r.Dir.hasRealmKey() {
		return nil
	}
	err := r.changeKeys(ctx, func(tx *store.Tx) error {
		_, err := r.reissue(tx, nil, nil)
		return err
	})
	if errors.Is(err, ErrInput) { // another server made a new one
		r.Log.WarnContext(ctx, "the realm key in the folder is not the one that machines know now, so it signs nothing: remove it", "file", r.Dir.realmKey(), "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("sign the key list anew: %w", err)
	}
	return nil
}

// Day is a time as reasons say it.
func Day(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// behind tells whether the mark is of changes that the database does not know, and that
// no restore accounts for. An older copy lacks them because another one is written to.
func (r *Realm) behind(tx *store.Tx, m mark) (bool, error) {
	if m.History == uuid.Nil || r.terms.older() {
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
func (r *Realm) unexplained(tx *store.Tx, said time.Time) (bool, error) {
	loss, err := tx.Loss()
	if errors.Is(err, identity.ErrNotFound) {
		return true, nil
	}
	return err == nil && said.Unix() > loss.Began.Unix(), err
}

func (r *Realm) recordLoss(tx *store.Tx, h store.History, subject string) error {
	r.Log.Warn("a new history began: changes were lost", "reason", h.Why, "history", h.ID)
	return tx.Record(store.Entry{Time: r.Now(), Actor: "server", Action: "realm.loss", Subject: subject, Detail: h.Why})
}

// SignedHere opens a token that this realm signed, else its error is identity.ErrToken.
func (r *Realm) SignedHere(tx *store.Tx, signed []byte) (*identity.IDToken, error) {
	ring, err := r.keyring(tx)
	if err != nil {
		return nil, err
	}
	return ring.IDToken(signed)
}

// keyring verifies what the realm has signed with keys that still count.
func (r *Realm) keyring(tx *store.Tx) (*identity.Keyring, error) {
	keys, err := tx.SigningKeys()
	if err != nil {
		return nil, err
	}
	return identity.NewKeyring(r.Name, keys)
}

// Lost notes a lost history, and begins a new one when nothing has yet.
func (r *Realm) Lost(tx *store.Tx, machine identity.Name, t *identity.IDToken) error {
	news, err := tx.NoteLost(t.History, t.Revision, r.Now())
	if err != nil || !news {
		return err
	}
	said := time.Unix(t.IssuedAt, 0)
	unexplained, err := r.unexplained(tx, said)
	if err != nil {
		return err
	}
	h := store.History{ID: t.History, Why: fmt.Sprintf("Machine %s was served on %s by a later state of this server, which the server does not know.", machine, Day(said))}
	if unexplained {
		why := h.Why + " The server's folder was put back to an earlier state."
		if h, err = tx.Begin(store.Lost, why, DefaultIDGap, r.Now()); err != nil {
			return err
		}
	}
	return r.recordLoss(tx, h, string(machine))
}
