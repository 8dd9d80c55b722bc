package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
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
	r.list[id] = report.Refusal{Name: printable(string(name)), Reason: printable(why)}
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
		if strings.HasPrefix(one.Reason, heldPrefix) {
			list = append(list, identity.Name(one.Name))
		}
	}
	return list
}

// heldPrefix begins the reasons that end when another account goes.
const heldPrefix = "another account holds its "

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
func (d *Daemon) leaveOut(t *identity.IDToken) {
	list := make([]string, 0, len(t.LeftOut))
	for _, l := range t.LeftOut {
		list = append(list, l.Part+": "+l.Why)
	}
	d.leftOut.set(t.Account.UUID, t.Account.Name, strings.Join(list, "; "))
}

// allowedID tells whether this machine takes the number from a directory. What
// was given out as a subordinate id is somebody's already.
func (d *Daemon) allowedID(id uint32) bool {
	return identity.CheckID(id) == nil && !d.o.Realms.holdsSubID(id) &&
		slices.ContainsFunc(d.p.IDs, func(r identity.IDRange) bool { return r.Contains(id) })
}

// admit tells why a token is not taken; "" when it is. The caller holds the
// index's lock. Local names are judged when a question is asked, not here: the
// local files may change later.
func (d *Daemon) admit(t *identity.IDToken) string {
	if t == nil {
		return "the server sent no token"
	}
	if err := t.Validate(); err != nil {
		return err.Error()
	}
	a, x := t.Account, d.index
	switch {
	case t.Groups[0].Earned:
		return "its own group is one that must be earned"
	case t.Realm != d.o.Realm:
		return fmt.Sprintf("it is of realm %q", t.Realm)
	case !d.hasForm(t):
		return formRefused
	case !d.allowedID(a.UID):
		return fmt.Sprintf("uid %d"+outsideRange, a.UID)
	case !d.allowedID(a.GID):
		return fmt.Sprintf("gid %d"+outsideRange, a.GID)
	}
	if err := identity.ReservedName(a.Name, d.p.Reserved...); err != nil {
		return identity.ReservedWhy(err)
	}
	if why := x.checkUID(a.UID, a.UUID); why != "" {
		return why
	}
	if why := x.checkGID(a.GID, t.Groups[0].UUID); why != "" {
		return why
	}
	if o := x.atName(a.Name); o != nil && o.uuid != a.UUID {
		return heldPrefix + "name: " + o.uuid.String()
	}
	if o := x.atUID(a.UID); o != nil && o.uuid != a.UUID {
		return heldPrefix + "uid: " + string(o.name())
	}
	return ""
}

const outsideRange = " is outside this machine's range, see [ids] allow in sallyportd.toml"

const formRefused = "a name of it has another form than this machine's settings say"

// hasForm tells whether the names in a token are qualified as the settings say: one
// that was remembered under others is not.
func (d *Daemon) hasForm(t *identity.IDToken) bool {
	groups := d.naming(d.p.QualifiedGroups)
	return d.naming(d.p.QualifiedUsers).Has(t.Account.Name) &&
		!slices.ContainsFunc(t.Groups, func(g identity.Group) bool { return !groups.Has(g.Name) })
}

// news is what one message from the server changes.
type news struct {
	records []provider.Record
	gone    []uuid.UUID
	contact *cache.Contact
	// list: the records are of a list that wins over what is held.
	list *listing
	// after is what the contact was made from. When someone cleared the cache in
	// between, it is of no use any more.
	after *cache.Contact
}

