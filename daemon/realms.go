package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport-auth/sallyport/daemon/handover"
	"github.com/sallyport-auth/sallyport/daemon/hops"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Realms are the realms that one machine asks, in their stated order, each with a
// [Daemon], a cache and a provider of its own. It answers transports as one Daemon
// does; with one realm it is nothing but that.
//
//	a question about                    is answered by
//	a name or id that somebody knows,   the first realm that remembers it
//	of an account or of a group
//	one that nobody knows               all are asked at once; the first that has it, once
//	                                    those before it have said that they have not
//	a name that two have                the first; the second's account is refused, and
//	                                    status says so; the second's group is not named
//	somebody to let in                  the realm whose account it is: a yes, a no, a
//	                                    verifier and a proof of one realm mean nothing
//	                                    to another
//
// One that does not answer holds up nobody whose account is another's and is
// remembered. Numbers cannot clash: each realm has ranges of its own (package
// config), and subordinate ids are given out by one after the other.
type Realms struct {
	peers    *resolver.Peers
	handOver *handover.HandOver
	book     *hops.Book

	mu  sync.RWMutex
	all []*Daemon

	changed chan struct{}
}

// NewRealms makes an empty family; [New] adds to it what has it in its Options.
func NewRealms() *Realms {
	r := &Realms{changed: make(chan struct{}, 1), book: hops.NewBook()}
	r.book.Ended = r.grantEnded
	r.handOver = handover.New(r.givenSubIDs)
	r.peers = &resolver.Peers{Given: r.handOver.Wake}
	return r
}

// add puts a Daemon behind those that are there.
func (r *Realms) add(d *Daemon) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all = append(r.all, d); len(r.all) == 1 {
		r.handOver.List, r.handOver.Root, r.handOver.Now, r.handOver.Log = d.o.SubIDList, d.o.LocalFiles, d.o.Now, d.o.Log
		r.book.File, r.book.List, r.book.Boottime, r.book.Log = d.o.SessionFile, d.o.EndedList, d.o.Boottime, d.o.Log
	}
}

// grantEnded tells whether the grant of a request was ended early; requests of two realms have
// no id in common.
func (r *Realms) grantEnded(request uuid.UUID) bool {
	return slices.ContainsFunc(r.list(), func(d *Daemon) bool { return d.hops.Ended(request) })
}

func (r *Realms) list() []*Daemon {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all
}

// accounts are what each of them knows.
func (r *Realms) accounts() []accounts {
	var all []accounts
	for _, d := range r.list() {
		all = append(all, d.Resolver)
	}
	return all
}

// givenSubIDs are those of all realms, by where they begin.
func (r *Realms) givenSubIDs() []identity.SubIDs {
	var all []identity.SubIDs
	for _, d := range r.list() {
		all = append(all, d.GivenSubIDs()...)
	}
	slices.SortFunc(all, func(a, b identity.SubIDs) int { return cmp.Compare(a.Start, b.Start) })
	return all
}

// Run runs them all until ctx ends.
func (r *Realms) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { r.handOver.Run(ctx); return nil })
	g.Go(func() error { r.book.Run(ctx); return nil })
	for _, d := range r.list() {
		g.Go(func() error { return d.Run(ctx) })
		g.Go(func() error { r.relay(ctx, d.Changed()); return nil })
	}
	return g.Wait() //nolint:wrapcheck // of Run
}

// relay passes on that something changed.
func (r *Realms) relay(ctx context.Context, changed <-chan struct{}) {
	for {
		select {
		case <-changed:
			select {
			case r.changed <- struct{}{}:
			default: // one is waiting to be read
			}
		case <-ctx.Done():
			return
		}
	}
}

// firstAnswer asks the first that remembers, and where nobody does all at once: the answer
// is then the first in order that is not "not found", and where none has it, that of the
// first that could not tell.
func firstAnswer[T any](r *Realms, remembers func(*Daemon) bool, ask func(*Daemon) (T, error)) (T, error) {
	all := r.list()
	if at := slices.IndexFunc(all, remembers); at >= 0 || len(all) == 1 {
		return ask(all[max(at, 0)])
	}
	type answer struct {
		v   T
		err error
	}
	got := make([]answer, len(all))
	var wg sync.WaitGroup
	for i, d := range all {
		wg.Go(func() { got[i].v, got[i].err = ask(d) })
	}
	wg.Wait()
	none := answer{err: identity.ErrNotFound}
	for _, a := range got {
		switch {
		case a.err == nil:
			return a.v, nil
		case errors.Is(none.err, identity.ErrNotFound) && !errors.Is(a.err, identity.ErrNotFound):
			none = a
		}
	}
	return none.v, none.err
}

// AccountByName is [Daemon.AccountByName].
func (r *Realms) AccountByName(ctx context.Context, name string) (identity.Account, error) {
	return firstAnswer(r, func(d *Daemon) bool { return d.RemembersName(name) },
		func(d *Daemon) (identity.Account, error) { return d.AccountByName(ctx, name) })
}

