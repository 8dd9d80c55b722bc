package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// manifest is the first file of a backup: what it is of.
type manifest struct {
	Format int       `json:"format"`
	Realm  string    `json:"realm"`
	Made   time.Time `json:"made"`
}

const (
	backupFormat = 1
	manifestName = "manifest.json"
	databaseName = "sallyport.db"
	// maxBackupFile bounds each file but the database: they are keys and settings.
	maxBackupFile = 16 << 20
)

// Make writes the realm in that folder to a file that must not exist: a tar of the
// database at one moment, all keys and the settings, 0600, whole or not at all. Servers
// may be serving the realm meanwhile. What is in PostgreSQL is written as a file of SQLite,
// and the settings say so: what is restored is a realm in a file, whatever it was. What the settings name elsewhere, such as a
// certificate of --tls-cert, is not in it.
func Make(ctx context.Context, folder, file string, now time.Time) error {
	d := realm.Dir(folder)
	set, err := d.Load()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s exists already: give the backup another name", file)
	}
	work, err := os.MkdirTemp(filepath.Dir(file), ".sallyport-backup-*")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	copied := filepath.Join(work, databaseName)
	if err := store.Copy(ctx, d.DatabaseOf(set), copied); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	name, err := ofCopy(ctx, copied)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	files, err := filesOf(d, set)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	m := manifest{Format: backupFormat, Realm: name, Made: now.UTC()}
	tarred := filepath.Join(work, "backup.tar")
	if err := writeBackup(tarred, m, copied, files); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := os.Rename(tarred, file); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return realm.SyncFolder(filepath.Dir(file))
}

// ofCopy reads of which realm a database is.
func ofCopy(ctx context.Context, path string) (string, error) {
	s, err := store.Open(ctx, path)
	if err != nil {
		return "", err
	}
	var r store.Realm
	err = s.Read(ctx, func(tx *store.Tx) error {
		r, err = tx.Realm()
		return err
	})
	return r.Name, errors.Join(err, s.Close())
}

// kept is one file of a backup.
type kept struct {
	name string // below the folder, with slashes
	data []byte
}

// filesOf reads everything in the folder but the database.
func filesOf(d realm.Dir, set realm.Settings) ([]kept, error) {
	var list []kept
	err := filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(string(d), path)
		// The seal key may lie elsewhere, as a credential of systemd's.
		linked := name == "seal.key" && e.Type()&fs.ModeSymlink != 0
		if err != nil || !e.Type().IsRegular() && !linked || name == "lock" || strings.HasPrefix(name, databaseName) {
			return err
		}
		data, err := readBounded(path)
		if name == "server.json" && err == nil && set.Database != "" {
			inFile := set
			inFile.Database = ""
			data, err = inFile.Encode()
		}
		if err != nil {
			return err
		}
		list = append(list, kept{filepath.ToSlash(name), data})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", d, err)
	}
	return list, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxBackupFile+1))
	if err == nil && len(b) > maxBackupFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxBackupFile)
	}
	return b, err
}

func writeBackup(path string, m manifest, database string, files []kept) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	t := tar.NewWriter(out)
	head, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	for _, k := range slices.Concat([]kept{{manifestName, head}}, files) {
		if err := addFile(t, k.name, int64(len(k.data)), m.Made, bytes.NewReader(k.data)); err != nil {
			return err
		}
	}
	db, err := os.Open(database)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	defer func() { _ = db.Close() }()
	info, err := db.Stat()
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := addFile(t, databaseName, info.Size(), m.Made, db); err != nil {
		return err
	}
	return errors.Join(t.Close(), out.Sync())
}

func addFile(t *tar.Writer, name string, size int64, made time.Time, from io.Reader) error {
	err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: made})
	if err == nil {
		_, err = io.Copy(t, from)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
