package cli

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
)

// joined is join for programs.
type joined struct {
	Machine string `json:"machine"`
	Realm   string `json:"realm"`
	Config  string `json:"config"`
}

// list collects a flag that may be given more than once.
type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// join makes the machine's key, trades the code for a place in the realm, and
// writes configuration, certificate and key. The code is spent by then, so
// everything that could go wrong here is tried before.
func join(ctx context.Context, a *App, in *invocation) error {
	var allow list
	server := in.flags.String("server", "", "`URL` of the realm's server: https://HOST:PORT")
	code := in.flags.String("code", "", "one-time `code` from \"sallyport-server machine add\"")
	fingerprint := in.flags.String("fingerprint", "", "`SHA256` of the realm's key and the server's, printed beside the code")
	in.flags.Var(&allow, "allow", "`uuid` of a group that may log in here; may be given more than once; default everybody")
	if _, err := in.parse(0); err != nil {
		return err
	}
	if *server == "" || *code == "" || *fingerprint == "" {
		return fmt.Errorf("%w: join takes --server, --code and --fingerprint, as \"sallyport-server machine add\" prints them", errUsage)
	}
	if err := config.CheckURL(*server); err != nil {
		return fmt.Errorf("%w: --server %w", errUsage, err)
	}
	if len(allow) == 0 {
		allow = list{"*"}
	}
	for _, g := range allow {
		if err := new(config.Allow).UnmarshalText([]byte(g)); err != nil {
			return fmt.Errorf("%w: --allow %w", errUsage, err)
		}
	}
	p, err := preparePlace(*in.config)
	if err != nil {
		return err
	}
	j, err := sallyport.Join(ctx, *server, *code, *fingerprint)
	if err != nil {
		return explainJoin(*server, err)
	}
	if err := p.write(j, *server, allow); err != nil {
		return fmt.Errorf("%w (the code is spent: get a new one with \"sallyport-server machine add\")", err)
	}
	changed := changeOver(ctx)
	out := joined{Machine: j.MachineID.String(), Realm: j.Realm, Config: p.config}
	return a.show(in, out, func(w io.Writer) {
		fmt.Fprintf(w, "This machine is %s in realm %s; its configuration is %s.\n", j.MachineName, j.Realm, p.config)
		fmt.Fprintln(w, changed)
		fmt.Fprintln(w, "then: sudo /usr/share/sallyport/configure-host enable, and sudo sallyport doctor")
	})
}

// explainJoin says what a person can do about an error.
func explainJoin(server string, err error) error {
	var doubt *provider.DoubtError
	switch {
	case errors.As(err, &doubt):
		return fmt.Errorf("%w: nothing was sent. %s", err, doubt.Mend)
	case errors.Is(err, provider.ErrUntrusted):
		return fmt.Errorf("%w; nothing was sent. Compare the fingerprint with the server's administrator: someone may be in between", err)
	case errors.Is(err, sallyport.ErrCode):
		return fmt.Errorf("%w; a code is good once and for an hour: get a new one with \"sallyport-server machine add\"", err)
	case errors.Is(err, provider.ErrOffline):
		return fmt.Errorf("%w: is %s right, and can it be reached from here? (%w)", identity.ErrUnavailable, server, err)
	default:
		return err
	}
}

// place is where the files go.
type place struct {
	config, ca, key string
	uid, gid        int
}

// preparePlace makes the folders and finds the daemon's user.
func preparePlace(path string) (*place, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("join: %w: it writes below /etc", report.ErrForbidden)
	}
	if path == "" {
		path = config.DefaultPath
	}
	state := config.Defaults().Paths.State
	p := &place{config: path, ca: filepath.Join(filepath.Dir(path), "server-ca.pem"), key: filepath.Join(state, "machine.key")}
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
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // /etc/sallyport is for everyone to read
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := os.Chown(state, uid, gid); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return p, nil
}

// write puts key, certificate and configuration in place, each whole or not at
// all, and the configuration last: it is what makes the machine joined.
//
// A machine that joins again, as after "sallyport-server machine rejoin", keeps its
// configuration: it gets a new key there, and what it trusts the server by.
func (p *place) write(j sallyport.Joined, server string, allow []string) error {
	if again := p.again(j); again != nil {
		return again.writeKeys(j.Key, j.RootPEM)
	}
	c := config.Joined{Machine: j.MachineID, URL: server, Realm: j.Realm, CA: p.ca, Allow: allow}
	if j.IDs != (identity.IDRange{}) && j.IDs != identity.DefaultIDRange {
		c.IDs, c.IDsWhy = []identity.IDRange{j.IDs}, "What the realm allots user and group ids from; others are refused."
	}
	return p.writeAll(j.Key, j.RootPEM, c)
}

// again is where the files of this very machine are, nil where it has no configuration
// yet or that of another.
func (p *place) again(j sallyport.Joined) *place {
	c, err := config.Load(p.config)
	if err != nil || c.Machine.ID != j.MachineID {
		return nil
	}
	for _, r := range c.Providers {
		if r.Kind.String() == config.Sallyport && r.Realm == j.Realm {
			return &place{config: p.config, key: c.Machine.Key, ca: r.CA, uid: p.uid, gid: p.gid}
		}
	}
	return nil
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
