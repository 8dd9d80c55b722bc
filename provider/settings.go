package provider

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/keyfile"
)

// Settings are what every kind of source is opened with. Files are named by their paths.
type Settings struct {
	// URL is the server's address, and Proxy that of the HTTP proxy before it; "": none.
	URL, Proxy string
	// Others are further servers of the realm, for a kind that knows several.
	Others []string
	Realm  string
	// CA is the file of what vouches for the server, and MachineKey that of this
	// machine's key.
	CA, MachineKey string
	MachineID      uuid.UUID
	// Version is this machine's release, for the server's list of machines.
	Version string
	// Timeout is for connecting.
	Timeout time.Duration
	Memory  Memory
	// Log is told of servers that come and go; nil: nobody is.
	Log *slog.Logger
	// Closed says why the realm must not be opened, whatever its files say; nil: it may be.
	Closed error
}

// Files are what is in the files of Settings.
type Files struct {
	CA  []byte
	Key crypto.Signer
}

// Files reads them. Its errors name the file and say what it is for.
func (s Settings) Files() (f Files, err error) {
	if s.Closed != nil {
		return Files{}, s.Closed
	}
	if f.CA, err = os.ReadFile(s.CA); err != nil {
		return Files{}, fmt.Errorf("read what vouches for the server: %w", plain(err))
	}
	if f.Key, err = keyfile.Read(s.MachineKey); err != nil {
		return Files{}, fmt.Errorf("read the machine's key: %w", plain(err))
	}
	return f, nil
}

// Token reads the file of a secret on one line.
func Token(path string) (identity.Secret, error) {
	text, err := keyfile.ReadSecret(path)
	if err != nil {
		return identity.Secret{}, plain(err)
	}
	return identity.NewSecret(bytes.TrimSpace(text)), nil
}

// plain names the file, and not the system call that did not work on it.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}
