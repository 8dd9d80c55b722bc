package userdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// How long the daemon may take to say that it works on it, and then to answer where
// Directory.Deadline does not tell.
const (
	acknowledge = 50 * time.Millisecond
	deadline    = 5 * time.Second
)

func byName(name string) *wire.Message {
	return wire.New(wire.GetAccountByName).AddString(wire.Name, name)
}

func byUID(uid uint32) *wire.Message { return wire.New(wire.GetAccountByUID).AddNumbers(wire.UID, uid) }

func byGroupName(name string) *wire.Message {
	return wire.New(wire.GetGroupByName).AddString(wire.Name, name)
}

func byGID(gid uint32) *wire.Message { return wire.New(wire.GetGroupByGID).AddNumbers(wire.GID, gid) }

// ask sends one question and hands on its answers until take says that it has all.
func (d *Directory) ask(ctx context.Context, q *wire.Message, want wire.Type, take func(*wire.Message) (more bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.Deadline, deadline))
	defer cancel()
	soon, cancel := context.WithTimeout(ctx, acknowledge)
	defer cancel()
	c, err := wire.Dial(soon, d.Socket)
	if err != nil {
		return fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	defer c.Close() //nolint:errcheck // read only
	if err := c.Send(soon, q); err != nil {
		return fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	until := soon
	for {
		m, err := c.Receive(until)
		if err != nil {
			return fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
		}
		until = ctx
		switch m.Type {
		case wire.Working:
		case want:
			if more, err := take(m); err != nil || !more {
				return err
			}
		case wire.NotFound:
			return identity.ErrNotFound
		default:
			return fmt.Errorf("%w: an answer of type %#02x", identity.ErrUnavailable, uint8(m.Type))
		}
	}
}

func (d *Directory) askAccount(ctx context.Context, q *wire.Message) (l identity.Listed, err error) {
	if name := q.String(wire.Name); q.Has(wire.Name) && !askable(name) {
		return l, identity.ErrNotFound
	}
	err = d.ask(ctx, q, wire.Account, func(m *wire.Message) (bool, error) {
		l.Name, l.UID, l.GID = identity.Name(m.String(wire.Name)), m.Number(wire.UID), m.Number(wire.GID)
		l.FullName, l.Home, l.Shell = m.String(wire.FullName), m.String(wire.Home), m.String(wire.Shell)
		return false, unfit(l.CheckEntry())
	})
	if err != nil {
		return identity.Listed{}, err
	}
	err = d.ask(ctx, wire.New(wire.GetGroupsOf).AddString(wire.Name, string(l.Name)), wire.Groups, func(m *wire.Message) (bool, error) {
		l.GIDs, l.Local = m.Numbers(wire.GIDs), m.Numbers(wire.LocalGIDs)
		return false, unfit(l.Validate())
	})
	if err != nil {
		return identity.Listed{}, err
	}
	return l, nil
}

func (d *Directory) askGroup(ctx context.Context, q *wire.Message) (g identity.GroupEntry, err error) {
	if name := q.String(wire.Name); q.Has(wire.Name) && !askable(name) {
		return g, identity.ErrNotFound
	}
	err = d.ask(ctx, q, wire.Group, func(m *wire.Message) (bool, error) {
		g.Name, g.GID = identity.Name(m.String(wire.Name)), m.Number(wire.GID)
		for _, name := range m.All(wire.Member) {
			n, err := identity.ParseName(name)
			if err != nil {
				return false, unfit(err)
			}
			g.Members = append(g.Members, n)
		}
		_, err := identity.ParseName(string(g.Name))
		return m.Number(wire.More) != 0, unfit(errors.Join(err, identity.CheckID(g.GID)))
	})
	if err != nil {
		return identity.GroupEntry{}, err
	}
	return g, nil
}

// askable tells whether a name can be in a question at all.
func askable(name string) bool {
	return name != "" && len(name) <= 512 && identity.CheckText(name, 512) == nil
}

// unfit keeps a bad record of the daemon's from reading as "no such name".
func unfit(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: unfit record: %v", identity.ErrUnavailable, err) //nolint:errorlint // on purpose
}
