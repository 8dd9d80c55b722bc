package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
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
	keys, err := r.signingKeys(ctx)
	if err == nil && r.dir.hasRealmKey() {
		err = r.reissue(nil, keys, nil)
	}
	if err != nil {
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

// proof looks at the newest token that a machine shows. One that this realm signed, of
// changes that the database does not have, proves that they were lost. Whoever has none
// can bring nothing about, and each lost history counts once.
func (d *directory) proof(ctx context.Context, m store.Machine, newest []byte) error {
	if len(newest) == 0 {
		return nil
	}
	var t *identity.IDToken
	known := true
	err := d.store.Read(ctx, func(tx *store.Tx) (err error) {
		if t, err = d.signedHere(tx, newest); err != nil || t.History == uuid.Nil {
			return err
		}
		if known, err = tx.Knows(t.History, t.Revision); err != nil || known {
			return err
		}
		known, err = tx.IsLost(t.History)
		return err
	})
	if errors.Is(err, identity.ErrToken) {
		return nil // it proves nothing
	}
	if err != nil || known {
		return err
	}
	return d.write(ctx, func(tx *store.Tx) error { return d.lost(tx, m, t) })
}

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
func (r *realm) lost(tx *store.Tx, m store.Machine, t *identity.IDToken) error {
	news, err := tx.NoteLost(t.History, t.Revision, r.now())
	if err != nil || !news {
		return err
	}
	said := time.Unix(t.IssuedAt, 0)
	unexplained, err := r.unexplained(tx, said)
	if err != nil {
		return err
	}
	h := store.History{ID: t.History, Why: fmt.Sprintf("Machine %s was served on %s by a later state of this server, which the server does not know.", m.Name, day(said))}
	if unexplained {
		why := h.Why + " The server's folder was put back to an earlier state."
		if h, err = tx.Begin(store.Lost, why, DefaultIDGap, r.now()); err != nil {
			return err
		}
	}
	return r.recordLoss(tx, h, string(m.Name))
}

// maxReported bounds one report of lost accounts.
const maxReported = 256

// ReportLost implements DirectoryService.
func (d *directory) ReportLost(ctx context.Context, req *v1.ReportLostRequest) (*v1.ReportLostResponse, error) {
	m, err := d.machine(ctx)
	if err != nil {
		return nil, err
	}
	if len(req.GetIdTokens()) > maxReported {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("at most %d tokens in one report", maxReported))
	}
	resp := &v1.ReportLostResponse{}
	err = d.store.Write(ctx, func(tx *store.Tx) error {
		for _, signed := range req.GetIdTokens() {
			n, err := d.reserve(tx, m, signed)
			if err != nil {
				return err
			}
			resp.Reserved += n
		}
		return nil
	})
	if err != nil {
		return nil, d.fault(ctx, "report lost accounts", err)
	}
	return resp, nil
}

// reserve keeps the ids of one lost account and its groups. A token that is not this
// realm's, or of an account that is known, reserves nothing.
func (d *directory) reserve(tx *store.Tx, m store.Machine, signed []byte) (n uint32, err error) {
	t, err := d.signedHere(tx, signed)
	if errors.Is(err, identity.ErrToken) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	owners := []store.ReservedID{{ID: t.Account.UID, Owner: t.Account.UUID, Name: t.Account.Name}}
	for _, g := range t.Groups {
		owners = append(owners, store.ReservedID{ID: g.GID, Owner: g.UUID, Name: g.Name})
	}
	for _, o := range owners {
		o.Machine, o.Seen = string(m.Name), d.now()
		fresh, err := tx.Reserve(o)
		if err != nil {
			return n, err
		}
		if fresh {
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	return n, tx.Record(store.Entry{
		Time: d.now(), Actor: "machine " + string(m.Name), Action: "realm.reserve-ids", Subject: string(t.Account.Name),
		Detail: fmt.Sprintf("uid=%d account=%s, which this server does not know; ids kept: %d", t.Account.UID, t.Account.UUID, n),
	})
}

// ListHistories implements AdminService.
func (s *admin) ListHistories(ctx context.Context, _ *v1.ListRequest) (*v1.ListHistoriesResponse, error) {
	resp := &v1.ListHistoriesResponse{}
	err := s.read(ctx, "list", "histories", func(tx *store.Tx) error {
		list, err := tx.Histories()
		if err != nil {
			return err
		}
		for _, h := range list {
			resp.Histories = append(resp.Histories, &v1.History{
				Id: h.ID.String(), Began: timestamppb.New(h.Began), Kind: string(h.Kind), Why: h.Why, Branch: h.Branch, First: h.First,
			})
		}
		ids, err := tx.Reserved()
		for _, r := range ids {
			resp.Reserved = append(resp.Reserved, &v1.ReservedID{
				Id: r.ID, Owner: r.Owner.String(), Name: string(r.Name), Machine: r.Machine, Seen: timestamppb.New(r.Seen),
			})
		}
		return err
	})
	return resp, err
}

// ReleaseID implements AdminService.
func (s *admin) ReleaseID(ctx context.Context, req *v1.ReleaseIDRequest) (*v1.ReleaseIDResponse, error) {
	id := fmt.Sprint(req.GetId())
	return &v1.ReleaseIDResponse{}, s.change(ctx, "realm.release-id", id, "", func(tx *store.Tx) error { return tx.Release(req.GetId()) })
}
