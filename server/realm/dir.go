package realm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir is the folder that a realm lives in, mode 0700. All files in it are 0600.
type Dir string

// Database is the file that package store opens.
func (d Dir) Database() string { return filepath.Join(string(d), "sallyport.db") }
func (d Dir) settings() string { return filepath.Join(string(d), "server.json") }
func (d Dir) caCert() string   { return filepath.Join(string(d), "ca.crt") }
func (d Dir) sealKey() string  { return filepath.Join(string(d), "seal.key") }
func (d Dir) serverID() string { return filepath.Join(string(d), "server.id") }

// Settings are what init was told about the listener, kept in server.json.
type Settings struct {
	Listen string `json:"listen"`
	// Database is the address of the realm's database; "": a file in the folder.
	Database string `json:"database,omitempty"`
	// URL is where machines reach this server; "": they are not told.
	URL string `json:"url,omitempty"`
	// Names are added to the certificate that the realm's own CA makes.
	Names []string `json:"tls_names,omitempty"`
	// TLSCert and TLSKey are PEM files to serve instead.
	TLSCert string `json:"tls_cert,omitempty"`
	TLSKey  string `json:"tls_key,omitempty"`
	// Reserved are names that no account and no group may have, besides those of
	// identity.ReservedName.
	Reserved []string `json:"reserved_names,omitempty"`
	// CommonPasswords is a file of passwords that nobody may have, in place of the
	// built-in list. It may be relative to the folder.
	CommonPasswords string `json:"common_passwords,omitempty"`
	// ReadOnly: the database is a standby, and this server changes nothing.
	ReadOnly bool `json:"read_only,omitempty"`
	// MaxLag is how many seconds old what the standby knows may be; 0: DefaultMaxLag.
	MaxLag int64 `json:"max_lag,omitempty"`
}

// Encode is the text of server.json.
func (s Settings) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("write settings: %w", err)
	}
	return append(b, '\n'), nil
}

// within is a path of the settings: one that is not absolute lies in the folder.
func (d Dir) within(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(string(d), path)
}

// DatabaseOf is where the realm's database is, for store.Open.
func (d Dir) DatabaseOf(s Settings) string {
	if s.Database != "" {
		return s.Database
	}
	return d.Database()
}

// Load reads the settings, without which there is no realm.
func (d Dir) Load() (Settings, error) {
	var s Settings
	b, err := os.ReadFile(d.settings())
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			if d == DefaultDir {
				return s, fmt.Errorf("no realm in %s: make one with \"sallyport-server setup\", or say with --dir where there is one", d)
			}
			return s, fmt.Errorf("no realm in %s: make one with \"sallyport-server init --dir %s\"", d, d)
		}
		return s, fmt.Errorf("read settings: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read settings %s: %w", d.settings(), err)
	}
	return s, nil
}

// ErrBusy says that another process works on the folder.
var ErrBusy = errors.New("the folder is in use")

// Lock takes the folder for this process, until the file is closed.
func (d Dir) Lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(string(d), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", d, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", d, ErrBusy)
		}
		return nil, fmt.Errorf("lock %s: %w", d, err)
	}
	return f, nil
}

// WriteNew writes a file that must not exist yet, 0600, and syncs it.
func WriteNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// SyncFolder makes what was renamed into a folder stay.
func SyncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// BusyHint says what to do where another process works on the folder.
func BusyHint(err error, hint string) error {
	if errors.Is(err, ErrBusy) {
		return fmt.Errorf("%w: %s", err, hint)
	}
	return err
}
