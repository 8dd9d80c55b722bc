package userdb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// Directory is the snapshot, and behind it the daemon.
type Directory struct {
	File   string // the snapshot, as snapshot.Open wants it
	Socket string // lookup.sock
	Passwd string // the machine's own people and groups; usually /etc/passwd
	Group  string // and /etc/group

	mu  sync.Mutex
	now *mapped
}

// mapped is an open snapshot. It is unmapped when the last who reads it is done.
type mapped struct {
	*snapshot.Reader
	users int
}

// take returns the file in force, or nil when there is none that is sound.
// give must follow.
func (d *Directory) take() *mapped {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now != nil && d.now.Superseded() {
		if d.now.users == 0 {
			_ = d.now.Close()
		}
		d.now = nil
	}
	if d.now == nil {
		r, err := snapshot.Open(d.File)
		if err != nil {
			return nil
		}
		d.now = &mapped{Reader: r}
	}
	d.now.users++
	return d.now
}

func (d *Directory) give(m *mapped) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m.users--; m.users == 0 && m != d.now {
		_ = m.Close()
	}
}

// look asks the file, and the daemon when the file cannot tell.
func look[T any](d *Directory, file func(*snapshot.Reader) (T, error), daemon func() (T, error)) (T, error) {
	if m := d.take(); m != nil {
		defer d.give(m)
		v, err := file(m.Reader)
		if err == nil || errors.Is(err, identity.ErrNotFound) || errors.Is(err, identity.ErrName) {
			return v, err
		}
	}
	return daemon()
}

// AccountByName finds a person by the name that was typed.
func (d *Directory) AccountByName(ctx context.Context, typed string) (identity.Listed, error) {
	l, err := look(d, func(r *snapshot.Reader) (identity.Listed, error) { return r.AccountByName(typed) },
		func() (identity.Listed, error) { return d.askAccount(ctx, byName(typed)) })
	return d.notLocal(l, err)
}

// AccountByUID finds a person by number.
func (d *Directory) AccountByUID(ctx context.Context, uid uint32) (identity.Listed, error) {
	if identity.CheckID(uid) != nil {
		return identity.Listed{}, identity.ErrNotFound
	}
	l, err := look(d, func(r *snapshot.Reader) (identity.Listed, error) { return r.AccountByUID(uid) },
		func() (identity.Listed, error) { return d.askAccount(ctx, byUID(uid)) })
	return d.notLocal(l, err)
}

// GroupByName finds a group by name.
func (d *Directory) GroupByName(ctx context.Context, name string) (identity.GroupEntry, error) {
	g, err := look(d, func(r *snapshot.Reader) (identity.GroupEntry, error) { return r.GroupByName(name) },
		func() (identity.GroupEntry, error) { return d.askGroup(ctx, byGroupName(name)) })
	return d.notLocalGroup(g, err)
}

// GroupByGID finds a group by number.
func (d *Directory) GroupByGID(ctx context.Context, gid uint32) (identity.GroupEntry, error) {
	if identity.CheckID(gid) != nil {
		return identity.GroupEntry{}, identity.ErrNotFound
	}
	g, err := look(d, func(r *snapshot.Reader) (identity.GroupEntry, error) { return r.GroupByGID(gid) },
		func() (identity.GroupEntry, error) { return d.askGroup(ctx, byGID(gid)) })
	return d.notLocalGroup(g, err)
}

func (d *Directory) notLocal(l identity.Listed, err error) (identity.Listed, error) {
	if err != nil {
		return identity.Listed{}, err
	}
	local, err := readLocal(d.Passwd)
	if err != nil {
		return identity.Listed{}, err
	}
	if local.has(string(l.Name), l.UID) {
		return identity.Listed{}, identity.ErrNotFound
	}
	return l, nil
}

func (d *Directory) notLocalGroup(g identity.GroupEntry, err error) (identity.GroupEntry, error) {
	if err != nil {
		return identity.GroupEntry{}, err
	}
	local, err := readLocal(d.Group)
	if err != nil {
		return identity.GroupEntry{}, err
	}
	if local.has(string(g.Name), g.GID) {
		return identity.GroupEntry{}, identity.ErrNotFound
	}
	return g, nil
}

// errNoList says that there is no file to list from: the list is not known.
var errNoList = fmt.Errorf("no directory snapshot: %w", identity.ErrUnavailable)

// Accounts calls each for everybody. Lists come from the file alone.
func (d *Directory) Accounts(ctx context.Context, each func(identity.Listed) error) error {
	local, err := readLocal(d.Passwd)
	if err != nil {
		return err
	}
	m := d.take()
	if m == nil {
		return errNoList
	}
	defer d.give(m)
	for l, err := range m.Accounts() {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && !local.has(string(l.Name), l.UID) {
			err = each(l)
		}
		if err != nil {
			return err //nolint:wrapcheck // the snapshot or each says what it was doing
		}
	}
	return nil
}

// Groups calls each for every group.
func (d *Directory) Groups(ctx context.Context, each func(identity.GroupEntry) error) error {
	local, err := readLocal(d.Group)
	if err != nil {
		return err
	}
	m := d.take()
	if m == nil {
		return errNoList
	}
	defer d.give(m)
	for g, err := range m.Groups() {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && !local.has(string(g.Name), g.GID) {
			err = each(g)
		}
		if err != nil {
			return err //nolint:wrapcheck // the snapshot or each says what it was doing
		}
	}
	return nil
}

// GroupNames gives the names of a person's groups. One that cannot be found is left out:
// it has no name that anybody else could find either.
func (d *Directory) GroupNames(ctx context.Context, ids identity.GroupIDs) []string {
	var names []string
	for _, gid := range ids.GIDs {
		if g, err := d.GroupByGID(ctx, gid); err == nil {
			names = append(names, string(g.Name))
		}
	}
	if len(ids.Local) == 0 {
		return names
	}
	local, err := readLocal(d.Group)
	if err != nil {
		return names
	}
	for _, gid := range ids.Local {
		if name := local.names[gid]; name != "" {
			names = append(names, name)
		}
	}
	return names
}
