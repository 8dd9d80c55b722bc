package resolver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport-auth/sallyport/identity"
)

// higher are the realms before one, of higher priority. Names are theirs first:
//
//	somebody of ours whom nobody has seen here   is taken once each of them has said
//	                                             whether it has one of that name, and
//	                                             groups of the names of his
//	somebody of ours who is known here           stays when they are away; they are asked
//	                                             again at a login, which does not wait
//	a name that they are known to have           is hidden here
type higher struct{ all []*Resolver }

// HasAccount tells whether the name stands for an account of theirs, as it is or as
// another spelling.
func (a *higher) HasAccount(name identity.Name) bool {
	return slices.ContainsFunc(a.all, func(d *Resolver) bool { return d.RemembersName(string(name)) })
}

// HasGroup is HasAccount for groups.
func (a *higher) HasGroup(name identity.Name) bool {
	return slices.ContainsFunc(a.all, func(d *Resolver) bool { return d.RemembersGroup(string(name)) })
}

// Claims tells whether the group is another realm's: what policy gives to its
// members is not for those whom this realm puts into it.
func (a *higher) Claims(group uuid.UUID) bool {
	return slices.ContainsFunc(a.all, func(d *Resolver) bool { return d.index.KnowsGroup(group) })
}

// errUnsettled says that a realm of higher priority did not say whether it has a name of somebody's.
var errUnsettled = errors.New("a realm that comes first did not say whether a name is one of its own")

// groupsAtOnce is how many groups one realm is asked for at a time.
const groupsAtOnce = 16

// ask asks those that do not remember the name of an account, all at once. The channel
// then has one answer: nil when each has said yes or no.
func (a *higher) ask(ctx context.Context, name identity.Name) <-chan error {
	return a.each(func(d *Resolver) error {
		canonical, none := d.Canonical(string(name))
		if none != nil {
			return nil //nolint:nilerr // it is no name of this realm
		}
		_, err := d.FindName(ctx, canonical, false)
		return unsaid(err)
	})
}

// askGroups is ask for names of groups. A realm that lists its people has named all the
// groups that it has anything to say of.
func (a *higher) askGroups(ctx context.Context, names []identity.Name) <-chan error {
	return a.each(func(d *Resolver) error {
		if _, finds := d.Finder(); !finds {
			return nil
		}
		var g errgroup.Group
		g.SetLimit(groupsAtOnce)
		for _, name := range names {
			g.Go(func() error {
				_, err := d.GroupByName(ctx, string(name))
				return unsaid(err)
			})
		}
		return g.Wait() //nolint:wrapcheck // of unsaid
	})
}

// unsaid is nil for a yes and for a no.
func unsaid(err error) error {
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	return err
}

func (a *higher) each(ask func(*Resolver) error) <-chan error {
	settled := make(chan error, 1)
	go func() {
		answers := make([]error, len(a.all))
		var wg sync.WaitGroup
		for i, d := range a.all {
			wg.Go(func() {
				if err := ask(d); err != nil {
					answers[i] = fmt.Errorf("%w: %s: %w", errUnsettled, d.o.Realm, err)
				}
			})
		}
		wg.Wait()
		settled <- errors.Join(answers...)
	}()
	return settled
}

// settle waits until the realms of higher priority have said whether they have a name of somebody
// new. They were asked for his own already when asked is not nil.
func (a *higher) settle(ctx context.Context, t *identity.IDToken, asked <-chan error) error {
	if asked == nil {
		asked = a.ask(ctx, t.Account.Name)
	}
	var names []identity.Name
	for _, g := range t.Groups {
		names = append(names, g.Name)
	}
	groups := a.askGroups(ctx, names)
	return errors.Join(<-asked, <-groups)
}

// AskHigherPriority asks the realms that come first again for the names of somebody who is known, and
// waits for nothing.
func (d *Resolver) AskHigherPriority(typed string) {
	name, err := d.Canonical(typed)
	if err != nil || len(d.higher.all) == 0 {
		return
	}
	d.higher.ask(d.base, name)
	if e := d.index.Named(name); e != nil {
		var names []identity.Name
		for _, m := range d.index.GroupsOf(e) {
			names = append(names, m.Name)
		}
		d.higher.askGroups(d.base, names)
	}
}
