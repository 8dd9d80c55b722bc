package realm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/sallyport-auth/sallyport/server/store"
)

// Move moves the realm of a folder into an empty PostgreSQL database, with ids, revisions,
// keys and the audit log. What it does can be cut off anywhere and run again: until the
// settings name the new database, the file is the realm. It is kept, under another name,
// which is returned.
//
// owner is the address by which the role that owns the tables signs in, "" where it is the
// one that serves.
func Move(ctx context.Context, folder, to, owner string, told func(table string, rows int64)) (kept string, err error) {
	d := Dir(folder)
	if err := store.CheckAddress(to); err != nil {
		return "", fmt.Errorf("--to: %w", err)
	}
	set, err := d.Load()
	if err != nil {
		return "", err
	}
	held, err := d.Lock()
	if err != nil {
		return "", BusyHint(err, "a server or a command works on it: stop that first")
	}
	defer func() { _ = held.Close() }()
	switch set.Database {
	case to: // cut off after the settings
		return d.setAside()
	case "":
	default:
		return "", errors.New("this realm is in PostgreSQL already: to have it elsewhere, copy that database by PostgreSQL's own means, and name it in server.json")
	}
	if err := d.copyTo(ctx, set, to, cmp.Or(owner, to), told); err != nil {
		return "", err
	}
	next := set
	next.Database = to
	moved, err := d.reopen(ctx, next)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, moved.Close()) }()
	b, err := next.Encode()
	if err != nil {
		return "", err
	}
	if err := replace(d.settings(), b); err != nil {
		return "", err
	}
	if kept, err = d.setAside(); err != nil {
		return "", err
	}
	return kept, moved.Write(ctx, func(tx *store.Tx) error {
		return tx.Record(store.Entry{Time: time.Now(), Actor: LocalActor(), Action: "realm.move", Subject: moved.Name, Detail: "to PostgreSQL"})
	})
}

// Migrate brings the tables of a realm in PostgreSQL up to date.
func Migrate(ctx context.Context, folder, owner string) error {
	set, err := Dir(folder).Load()
	if err != nil {
		return err
	}
	if set.Database == "" {
		return errors.New("this realm is in a file, whose tables are brought up to date by whatever opens it")
	}
	return store.Migrate(ctx, cmp.Or(owner, set.Database), set.Database)
}

// reopen opens a folder that is held already, by those settings.
func (d Dir) reopen(ctx context.Context, set Settings) (*Realm, error) {
	held, err := os.Open(os.DevNull) // the folder's own lock is held by the caller
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return openHeld(ctx, d, set, held, slog.New(slog.DiscardHandler), time.Now)
}

func (d Dir) copyTo(ctx context.Context, set Settings, to, owner string, told func(string, int64)) error {
	r, err := d.reopen(ctx, set) // so that the keys are in the database
	if err != nil {
		return err
	}
	err = r.Store.Read(ctx, func(tx *store.Tx) error {
		_, _, err := tx.VerifyAudit()
		return err
	})
	if err == nil {
		err = store.Move(ctx, r.Store, to, owner, told)
	}
	return errors.Join(err, r.Close())
}

// setAside gives the file that was the database a name that nothing opens.
func (d Dir) setAside() (string, error) {
	kept := d.Database() + ".moved"
	if err := os.Rename(d.Database(), kept); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("set the old database aside: %w", err)
	}
	return kept, SyncFolder(string(d))
}
