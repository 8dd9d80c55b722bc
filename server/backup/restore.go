package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// RestoreOptions say what to restore, and where.
type RestoreOptions struct {
	File, Dir string
	// Replace puts a folder that is there aside, beside it; otherwise it must be empty.
	Replace bool
	// IDGap is how many ids are left out: those of accounts that were made after the
	// backup. Zero means DefaultIDGap.
	IDGap uint32
	Now   time.Time
}

// Restored tells what was done.
type Restored struct {
	Realm string
	Made  time.Time // when the backup was
	Aside string    // where the old folder lies; "" when there was none
}

// Restore makes the folder from a backup and begins a new history, so that machines know
// that what they heard after the backup was lost. Where an older folder of the realm is
// put aside, no id that it gave out is given out again. Until its end nothing in Dir
// has changed.
func Restore(ctx context.Context, o RestoreOptions) (Restored, error) {
	if o.IDGap == 0 {
		o.IDGap = realm.DefaultIDGap
	}
	target := filepath.Clean(o.Dir)
	old, err := present(target, o.Replace)
	if err != nil {
		return Restored{}, err
	}
	work, err := os.MkdirTemp(filepath.Dir(target), ".sallyport-restore-*")
	if err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // when all went well it is not there any more
	m, err := unpackBackup(o.File, work)
	if err != nil {
		return Restored{}, fmt.Errorf("restore %s: %w", o.File, err)
	}
	d := realm.Dir(work)
	if _, err := d.Load(); err != nil {
		return Restored{}, fmt.Errorf("restore %s: %w", o.File, err)
	}
	var held *os.File
	if old {
		if held, err = realm.Dir(target).Lock(); err != nil {
			return Restored{}, realm.BusyHint(err, "a server or a command works on it: stop that first")
		}
		defer func() { _ = held.Close() }()
	}
	if err := beginRestored(ctx, d, target, old, m, o); err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	if err := giveTo(work, target); err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	aside, err := putInPlace(work, target, old, o.Now)
	return Restored{Realm: m.Realm, Made: m.Made, Aside: aside}, err
}

// present tells whether there is something in the folder that is to be put aside.
func present(target string, replace bool) (bool, error) {
	list, err := os.ReadDir(target)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("restore: %w", err)
	}
	if len(list) > 0 && !replace {
		return false, fmt.Errorf("%s is not empty: with --replace it is put aside, beside it", target)
	}
	return len(list) > 0, nil
}

// unpackBackup reads a backup into a folder. It makes regular files and nothing else,
// all of them inside.
func unpackBackup(file, into string) (manifest, error) {
	var m manifest
	f, err := os.Open(file)
	if err != nil {
		return m, fmt.Errorf("open: %w", err)
	}
	defer func() { _ = f.Close() }()
	t := tar.NewReader(f)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, fmt.Errorf("it is no whole backup: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) {
			return m, fmt.Errorf("it is no backup: it holds %q", h.Name)
		}
		if h.Name == manifestName {
			if err := json.NewDecoder(io.LimitReader(t, maxBackupFile)).Decode(&m); err != nil {
				return m, fmt.Errorf("it is no backup: %w", err)
			}
			continue
		}
		if err := unpackFile(filepath.Join(into, filepath.FromSlash(h.Name)), t); err != nil {
			return m, err
		}
	}
	if m.Format == 0 {
		return m, fmt.Errorf("it is no backup: it has no %s", manifestName)
	}
	if m.Format != backupFormat {
		return m, fmt.Errorf("it is a backup of form %d, and this program knows %d: use a newer program", m.Format, backupFormat)
	}
	return m, nil
}

func unpackFile(path string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	_, err = io.Copy(out, from)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", path, err)
	}
	return nil
}

// beginRestored begins the new history in the restored database.
func beginRestored(ctx context.Context, d realm.Dir, target string, old bool, m manifest, o RestoreOptions) error {
	given, err := givenIn(ctx, realm.Dir(target), old, m.Realm)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, d.Database())
	if err != nil {
		return err
	}
	why := fmt.Sprintf("The server was restored from a backup of %s.", realm.Day(m.Made))
	err = s.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Begin(store.Restored, why, o.IDGap, o.Now); err != nil {
			return err
		}
		// What was ended after the backup must not be open again.
		if err := tx.EndOpenRequests(o.Now, why); err != nil {
			return err
		}
		for id, owner := range given {
			if _, err := tx.Reserve(store.ReservedID{ID: id, Owner: owner, Machine: "the folder that was replaced", Seen: o.Now}); err != nil {
				return err
			}
		}
		return tx.Record(store.Entry{Time: o.Now, Actor: realm.LocalActor(), Action: "realm.restore", Subject: m.Realm, Detail: why})
	})
	return errors.Join(err, s.Close())
}

// givenIn are the ids that the folder which is put aside gave out. One that cannot be
// read has none to tell, which is why it may be that a backup is restored.
func givenIn(ctx context.Context, d realm.Dir, old bool, realm string) (map[uint32]uuid.UUID, error) {
	if _, err := os.Stat(d.Database()); !old || err != nil {
		return nil, nil
	}
	work, err := os.MkdirTemp(filepath.Dir(string(d)), ".sallyport-restore-*")
	if err != nil {
		return nil, fmt.Errorf("read the old folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	copied := filepath.Join(work, databaseName)
	if err := store.Copy(ctx, d.Database(), copied); err != nil {
		return nil, nil
	}
	s, err := store.Open(ctx, copied)
	if err != nil {
		return nil, nil
	}
	given := map[uint32]uuid.UUID{}
	err = s.Read(ctx, func(tx *store.Tx) error {
		r, err := tx.Realm()
		if err != nil || r.Name != realm {
			return err
		}
		return tx.GivenIDs(func(id uint32, owner uuid.UUID) { given[id] = owner })
	})
	_ = s.Close()
	if err != nil {
		return nil, nil
	}
	return given, nil
}

// giveTo gives what root has made to the owner of the folder that it replaces, or of the
// one that it lies in.
func giveTo(work, target string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(target)
	if errors.Is(err, os.ErrNotExist) {
		return nil // root's, until its administrator says whose
	}
	if err != nil {
		return fmt.Errorf("owner of %s: %w", target, err)
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	root, err := os.OpenRoot(work)
	if err != nil {
		return fmt.Errorf("owner of %s: %w", work, err)
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, int(s.Uid), int(s.Gid))
	})
}

// putInPlace moves the old folder aside and the new one to its place.
func putInPlace(work, target string, old bool, now time.Time) (aside string, err error) {
	if err := os.Chmod(work, 0o700); err != nil { //nolint:gosec // a folder
		return "", fmt.Errorf("restore: %w", err)
	}
	if old {
		aside = strings.TrimRight(target, "/") + ".replaced-" + now.UTC().Format("20060102T150405Z")
		if err := os.Rename(target, aside); err != nil {
			return "", fmt.Errorf("put %s aside: %w", target, err)
		}
	} else if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("restore: %w", err)
	}
	if err := os.Rename(work, target); err != nil {
		if old {
			err = errors.Join(err, os.Rename(aside, target))
		}
		return "", fmt.Errorf("restore: %w", err)
	}
	return aside, realm.SyncFolder(filepath.Dir(target))
}
