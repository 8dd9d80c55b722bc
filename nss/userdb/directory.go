package userdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// Directory is the snapshot, and behind it the daemon.
type Directory struct {
	File   string // the snapshot, as snapshot.Open wants it
	Socket string // lookup.sock
	Passwd string // the machine's own people and groups; usually /etc/passwd
	Group  string // and /etc/group
	// Deadline is how long the daemon may take once it has said that it works on a
	// question; zero: 5 s.
	Deadline time.Duration

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

// kind is what a question is about: where the machine's own are, and how one is
// named.
type kind[T any] struct {
	local string // a file as passwd(5) or group(5)
	is    func(T) (name string, id uint32)
}

func (d *Directory) accounts() kind[identity.Listed] {
	return kind[identity.Listed]{d.Passwd, func(l identity.Listed) (string, uint32) { return string(l.Name), l.UID }}
}

func (d *Directory) groups() kind[identity.GroupEntry] {
	return kind[identity.GroupEntry]{d.Group, func(g identity.GroupEntry) (string, uint32) { return string(g.Name), g.GID }}
}

// find looks for one who is not local: neither as asked, so that nobody waits for
// the daemon about what is the machine's, nor as found.
func find[T any](d *Directory, k kind[T], name string, id uint32, file func(*snapshot.Reader) (T, error), daemon func() (T, error)) (T, error) {
	var none T
	local, err := readLocal(k.local)
	if err != nil {
		return none, err
	}
	if local.has(name, id) {
		return none, identity.ErrNotFound
	}
	v, err := look(d, file, daemon)
	if err == nil && local.has(k.is(v)) {
		err = identity.ErrNotFound
	}
	return v, err
}

// AccountByName finds a person by the name that was typed.
func (d *Directory) AccountByName(ctx context.Context, typed string) (identity.Listed, error) {
	return find(d, d.accounts(), typed, 0, func(r *snapshot.Reader) (identity.Listed, error) { return r.AccountByName(typed) },
		func() (identity.Listed, error) { return d.askAccount(ctx, byName(typed)) })
}

// AccountByUID finds a person by number.
func (d *Directory) AccountByUID(ctx context.Context, uid uint32) (identity.Listed, error) {
	if identity.CheckID(uid) != nil {
		return identity.Listed{}, identity.ErrNotFound
	}
	return find(d, d.accounts(), "", uid, func(r *snapshot.Reader) (identity.Listed, error) { return r.AccountByUID(uid) },
		func() (identity.Listed, error) { return d.askAccount(ctx, byUID(uid)) })
}

// GroupByName finds a group by name.
func (d *Directory) GroupByName(ctx context.Context, name string) (identity.GroupEntry, error) {
	return find(d, d.groups(), name, 0, func(r *snapshot.Reader) (identity.GroupEntry, error) { return r.GroupByName(name) },
		func() (identity.GroupEntry, error) { return d.askGroup(ctx, byGroupName(name)) })
}

// GroupByGID finds a group by number.
func (d *Directory) GroupByGID(ctx context.Context, gid uint32) (identity.GroupEntry, error) {
	if identity.CheckID(gid) != nil {
		return identity.GroupEntry{}, identity.ErrNotFound
	}
	return find(d, d.groups(), "", gid, func(r *snapshot.Reader) (identity.GroupEntry, error) { return r.GroupByGID(gid) },
		func() (identity.GroupEntry, error) { return d.askGroup(ctx, byGID(gid)) })
}

// errNoList says that there is no file to list from: the list is not known.
var errNoList = fmt.Errorf("no directory snapshot: %w", identity.ErrUnavailable)

// list calls each for all who are not local. Lists come from the file alone.
func list[T any](ctx context.Context, d *Directory, k kind[T], all func(*snapshot.Reader) iter.Seq2[T, error], each func(T) error) error {
	local, err := readLocal(k.local)
	if err != nil {
		return err
	}
	m := d.take()
	if m == nil {
		return errNoList
	}
	defer d.give(m)
	for v, err := range all(m.Reader) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && !local.has(k.is(v)) {
			err = each(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Accounts calls each for everybody.
func (d *Directory) Accounts(ctx context.Context, each func(identity.Listed) error) error {
	return list(ctx, d, d.accounts(), (*snapshot.Reader).Accounts, each)
}

// Groups calls each for every group.
func (d *Directory) Groups(ctx context.Context, each func(identity.GroupEntry) error) error {
	return list(ctx, d, d.groups(), (*snapshot.Reader).Groups, each)
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
