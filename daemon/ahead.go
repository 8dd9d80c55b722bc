package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// ahead are the realms before one. Names are theirs first:
//
//	somebody of ours whom nobody has seen here   is taken once each of them has said
//	                                             whether it has one of that name
//	somebody of ours who is known here           stays when they are away; they are asked
//	                                             again at a login, which does not wait
//	a name that they are known to have           is hidden here
type ahead []*Daemon

// hasAccount tells whether the name stands for an account of theirs, as it is or as
// another spelling.
func (a ahead) hasAccount(name identity.Name) bool {
	return slices.ContainsFunc(a, func(d *Daemon) bool { return d.remembersName(string(name)) })
}

func (a ahead) hasGroup(name identity.Name) bool {
	return slices.ContainsFunc(a, func(d *Daemon) bool {
		n, err := d.canonicalGroup(string(name))
		return err == nil && d.index.hasGroup(n)
	})
}

// claims tells whether the group is another realm's: what policy gives to its
// members is not for those whom this realm puts into it.
func (a ahead) claims(group uuid.UUID) bool {
	return slices.ContainsFunc(a, func(d *Daemon) bool { return d.index.knowsGroup(group) })
}

// errUnsettled says that a realm ahead did not say whether it has somebody's name.
var errUnsettled = fmt.Errorf("%w: a realm that comes first did not say whether the name is one of its own", identity.ErrUnavailable)

// ask asks those that do not remember the name, all at once. The channel then has one
// answer: nil when each has said yes or no.
func (a ahead) ask(ctx context.Context, name identity.Name) <-chan error {
	answers := make(chan error, len(a))
	for _, d := range a {
		go func() { answers <- d.saysOf(ctx, name) }()
	}
	settled := make(chan error, 1)
	go func() {
		var all error
		for range a {
			all = errors.Join(all, <-answers)
		}
		settled <- all
	}()
	return settled
}

// saysOf is nil when the realm has said whether it has the name.
func (d *Daemon) saysOf(ctx context.Context, typed identity.Name) error {
	name, none := d.canonical(string(typed))
	if none != nil {
		return nil //nolint:nilerr // it is no name of this realm
	}
	_, err := d.findName(ctx, name, false)
	if err == nil || errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", errUnsettled, d.o.Realm, err)
}
