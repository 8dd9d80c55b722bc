package resolver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// errGaveUp is what WithTimeout adds to the errors of a call.
var errGaveUp = errors.New("given up")

// WithTimeout runs a call and stops waiting at the limit, also when it does not end. A
// panic in it is an error, and not the daemon's end.
func WithTimeout[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	type answer struct {
		v   T
		err error
	}
	got := make(chan answer, 1)
	go func() {
		defer cancel()
		defer func() {
			// Not the value: it may hold what the person typed.
			if r := recover(); r != nil {
				got <- answer{err: fmt.Errorf("%w: a panic: %T", errGaveUp, r)}
			}
		}()
		v, err := call(ctx)
		got <- answer{v, err}
	}()
	select {
	case a := <-got:
		return a.v, a.err
	case <-ctx.Done():
		select {
		case a := <-got: // both were ready
			return a.v, a.err
		default:
		}
		var none T
		return none, fmt.Errorf("%w: no answer within %s", errGaveUp, limit)
	}
}

// WithProviderTimeout is WithTimeout for a call to the provider: one that is given up is no answer.
func WithProviderTimeout[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	v, err := WithTimeout(ctx, limit, call)
	if errors.Is(err, errGaveUp) {
		err = fmt.Errorf("%w: %w", provider.ErrOffline, err)
	}
	return v, err
}

// flight asks the server once for all who ask the same at the same time, and takes
// over the answer. Its time limit is the daemon's, not a caller's: who loses patience
// leaves, the answer is still learnt.
func flight[T any](ctx context.Context, d *Resolver, key string, call func(context.Context) (T, error),
	fits func(T) bool, gone, learn func(T) error,
) error {
	done := d.flights.DoChan(key, func() (any, error) {
		r, err := WithProviderTimeout(d.base, d.p.LookupTimeout, call)
		switch {
		case errors.Is(err, provider.ErrNotFound):
			d.Note(Answered, nil)
			d.absent.add(key, d.o.Boottime())
			return nil, errors.Join(err, gone(r))
		case err == nil && !fits(r):
			err = fmt.Errorf("%w: it answered with another than was asked for", provider.ErrOffline)
		}
		if err != nil {
			d.Note(Failed, err)
			return nil, err
		}
		d.Note(Answered, nil)
		return nil, learn(r)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", provider.ErrOffline, ctx.Err())
	}
}

// answer is a record, and what comes of asking the realms of higher priority for its name; nil when
// they were not asked yet.
type answer struct {
	provider.Record
	ahead <-chan error
}

// fetch asks the server for one account.
func (d *Resolver) fetch(ctx context.Context, key string, call func(context.Context) (answer, error),
	fits func(*identity.IDToken) bool, held func() *directory.Entry,
) error {
	return flight(ctx, d, key, call,
		func(r answer) bool { return r.Token != nil && fits(r.Token) },
		func(r answer) error {
			if r.ahead != nil {
				<-r.ahead //nolint:errcheck // its word is of no use to a no; no question of this one outlives it
			}
			if e := held(); e != nil {
				return d.Apply(d.base, Update{Gone: []uuid.UUID{e.Account().UUID}})
			}
			return nil
		},
		func(r answer) error {
			if e := d.index.Named(r.Token.Account.Name); e == nil || !e.IsOf(r.Token) {
				if err := d.higher.settle(d.base, r.Token, r.ahead); err != nil {
					return err
				}
			}
			_ = d.Apply(d.base, Update{Records: []provider.Record{r.Record}}) // logged there; the index has it
			return nil
		})
}

// FetchName asks the server for one account now, and takes its answer over. Its errors are
// the provider's.
func (d *Resolver) FetchName(ctx context.Context, name identity.Name) error {
	return d.fetch(ctx, nameKey(name),
		func(ctx context.Context) (answer, error) {
			var ahead <-chan error
			if d.index.Named(name) == nil {
				ahead = d.higher.ask(d.base, name) // beside ours, so that nobody waits twice
			}
			r, err := d.o.Provider.Fetch(ctx, name)
			return answer{r, ahead}, err //nolint:wrapcheck // of the provider's kinds
		},
		func(t *identity.IDToken) bool { return t.Account.Name == name },
		func() *directory.Entry { return d.index.Named(name) })
}

func (d *Resolver) fetchUID(ctx context.Context, uid uint32) error {
	return d.fetch(ctx, uidKey(uid),
		func(ctx context.Context) (answer, error) {
			r, err := d.o.Provider.FetchUID(ctx, uid)
			return answer{Record: r}, err //nolint:wrapcheck // of the provider's kinds
		},
		func(t *identity.IDToken) bool { return t.Account.UID == uid },
		func() *directory.Entry { return d.index.WithUID(uid) })
}

// find looks in the index, then asks the server unless the answer is known to be
// no. With urgent the server is asked whenever it is not known to be watching.
func (d *Resolver) find(ctx context.Context, look func() *directory.Entry, fetch func(context.Context) error, urgent bool) (*directory.Entry, error) {
	if e := look(); e != nil {
		return e, nil
	}
	complete, state := d.kept.Load().Complete && !d.lapsed(d.LastContact()), d.link.Now()
	switch {
	case complete && (state == Online || (state == Offline && !urgent)):
		return nil, identity.ErrNotFound
	case d.link.JustFailed():
		if complete {
			return nil, identity.ErrNotFound
		}
		return nil, identity.ErrUnavailable
	}
	err := fetch(ctx)
	if e := look(); e != nil {
		return e, nil
	}
	if err == nil || errors.Is(err, provider.ErrNotFound) || complete && !errors.Is(err, errUnsettled) {
		return nil, identity.ErrNotFound // no such account, or refused here
	}
	return nil, fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
}

// FindName finds the account of that name: in memory, and else at the server unless the
// answer is known to be no. With urgent the server is asked whenever it is not known to
// be watching. Its errors are identity.ErrNotFound and identity.ErrUnavailable.
func (d *Resolver) FindName(ctx context.Context, name identity.Name, urgent bool) (*directory.Entry, error) {
	return d.find(ctx, func() *directory.Entry { return d.index.Named(name) },
		func(ctx context.Context) error { return d.FetchName(ctx, name) }, urgent)
}

// unlessAbsent is the question for a lookup, which a no of some seconds ago answers too.
func (d *Resolver) unlessAbsent(key string, fetch func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if d.link.Now() == Online && d.absent.has(key, d.o.Boottime()) {
			return provider.ErrNotFound
		}
		return fetch(ctx)
	}
}