// learn takes over news: the index first, so that a revocation counts even when
// the disk is full, and the cache before anyone else learns more. The returned
// error is of the cache alone; who was refused is in d.refused.
func (d *Daemon) learn(ctx context.Context, n news) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	batch := cache.Batch{Realm: d.o.Realm, Remove: n.gone, Contact: n.contact}
	now := d.clock.now()
	for _, id := range n.gone {
		d.index.remove(id)
		d.refused.set(id, "", "")
		d.leftOut.set(id, "", "")
		d.proofs.forget(id, nil)
		d.earnings.forget(id)
	}
	for _, r := range n.records {
		t := d.take(r, now, n.list)
		d.revoke(r.Token)
		if t.put != nil {
			batch.Put = append(batch.Put, *t.put)
		}
		batch.IDs = append(batch.IDs, t.ids...)
		batch.Remove = append(batch.Remove, t.drop...)
		if t.refused != nil {
			batch.Refused = append(batch.Refused, *t.refused)
		}
		if n.list == nil {
			d.foreign(r.Token)
		}
	}
	d.announce() // before the disk: who lost something has lost it
	if d.holdBack.Load() || n.after != d.kept.Load() {
		batch.Contact = nil
	}
	if len(batch.Put) == 0 && len(batch.Remove) == 0 && len(batch.Refused) == 0 && batch.Contact == nil {
		return nil
	}
	// An authentication that goes away must not tear its news.
	if err := d.o.Cache.Apply(context.WithoutCancel(ctx), batch); err != nil {
		d.holdBack.Store(true)
		d.log.ErrorContext(ctx, "what the server said is not stored and will be asked again", "error", err)
		return fmt.Errorf("learn: %w", err)
	}
	if batch.Contact != nil {
		d.kept.Store(batch.Contact)
	}
	return nil
}

// taken is what the cache must store of one record.
type taken struct {
	put     *cache.Put
	ids     []cache.ID
	drop    []uuid.UUID
	refused *cache.Refused
}

// take puts one record into the index. When a newer token of an account that we
// hold is refused, the old one may no longer let anyone in: it leaves the cache,
// and its entry is blocked.
func (d *Daemon) take(r provider.Record, now time.Time, list *listing) taken {
	x := d.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.Token == nil {
		d.log.Error("the server sent no token where one was due")
		return taken{}
	}
	a := r.Token.Account
	held := x.atUUID(a.UUID)
	if why := d.late(r.Token, held, list); why != "" {
		// What came with a login overtook what the stream still brings: no fault.
		d.log.Debug("a token came late", "account", string(a.Name), "revision", r.Token.Revision, "history", r.Token.History, "reason", why)
		return taken{}
	}
	another := held != nil && (r.Token.Revision != held.revision || x.historyOf(held) != r.Token.History)
	if another && r.Token.Revision < held.revision {
		d.log.Warn("the server is back at an earlier state of the account, which counts", "account", string(a.Name),
			"revision", r.Token.Revision, "held", held.revision)
		x.forgetGroups(r.Token)
	}
	if why := d.admit(r.Token); why != "" {
		d.log.Warn("account refused", "account", string(a.Name), "uuid", a.UUID, "reason", why)
		var t taken
		if d.refused.set(a.UUID, a.Name, why) {
			t.refused = &cache.Refused{UUID: a.UUID, Name: a.Name, Reason: why, Signed: r.Signed}
		}
		if another {
			x.block(a.UUID, r.Token.Revision, why)
			t.drop = []uuid.UUID{a.UUID}
		}
		return t
	}
	d.refused.set(a.UUID, a.Name, "")
	d.leaveOut(r.Token)
	d.absent.come(r.Token)
	seenUID, seenGID := x.pinnedUID(a.UUID) != 0, x.pinnedGID(r.Token.Groups[0].UUID) != 0
	p := x.put(newEntry(r.Token, now), r.Token.Groups, d.allowedID)
	var ids []cache.ID
	if !seenUID {
		ids = append(ids, cache.ID{Kind: cache.UID, ID: a.UID, UUID: a.UUID})
	}
	if p.own != uuid.Nil && !seenGID {
		ids = append(ids, cache.ID{Kind: cache.GID, ID: p.gid, UUID: p.own})
	}
	p.groups(func(n uint32) {
		if g := x.numbered[n]; g.problem == "" && x.gids.set(g.GID, g.UUID) {
			ids = append(ids, cache.ID{Kind: cache.GID, ID: g.GID, UUID: g.UUID})
		}
	})
	return taken{put: &cache.Put{Token: cache.Token{
		UUID: a.UUID, Name: a.Name, UID: a.UID, GID: a.GID,
		Revision: r.Token.Revision, Signed: r.Signed, Fetched: now,
	}, Keep: d.keeps(r.Token)}, ids: ids}
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
