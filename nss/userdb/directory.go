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
	return d.account(typed, 0, func(r *snapshot.Reader) (identity.Listed, error) { return r.AccountByName(typed) },
		func() (identity.Listed, error) { return d.askAccount(ctx, byName(typed)) })
}

// AccountByUID finds a person by number.
func (d *Directory) AccountByUID(ctx context.Context, uid uint32) (identity.Listed, error) {
	if identity.CheckID(uid) != nil {
		return identity.Listed{}, identity.ErrNotFound
	}
	return d.account("", uid, func(r *snapshot.Reader) (identity.Listed, error) { return r.AccountByUID(uid) },
		func() (identity.Listed, error) { return d.askAccount(ctx, byUID(uid)) })
}

// account looks for somebody who is not local: neither as asked, so that nobody waits
// for the daemon about people of the machine, nor as found.
func (d *Directory) account(name string, uid uint32, file func(*snapshot.Reader) (identity.Listed, error), daemon func() (identity.Listed, error)) (identity.Listed, error) {
	local, err := readLocal(d.Passwd)
	if err != nil {
		return identity.Listed{}, err
	}
	if local.has(name, uid) {
		return identity.Listed{}, identity.ErrNotFound
	}
	l, err := look(d, file, daemon)
	if err == nil && local.has(string(l.Name), l.UID) {
		err = identity.ErrNotFound
	}
	return l, err
}

// GroupByName finds a group by name.
func (d *Directory) GroupByName(ctx context.Context, name string) (identity.GroupEntry, error) {
	return d.group(name, 0, func(r *snapshot.Reader) (identity.GroupEntry, error) { return r.GroupByName(name) },
		func() (identity.GroupEntry, error) { return d.askGroup(ctx, byGroupName(name)) })
}

// GroupByGID finds a group by number.
func (d *Directory) GroupByGID(ctx context.Context, gid uint32) (identity.GroupEntry, error) {
	if identity.CheckID(gid) != nil {
		return identity.GroupEntry{}, identity.ErrNotFound
	}
	return d.group("", gid, func(r *snapshot.Reader) (identity.GroupEntry, error) { return r.GroupByGID(gid) },
		func() (identity.GroupEntry, error) { return d.askGroup(ctx, byGID(gid)) })
}

func (d *Directory) group(name string, gid uint32, file func(*snapshot.Reader) (identity.GroupEntry, error), daemon func() (identity.GroupEntry, error)) (identity.GroupEntry, error) {
	local, err := readLocal(d.Group)
	if err != nil {
		return identity.GroupEntry{}, err
	}
	if local.has(name, gid) {
		return identity.GroupEntry{}, identity.ErrNotFound
	}
	g, err := look(d, file, daemon)
	if err == nil && local.has(string(g.Name), g.GID) {
		err = identity.ErrNotFound
	}
	return g, err
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
// it has no name that anybody else could find either. Names that were found are kept in
// seen, for a list of people who share their groups.
func (d *Directory) GroupNames(ctx context.Context, ids identity.GroupIDs, seen map[uint32]string) []string {
	var names []string
	for _, gid := range ids.GIDs {
		name, ok := seen[gid]
		if !ok {
			if g, err := d.GroupByGID(ctx, gid); err == nil {
				name = string(g.Name)
			}
			seen[gid] = name
		}
		if name != "" {
			names = append(names, name)
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