// AccountByUID is [Daemon.AccountByUID].
func (r *Realms) AccountByUID(ctx context.Context, uid uint32) (identity.Account, error) {
	return firstAnswer(r, func(d *Daemon) bool { return d.RemembersUID(uid) },
		func(d *Daemon) (identity.Account, error) { return d.AccountByUID(ctx, uid) })
}

// GroupsOf is [Daemon.GroupsOf].
func (r *Realms) GroupsOf(ctx context.Context, name string) (identity.GroupIDs, error) {
	return firstAnswer(r, func(d *Daemon) bool { return d.RemembersName(name) },
		func(d *Daemon) (identity.GroupIDs, error) { return d.GroupsOf(ctx, name) })
}

// KeysFor is [Daemon.KeysFor].
func (r *Realms) KeysFor(ctx context.Context, peer identity.Peer, name string) ([]identity.SSHKey, error) {
	return firstAnswer(r, func(d *Daemon) bool { return d.RemembersName(name) },
		func(d *Daemon) ([]identity.SSHKey, error) { return d.KeysFor(ctx, peer, name) })
}

// CertificateFor is [Daemon.CertificateFor].
func (r *Realms) CertificateFor(ctx context.Context, peer identity.Peer, name, certificate string) ([]string, error) {
	return firstAnswer(r, func(d *Daemon) bool { return d.RemembersName(name) },
		func(d *Daemon) ([]string, error) { return d.CertificateFor(ctx, peer, name, certificate) })
}

// SubIDsOf is [Daemon.SubIDsOf].
func (r *Realms) SubIDsOf(ctx context.Context, peer identity.Peer, name string) (identity.IDRange, error) {
	return firstAnswer(r, func(d *Daemon) bool { return d.RemembersName(name) },
		func(d *Daemon) (identity.IDRange, error) { return d.SubIDsOf(ctx, peer, name) })
}

// GroupByName is [Daemon.GroupByName].
func (r *Realms) GroupByName(ctx context.Context, name string) (identity.GroupEntry, error) {
	return firstAnswer(r, func(d *Daemon) bool { return d.RemembersGroup(name) },
		func(d *Daemon) (identity.GroupEntry, error) { return d.GroupByName(ctx, name) })
}

// GroupByGID is [Daemon.GroupByGID].
func (r *Realms) GroupByGID(ctx context.Context, gid uint32) (identity.GroupEntry, error) {
	return firstAnswer(r, func(d *Daemon) bool { return d.Directory().HasGID(gid) },
		func(d *Daemon) (identity.GroupEntry, error) { return d.GroupByGID(ctx, gid) })
}

// Accounts is [Daemon.Accounts].
func (r *Realms) Accounts(ctx context.Context, each func(identity.Account) error) error {
	for _, d := range r.list() {
		if err := d.Accounts(ctx, each); err != nil {
			return err
		}
	}
	return nil
}

// Groups is [Daemon.Groups].
func (r *Realms) Groups(ctx context.Context, each func(identity.GroupEntry) error) error {
	for _, d := range r.list() {
		if err := d.Groups(ctx, each); err != nil {
			return err
		}
	}
	return nil
}

// Decide is [Daemon.Decide], by the realm whose account it is.
func (r *Realms) Decide(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict {
	d := r.list()[0]
	if len(r.list()) > 1 {
		d = r.owningRealm(ctx, l.User)
	}
	if l.Operation == identity.OpAuthenticate {
		d.AskHigherPriority(l.User) // for the next time
	}
	return d.Decide(ctx, l, conv)
}

// owningRealm is the realm that has the account. Where none has, it is the first that could
// not tell, and where all said no, the first.
func (r *Realms) owningRealm(ctx context.Context, name string) *Daemon {
	d, err := firstAnswer(r, func(d *Daemon) bool { return d.RemembersName(name) }, func(d *Daemon) (*Daemon, error) {
		_, err := d.AccountByName(ctx, name)
		return d, err
	})
	if errors.Is(err, identity.ErrNotFound) {
		return r.list()[0]
	}
	return d
}

// status is the first realm's, with the others' providers and troubles in it.
func (r *Realms) status(ctx context.Context) report.Status {
	all := r.list()
	s := all[0].health.Report(ctx)
	for _, d := range all[1:] {
		o := d.health.Report(ctx)
		s.Providers = append(s.Providers, o.Providers...)
		s.Cache.Accounts += o.Cache.Accounts
		s.Cache.Groups += o.Cache.Groups
		s.Cache.Verifiers += o.Cache.Verifiers
		s.StrengthGated = append(s.StrengthGated, o.StrengthGated...)
		for _, f := range o.Findings {
			if !slices.Contains(s.Findings, f) {
				f.Detail = fmt.Sprintf("%s: %s", d.o.Realm, f.Detail)
				s.Findings = append(s.Findings, f)
			}
		}
	}
	return s
}

// SetPublished is [Daemon.SetPublished]. The file is that of all of them; the first
// tells of it.
func (r *Realms) SetPublished(of identity.Revisions, p report.Directory) {
	first := r.list()[0]
	own := first.Revisions().Content
	// The revisions are sums: to the first the file is up to date when the sum is.
	if of.Content != r.Revisions().Content {
		own = 0
	}
	first.SetPublished(identity.Revisions{Content: own}, p)
}
