package cli

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/google/renameio/v2"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
)

// place is where the files of a machine go.
type place struct {
	config, ca, key string
	uid, gid        int
}

// placeAt is where they go for the configuration at path; it makes nothing.
func placeAt(path string) *place {
	if path == "" {
		path = config.DefaultPath
	}
	return &place{config: path, ca: filepath.Join(filepath.Dir(path), "server-ca.pem"), key: filepath.Join(config.Defaults().Paths.State, "machine.key")}
}

// preparePlace makes the folders and finds the daemon's user.
func preparePlace(path string) (*place, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("join: %w: it writes below /etc", report.ErrForbidden)
	}
	p := placeAt(path)
	u, err := user.Lookup("sallyport")
	if err != nil {
		return nil, fmt.Errorf("join: there is no user \"sallyport\" yet: run systemd-sysusers first: %w", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("join: user sallyport: %w", err)
	}
	p.uid, p.gid = uid, gid
	if err := os.MkdirAll(filepath.Dir(p.config), 0o755); err != nil { //nolint:gosec // /etc/sallyport is for everyone to read
		return nil, fmt.Errorf("join: %w", err)
	}
	state := filepath.Dir(p.key)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := os.Chown(state, uid, gid); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return p, nil
}

// member is what a configuration says about the realm that this machine is in.
type member struct {
	there  bool // a file is there
	broken error
	c      *config.Config
	realm  config.Provider
}

// membership reads the configuration at path, if there is one.
func membership(path string) member {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return member{}
	}
	c, err := config.Load(path)
	if err != nil {
		return member{there: true, broken: err}
	}
	m := member{there: true, c: c, realm: c.Providers[0]}
	if at := slices.IndexFunc(c.Providers, func(r config.Provider) bool { return r.Kind.Joined() }); at >= 0 {
		m.realm = c.Providers[at]
	}
	return m
}

// joined tells whether this machine has an entry at a Sallyport server.
func (m member) joined() bool { return m.c != nil && m.realm.Kind.Joined() }

// of tells whether this machine is in a realm at that server.
func (m member) of(server string) bool {
	return m.joined() && m.realm.URL.Has(server)
}

// String is for people.
func (m member) String() string {
	if m.broken != nil {
		return fmt.Sprintf("has a configuration that cannot be read (%v)", m.broken)
	}
	return fmt.Sprintf("is in realm %s of %s already", m.realm.Realm, m.realm.URL.String())
}

// write puts key, certificate and configuration in place, each whole or not at
// all, and the configuration last: it is what makes the machine joined.
//
// A machine that joins again, as after "sallyport-server machine rejoin", keeps its
// configuration: it gets a new key there, and what it trusts the server by. That of
// another machine is kept under another name, which it returns.
func (p *place) write(j sallyport.Joined, c config.Joined) (kept string, err error) { //nolint:nonamedreturns // says what it is
	if again := p.again(j); again != nil {
		return "", again.writeKeys(j.Key, j.RootPEM)
	}
	if kept, err = keepCopy(p.config); err != nil {
		return "", err
	}
	c.Machine, c.Realm, c.CA = j.MachineID, j.Realm, p.ca
	if j.IDs != (identity.IDRange{}) && j.IDs != identity.DefaultIDRange {
		c.IDs, c.IDsWhy = []identity.IDRange{j.IDs}, "What the realm allots user and group ids from; others are refused."
	}
	return kept, p.writeAll(j.Key, j.RootPEM, c)
}

// again is where the files of this very machine are, nil where it has no configuration
// yet or that of another.
func (p *place) again(j sallyport.Joined) *place {
	m := membership(p.config)
	if m.c == nil || m.c.Machine.ID != j.MachineID {
		return nil
	}
	for _, r := range m.c.Providers {
		if r.Kind.Joined() && r.Realm == j.Realm {
			return &place{config: p.config, key: m.c.Machine.Key, ca: r.CA, uid: p.uid, gid: p.gid}
		}
	}
	return nil
}

// freeName is a name beside path that nothing has yet.
func freeName(path string) (string, error) {
	for n := 1; n < 1000; n++ {
		name := path + ".old"
		if n > 1 {
			name += strconv.Itoa(n)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s.old and 998 more are there already: remove some", path)
}

// keepCopy copies a file to a name beside it, and returns that; "" where there is none.
func keepCopy(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("keep a copy: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("keep a copy: %w", err)
	}
	name, err := freeName(path)
	if err != nil {
		return "", err
	}
	return name, writeOwned(name, text, info.Mode().Perm(), 0, 0)
}

func (p *place) writeAll(key crypto.PrivateKey, root []byte, j config.Joined) error {
	if err := p.writeKeys(key, root); err != nil {
		return err
	}
	return writeOwned(p.config, j.Text(), 0o644, 0, 0)
}

func (p *place) writeKeys(key crypto.PrivateKey, root []byte) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write machine key: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(keyPEM)
	defer clear(der)
	for _, f := range []struct {
		path     string
		text     []byte
		mode     os.FileMode
		uid, gid int
	}{
		{p.key, keyPEM, 0o600, p.uid, p.gid},
		{p.ca, root, 0o644, 0, 0},
	} {
		if err := writeOwned(f.path, f.text, f.mode, f.uid, f.gid); err != nil {
			return err
		}
	}
	return nil
}

func writeOwned(path string, text []byte, mode os.FileMode, uid, gid int) error {
	f, err := renameio.NewPendingFile(path, renameio.WithStaticPermissions(mode))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer f.Cleanup() //nolint:errcheck // nothing to clean after the rename
	if err := f.Chown(uid, gid); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
