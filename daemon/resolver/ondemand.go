package resolver

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/provider"
)

// ApplyGroup takes over what the server just said of one group, as Apply does of
// accounts. It never makes anybody a member. Without a time nobody asked: it is fetched
// anew, and taken if it is still remembered.
func (d *Resolver) ApplyGroup(r provider.GroupRecord, asked time.Time) {
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	if r.Token != nil {
		d.absent.drop(groupKey(r.Token.Group.Name), gidKey(r.Token.Group.GID))
	}
	d.storeGroups(d.applyGroup(r, d.clock.Now(), asked))
}

// forgetGroup takes a group that the server does not have out; it stays known while
// an account names it.
func (d *Resolver) forgetGroup(id uuid.UUID) {
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	if d.index.ForgetGroup(id) {
		d.storeGroups(cache.Batch{Ungroup: []uuid.UUID{id}})
	}
}

// storeGroups announces what the index has, and then stores it.
func (d *Resolver) storeGroups(b cache.Batch) {
	d.announce() // before the disk, as Apply does
	if len(b.Groups)+len(b.Ungroup) == 0 {
		return
	}
	b.Realm = d.o.Realm
	if err := d.o.Cache.Apply(d.base, b); err != nil {
		d.MarkUnstored()
		d.log.Error("what the server said of a group is not stored and will be asked again", "error", err)
	}
}

// takeGroup puts one group into the directory, and returns what the cache must store.
func (d *Resolver) applyGroup(r provider.GroupRecord, now, asked time.Time) (b cache.Batch) {
	t := r.Token
	id := t.Group.UUID
	if why := d.index.AdmitGroup(t); why != "" || r.Signed == nil {
		d.log.Warn("group refused", "group", string(t.Group.Name), "uuid", id, "reason", why)
		d.refusedGroups.set(id, "group "+t.Group.Name, cmp.Or(why, "it is not signed"))
		if d.index.ForgetGroup(id) {
			b.Ungroup = append(b.Ungroup, id)
		}
		return b
	}
	d.refusedGroups.set(id, "", "")
	did := d.index.ApplyGroup(t, now, asked)
	b.IDs, b.Ungroup = stored(did.Bindings), did.Gone
	if did.Known {
		b.Groups = append(b.Groups, cache.Group{UUID: id, Signed: r.Signed, Fetched: now, Asked: did.Asked})
	}
	return b
}