// The keys of questions: who asks the same at the same time is answered once.
func nameKey(name identity.Name) string  { return "n" + string(name) }
func uidKey(uid uint32) string           { return "u" + strconv.FormatUint(uint64(uid), 10) }
func groupKey(name identity.Name) string { return "group " + string(name) }
func gidKey(gid uint32) string           { return "gid " + strconv.FormatUint(uint64(gid), 10) }

// Canonical and canonicalGroup alone say what a typed name stands for.
func (d *Resolver) Canonical(typed string) (identity.Name, error) {
	return d.naming(d.p.QualifiedUsers).Canonical(typed) //nolint:wrapcheck // the same meaning
}

func (d *Resolver) canonicalGroup(typed string) (identity.Name, error) {
	return d.naming(d.p.QualifiedGroups).Canonical(typed) //nolint:wrapcheck // the same meaning
}

func (d *Resolver) naming(qualified bool) identity.Naming {
	return identity.Naming{Realm: d.o.Realm, Qualified: qualified, Aliases: d.p.Aliases}
}

// served returns e unless this machine's own files have its name, uid or gid.
func (d *Resolver) served(e *directory.Entry) (*directory.Entry, error) {
	l, err := d.localNow()
	if err != nil {
		return nil, err
	}
	if l.Hides(e.Account().Name, e.Account().UID, e.Account().GID) {
		return nil, identity.ErrNotFound
	}
	return e, nil
}

// errLapsed says that the last contact is longer ago than names are kept.
var errLapsed = fmt.Errorf("%w: the last contact with the server is too long ago", identity.ErrUnavailable)

// recent returns e, or what the server says of it now, when what is remembered is
// too old to be answered.
func (d *Resolver) recent(ctx context.Context, e *directory.Entry) (*directory.Entry, error) {
	if !d.lapsed(d.CheckedAt(e)) {
		return e, nil
	}
	if d.link.JustFailed() || d.FetchName(ctx, e.Account().Name) != nil {
		return nil, errLapsed
	}
	if e = d.index.WithUUID(e.Account().UUID); e == nil {
		return nil, identity.ErrNotFound
	}
	return e, nil
}

// named finds the account that a name stands for, and that is ours to answer.
func (d *Resolver) named(ctx context.Context, typed string) (*directory.Entry, error) {
	name, err := d.Canonical(typed)
	if err != nil {
		return nil, identity.ErrNotFound
	}
	local, err := d.local.AccountNamed(typed, string(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	if local {
		return nil, identity.ErrNotFound
	}
	e, err := d.find(ctx, func() *directory.Entry { return d.index.Named(name) },
		d.unlessAbsent(nameKey(name), func(ctx context.Context) error { return d.FetchName(ctx, name) }), false)
	if err != nil {
		return nil, err
	}
	if e, err = d.recent(ctx, e); err != nil {
		return nil, err
	}
	return d.served(e)
}

// AccountByName returns the account that name stands for; see
// [identity.Naming]. Its errors are identity.ErrNotFound and
// identity.ErrUnavailable.
func (d *Resolver) AccountByName(ctx context.Context, name string) (identity.Account, error) {
	e, err := d.named(ctx, name)
	if err != nil {
		return identity.Account{}, err
	}
	return e.Account(), nil
}

// AccountByUID is AccountByName by user id.
func (d *Resolver) AccountByUID(ctx context.Context, uid uint32) (identity.Account, error) {
	if !d.allowedID(uid) {
		return identity.Account{}, identity.ErrNotFound
	}
	e, err := d.find(ctx, func() *directory.Entry { return d.index.WithUID(uid) },
		d.unlessAbsent(uidKey(uid), func(ctx context.Context) error { return d.fetchUID(ctx, uid) }), false)
	if err == nil {
		e, err = d.recent(ctx, e)
	}
	if err == nil {
		e, err = d.served(e)
	}
	if err != nil {
		return identity.Account{}, err
	}
	return e.Account(), nil
}

// GroupByName returns the group and those of its members that are known here.
func (d *Resolver) GroupByName(ctx context.Context, name string) (identity.GroupEntry, error) {
	n, err := d.canonicalGroup(name)
	if err != nil {
		return identity.GroupEntry{}, identity.ErrNotFound
	}
	return d.group(ctx, d.groupByName(n), func(l directory.Local) bool {
		return l.HasGroupName(name, n)
	})
}

// GroupByGID is GroupByName by group id.
func (d *Resolver) GroupByGID(ctx context.Context, gid uint32) (identity.GroupEntry, error) {
	if !d.allowedID(gid) {
		return identity.GroupEntry{}, identity.ErrNotFound
	}
	return d.group(ctx, d.groupByGID(gid), func(l directory.Local) bool { return l.HasGID(gid) })
}
