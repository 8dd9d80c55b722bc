package resolver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// refusals are the accounts that the server sent and we did not take.
type refusals struct {
	mu   sync.Mutex
	list map[uuid.UUID]report.Refusal
}

// maxRefusals bounds what a server that sends nonsense can make us keep.
const maxRefusals = 1000

// set says why, "" for not any more; it tells whether that is kept.
func (r *refusals) set(id uuid.UUID, name identity.Name, why string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil {
		r.list = make(map[uuid.UUID]report.Refusal)
	}
	if why == "" {
		delete(r.list, id)
		return true
	}
	if _, has := r.list[id]; !has && len(r.list) >= maxRefusals {
		return false
	}
	r.list[id] = report.Refusal{Name: identity.Printable(string(name)), Reason: identity.Printable(why)}
	return true
}

func (r *refusals) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.list)
}

// only drops the refusals of accounts that a whole list does not have any more, and
// returns whose.
func (r *refusals) only(listed map[uuid.UUID]bool) (dropped []uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.list {
		if !listed[id] {
			dropped = append(dropped, id)
			delete(r.list, id)
		}
	}
	return dropped
}

func (r *refusals) named(name identity.Name) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.list {
		if one.Name == string(name) {
			return one.Reason
		}
	}
	return ""
}

// held lists the names that were refused for what another account holds.
func (r *refusals) held() []identity.Name {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []identity.Name
	for _, one := range r.list {
		if strings.HasPrefix(one.Reason, directory.HeldPrefix) {
			list = append(list, identity.Name(one.Name))
		}
	}
	return list
}

func (r *refusals) all() []report.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]report.Refusal, 0, len(r.list))
	for _, one := range r.list {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b report.Refusal) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// leaveOut notes which parts of a token that is taken were left out or made safe.
func (d *Resolver) leaveOut(t *identity.IDToken) {
	list := make([]string, 0, len(t.LeftOut))
	for _, l := range t.LeftOut {
		list = append(list, l.Part+": "+l.Why)
	}
	d.leftOut.set(t.Account.UUID, t.Account.Name, strings.Join(list, "; "))
}

// allowedID tells whether this machine takes the number from a directory. What
// was given out as a subordinate id is somebody's already.
func (d *Resolver) allowedID(id uint32) bool {
	return identity.CheckID(id) == nil && !d.o.Peers.HoldsSubID(id) &&
		slices.ContainsFunc(d.p.IDs, func(r identity.IDRange) bool { return r.Contains(id) })
}

// Update is what one message from the server changes.
type Update struct {
	Records []provider.Record
	Gone    []uuid.UUID
	Contact *cache.Contact
	// list: the records are of a list that wins over what is held.
	List *directory.Listing
	// after is what the contact was made from. When someone cleared the cache in
	// between, it is of no use any more.
	After *cache.Contact
}

// Apply takes an update over: the index first, so that a revocation counts even when
// the disk is full, and the cache before anyone else learns more. The returned
// error is of the cache alone; who was refused is in d.refused.
func (d *Resolver) Apply(ctx context.Context, n Update) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	batch := cache.Batch{Realm: d.o.Realm, Remove: n.Gone, Contact: n.Contact}
	now := d.clock.Now()
	for _, id := range n.Gone {
		d.index.Remove(id)
		d.refused.set(id, "", "")
		d.leftOut.set(id, "", "")
		d.o.Proofs.Forget(id)
	}
	for _, r := range n.Records {
		if d.isGone(n, r.Token) {
			d.log.Info("a server that only reads, and is behind, still has an account that is gone", "account", string(r.Token.Account.Name))
			continue
		}
		t := d.apply(r, now, n.List)
		d.revoke(r.Token)
		if t.put != nil {
			batch.Put = append(batch.Put, *t.put)
		}
		batch.IDs = append(batch.IDs, t.ids...)
		batch.Remove = append(batch.Remove, t.drop...)
		if t.refused != nil {
			batch.Refused = append(batch.Refused, *t.refused)
		}
		if n.List == nil && r.Token != nil {
			d.heard.token(r.Token)
			d.foreign(r.Token)
		}
	}
	d.announce() // before the disk: who lost something has lost it
	if d.Unstored() || n.After != d.kept.Load() {
		batch.Contact = nil
	}
	if len(batch.Put) == 0 && len(batch.Remove) == 0 && len(batch.Refused) == 0 && batch.Contact == nil {
		return nil
	}
	// An authentication that goes away must not tear its news.
	if err := d.o.Cache.Apply(context.WithoutCancel(ctx), batch); err != nil {
		d.MarkUnstored()
		d.log.ErrorContext(ctx, "what the server said is not stored and will be asked again", "error", err)
		return fmt.Errorf("learn: %w", err)
	}
	if batch.Contact != nil {
		d.kept.Store(batch.Contact)
	}
	return nil
}

