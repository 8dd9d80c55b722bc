package resolver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
)

// load fills the index from the cache. Each token is verified again; pins come
// first, so that a cache that was changed behind our back renumbers nobody.
func (d *Resolver) load(ctx context.Context) error {
	name, x := d.o.Realm, d.index
	ours := func(signed []byte) bool { _, err := d.o.Provider.Verify(signed); return err == nil }
	if err := d.o.Cache.Adopt(ctx, name, d.o.Provider.Name(), ours); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if err := d.loadSubIDs(ctx); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	err := d.o.Cache.IDs(ctx, name, func(i cache.ID) {
		x.Bind(directory.Binding{Group: i.Kind == cache.GID, ID: i.ID, UUID: i.UUID})
	})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	l := loading{d: d}
	if err := d.o.Cache.Tokens(ctx, name, l.add); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	l.flush()
	if err := l.refused(ctx); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if err := l.groups(ctx); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	k, err := d.o.Cache.Contact(ctx, name)
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return fmt.Errorf("load: %w", err)
	}
	if l.bad > 0 || l.again {
		k = listAgain(k) // something is missing
	}
	d.kept.Store(&k)
	d.heard.set(d.position())
	if k.Disowned {
		x.Disown()
	}
	if at := k.At; !at.IsZero() {
		d.contactAt.Store(at.UnixNano())
	}
	if _, watches := d.Capable(); !watches && l.newest > d.contactAt.Load() {
		d.contactAt.Store(l.newest)
	}
	x.Fit()
	if l.loaded > len(l.batch) {
		debug.FreeOSMemory() // verifying passes through ten times what it leaves
	}
	return nil
}

// listAgain is what is known of contact when the list has to be read again. What the server
// has lost stays disowned until then, and the position is what the list must not be behind.
func listAgain(k cache.Contact) cache.Contact {
	k.Complete = false
	return k
}

// loading takes over remembered tokens, some at a time: their signatures are
// checked on all processors, and that is nearly all of the work.
type loading struct {
	d      *Resolver
	batch  [batchSize]cache.Token
	tokens [batchSize]*identity.IDToken
	errs   [batchSize]error
	n      int
	loaded int
	bad    int
	again  bool // what was refused before would be taken now
	newest int64
}

func (l *loading) add(c cache.Token) error {
	l.batch[l.n] = c
	if l.n++; l.n == batchSize {
		l.flush()
	}
	return nil
}

// flush verifies side by side and takes over in order.
func (l *loading) flush() {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < l.n; i += workers {
				l.tokens[i], l.errs[i] = l.d.o.Provider.Verify(l.batch[i].Signed)
			}
		})
	}
	wg.Wait()
	for i := range l.n {
		l.take(l.batch[i], l.tokens[i], l.errs[i])
	}
	l.loaded, l.n = l.loaded+l.n, 0
}

func (l *loading) take(c cache.Token, t *identity.IDToken, err error) {
	d := l.d
	if err != nil {
		l.bad++
		d.log.Warn("a remembered token does not verify", "account", string(c.Name), "error", err)
		return
	}
	why := d.index.Load(t, c.Fetched)
	d.refused.set(t.Account.UUID, t.Account.Name, why)
	if why == "" {
		d.leaveOut(t)
		l.newest = max(l.newest, c.Fetched.UnixNano())
	}
}

// refused judges again what was refused before: the settings may be others now. What
// would be taken is asked for again; what is stored of it lets nobody in.
func (l *loading) refused(ctx context.Context) error {
	d := l.d
	list, err := d.o.Cache.Refused(ctx, d.o.Realm)
	if err != nil {
		return err //nolint:wrapcheck // load says what for
	}
	for _, r := range list {
		why := r.Reason
		if t, err := d.o.Provider.Verify(r.Signed); err == nil {
			why = d.index.Judge(t)
		}
		l.again = l.again || why == ""
		d.refused.set(r.UUID, r.Name, why)
	}
	return nil
}

// groups takes over the groups that were asked for, after the tokens: what those say
// of a group counts where it is newer. One that does not verify, or is called otherwise
// than the settings say now, and what is too many, leaves the cache.
func (l *loading) groups(ctx context.Context) error {
	d := l.d
	finder, ok := d.Finder()
	if !ok {
		return nil
	}
	list, err := d.o.Cache.Groups(ctx, d.o.Realm)
	if err != nil {
		return err //nolint:wrapcheck // load says what for
	}
	b := cache.Batch{Realm: d.o.Realm}
	for _, c := range list {
		t, err := finder.VerifyGroup(c.Signed)
		if err != nil || t.Group.UUID != c.UUID || d.index.AdmitGroup(t) != "" {
			d.log.WarnContext(ctx, "a remembered group is not taken", "uuid", c.UUID, "error", err)
			if d.o.Provider.Unready() == nil { // else it may verify once the provider is open
				b.Ungroup = append(b.Ungroup, c.UUID)
			}
			continue
		}
		d.index.LoadGroup(t, c.Fetched, c.Asked)
		l.newest = max(l.newest, c.Fetched.UnixNano())
	}
	b.Ungroup = append(b.Ungroup, d.index.EvictGroups()...)
	if len(b.Ungroup) == 0 {
		return nil
	}
	return d.o.Cache.Apply(ctx, b) //nolint:wrapcheck // load says what for
}
