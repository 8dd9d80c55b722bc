package resolver

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// localPoll is how often the local files are looked at where they cannot be
// watched.
const localPoll = 3 * time.Second

// followLocal counts changes of /etc/passwd, /etc/group, /etc/subuid and /etc/subgid until ctx ends. Every
// lookup looks at the files for itself; this is for who published them. The folder
// is watched, because the files are replaced by others.
func (d *Resolver) followLocal(ctx context.Context) {
	w, err := d.watchFolder()
	for err == nil {
		d.LocalChanged() // also what came before the watch
		err = d.watchedLocal(ctx, w)
	}
	if w != nil {
		_ = w.Close()
	}
	if ctx.Err() != nil {
		return
	}
	d.log.WarnContext(ctx, "the folder of passwd and group cannot be watched; they are looked at now and then", "error", err, "every", localPoll)
	for d.LocalChanged(); pause(ctx, localPoll, nil); d.LocalChanged() {
	}
}

func (d *Resolver) watchFolder() (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if err := w.Add(d.local.Folder()); err != nil {
		return w, fmt.Errorf("watch: %w", err)
	}
	return w, nil
}

// watchedLocal waits for one event; its error is the end of the watch.
func (d *Resolver) watchedLocal(ctx context.Context, w *fsnotify.Watcher) error {
	for {
		select {
		case e, ok := <-w.Events:
			switch {
			case !ok || (e.Name == d.local.Folder() && e.Has(fsnotify.Remove|fsnotify.Rename)):
				return fsnotify.ErrClosed // the folder itself is another now
			case slices.Contains(d.local.Paths(), e.Name):
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

// LocalChanged counts what differs from when it was last called.
func (d *Resolver) LocalChanged() {
	l, err := d.local.Now()
	if err != nil {
		d.log.Warn("the local files cannot be read; nobody is answered", "error", err)
		return
	}
	d.index.LocalChanged(l, d.o.Now())
}
