package daemon

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sallyport-auth/sallyport/identity"
)

// localPoll is how often the local files are looked at where they cannot be
// watched.
const localPoll = 3 * time.Second

// followLocal counts changes of /etc/passwd, /etc/group, /etc/subuid and /etc/subgid until ctx ends. Every
// lookup looks at the files for itself; this is for who published them. The folder
// is watched, because the files are replaced by others.
func (d *Daemon) followLocal(ctx context.Context) {
	w, err := d.watchFolder()
	for err == nil {
		d.localChanged() // also what came before the watch
		err = d.watchedLocal(ctx, w)
	}
	if w != nil {
		_ = w.Close()
	}
	if ctx.Err() != nil {
		return
	}
	d.log.WarnContext(ctx, "the folder of passwd and group cannot be watched; they are looked at now and then", "error", err, "every", localPoll)
	for d.localChanged(); pause(ctx, localPoll, nil); d.localChanged() {
	}
}

func (d *Daemon) watchFolder() (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if err := w.Add(filepath.Dir(d.local.accounts.path)); err != nil {
		return w, fmt.Errorf("watch: %w", err)
	}
	return w, nil
}

// watchedLocal waits for one event; its error is the end of the watch.
func (d *Daemon) watchedLocal(ctx context.Context, w *fsnotify.Watcher) error {
	for {
		select {
		case e, ok := <-w.Events:
			switch {
			case !ok || (e.Name == filepath.Dir(d.local.accounts.path) && e.Has(fsnotify.Remove|fsnotify.Rename)):
				return fsnotify.ErrClosed // the folder itself is another now
			case slices.Contains([]string{d.local.accounts.path, d.local.groups.path, d.local.subuids.path, d.local.subgids.path}, e.Name):
				return nil
			}
		case err, ok := <-w.Errors:
			if !ok {
				return fsnotify.ErrClosed
			}
			d.log.WarnContext(ctx, "watching passwd and group", "error", err)
			return nil // something may have been missed
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // only compared
		}
	}
}

// localChanged counts what differs from when it was last called.
func (d *Daemon) localChanged() {
	l, err := d.local.now()
	if err != nil {
		d.log.Warn("the local files cannot be read; nobody is answered", "error", err)
		return
	}
	was := d.seenLocal.Swap(&l)
	if was == nil || l.equal(*was) {
		return
	}
	s := stirred{visible: true, lost: d.index.meets(l, *was)}
	before, after := d.localGroups(*was), d.localGroups(l)
	s.lost = s.lost || !maps.EqualFunc(before, after, func(a, b []uint32) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	d.following.grow(s, d.o.Now())
}

func (l local) equal(o local) bool {
	return l.accounts.equal(o.accounts) && l.groups.equal(o.groups) &&
		slices.Equal(l.subuids, o.subuids) && slices.Equal(l.subgids, o.subgids)
}

func (n *names) equal(o *names) bool {
	return maps.Equal(n.byName, o.byName) && maps.Equal(n.byID, o.byID) && maps.Equal(n.idOf, o.idOf)
}

// meets tells whether a name or a number that became local is one that we serve.
func (x *index) meets(is, was local) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.meetsSubs(is, was) {
		return true
	}
	for name := range is.accounts.byName {
		if !was.accounts.byName[name] && x.atName(identity.Name(name)) != nil {
			return true
		}
	}
	for id := range is.accounts.byID {
		if !was.accounts.byID[id] && x.atUID(id) != nil {
			return true
		}
	}
	for name := range is.groups.byName {
		own := x.atName(identity.Name(name))
		if !was.groups.byName[name] && (x.groupName[identity.Name(name)] != nil || own != nil) {
			return true
		}
	}
	for id := range is.groups.byID {
		if !was.groups.byID[id] && (x.groupGID[id] != nil || x.atUID(id) != nil) {
			return true
		}
	}
	return false
}

// meetsSubs tells whether a range that became subordinate has an id that we serve. The
// caller holds the lock.
func (x *index) meetsSubs(is, was local) bool {
	if slices.Equal(is.subuids, was.subuids) && slices.Equal(is.subgids, was.subgids) {
		return false
	}
	for _, p := range x.gather() {
		if is.subuids.has(p.uid) && !was.subuids.has(p.uid) || is.subgids.has(p.gid) && !was.subgids.has(p.gid) {
			return true
		}
	}
	for gid := range x.groupGID {
		if is.subgids.has(gid) && !was.subgids.has(gid) {
			return true
		}
	}
	return false
}