// isGone tells whether a token that came by itself, from a server that only reads, is of an
// account that this machine knows to be gone: it has heard of all changes up to a later one,
// and does not hold it. Such a server's standby may be behind.
func (d *Resolver) isGone(n Update, t *identity.IDToken) bool {
	alone := n.List == nil && n.Contact == nil
	return alone && t != nil && t.OnlyReads && t.Revision <= d.kept.Load().Position && d.index.WithUUID(t.Account.UUID) == nil
}

// taken is what the cache must store of one record.
type toStore struct {
	put     *cache.Put
	ids     []cache.ID
	drop    []uuid.UUID
	refused *cache.Refused
}

// take puts one record into the directory. When a newer token of an account that we
// hold is refused, the old one may no longer let anyone in: it leaves the cache.
func (d *Resolver) apply(r provider.Record, now time.Time, list *directory.Listing) toStore {
	if r.Token == nil {
		d.log.Error("the server sent no token where one was due")
		return toStore{}
	}
	a := r.Token.Account
	did := d.index.Apply(r.Token, now, list)
	switch {
	case did.Late != "":
		// What came with a login overtook what the stream still brings: no fault.
		d.log.Debug("a token came late", "account", string(a.Name), "revision", r.Token.Revision, "history", r.Token.History, "reason", did.Late)
		return toStore{}
	case did.Back:
		d.log.Warn("the server is back at an earlier state of the account, which counts", "account", string(a.Name),
			"revision", r.Token.Revision, "held", did.Held)
	}
	if did.Refused != "" {
		d.log.Warn("account refused", "account", string(a.Name), "uuid", a.UUID, "reason", did.Refused)
		var t toStore
		if d.refused.set(a.UUID, a.Name, did.Refused) {
			t.refused = &cache.Refused{UUID: a.UUID, Name: a.Name, Reason: did.Refused, Signed: r.Signed}
		}
		if did.Blocked {
			t.drop = []uuid.UUID{a.UUID}
		}
		return t
	}
	d.refused.set(a.UUID, a.Name, "")
	d.leaveOut(r.Token)
	d.absent.come(r.Token)
	return toStore{put: &cache.Put{Token: cache.Token{
		UUID: a.UUID, Name: a.Name, UID: a.UID, GID: a.GID,
		Revision: r.Token.Revision, Signed: r.Signed, Fetched: now,
	}, Keep: d.keeps(r.Token)}, ids: stored(did.Bindings)}
}

// stored is how the cache keeps bindings.
func stored(list []directory.Binding) []cache.ID {
	ids := make([]cache.ID, 0, len(list))
	for _, b := range list {
		kind := cache.UID
		if b.Group {
			kind = cache.GID
		}
		ids = append(ids, cache.ID{Kind: kind, ID: b.ID, UUID: b.UUID})
	}
	return ids
}

// keep lists the verifiers that may live on beside a token: a disabled account's
// none, others those of its credentials as they are now.
func keep(t *identity.IDToken) []cache.Epoch {
	if t.State != identity.Active {
		return nil
	}
	var list []cache.Epoch
	for _, f := range t.Factors {
		list = append(list, cache.Epoch{Kind: f.Kind, Epoch: f.Epoch})
	}
	return list
}
