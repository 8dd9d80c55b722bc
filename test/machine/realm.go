package machine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The realm that a test machine joins.
const (
	RealmName = "example"
	ServerDir = "/srv/sallyport"
	ServerURL = "https://127.0.0.1:" + serverPort

	serverPort = "8443"
)

// Realm is a machine with server, daemon and sshd of its own.
type Realm struct {
	*Machine
	Server, Daemon, SSHD *Process
	Fingerprint          string
	// Name and Port are of its server; a realm that does not say has RealmName, and ServerURL.
	Name, Port string
}

func (r *Realm) name() string { return cmp.Or(r.Name, RealmName) }

// address is where the server listens; each machine of a test has the same loopback.
func (r *Realm) address() string { return "127.0.0.1:" + cmp.Or(r.Port, serverPort) }

// URL is the server's.
func (r *Realm) URL() string { return "https://" + r.address() }

// RepoRoot is the folder of go.mod, found upwards from the current one.
func RepoRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == "/" {
			return "", errors.New("no go.mod above the current folder")
		}
		dir = filepath.Dir(dir)
	}
	return "", fmt.Errorf("repository root: %w", err)
}

// Install puts the built project on the machine as "make install" does, makes its
// users and joins it to nsswitch, PAM and sshd.
func (m *Machine) Install(ctx context.Context) error {
	root, err := RepoRoot()
	if err != nil {
		return err
	}
	return m.InstallFrom(ctx, root)
}

// InstallFrom is Install of the project in that folder, which may be of another release.
func (m *Machine) InstallFrom(ctx context.Context, root string) error {
	if err := m.Unpack(ctx, root); err != nil {
		return err
	}
	_, err := m.Run(ctx, "/usr/share/sallyport/configure-host", "enable")
	return err
}

// Unpack puts the project of that folder on the machine and makes its users, and leaves
// the host's own files as they are.
func (m *Machine) Unpack(ctx context.Context, root string) error {
	c := exec.CommandContext(ctx, "make", "-s", "-C", root, "install", "DESTDIR="+m.Root)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("make install: %w\n%s", err, out)
	}
	_, err := m.Script(ctx, `
		rm -f /etc/nologin /run/nologin
		for f in /usr/lib/sysusers.d/sallyport*.conf; do systemd-sysusers "$f"; done
		systemd-tmpfiles --create /usr/lib/tmpfiles.d/sallyport.conf
		ssh-keygen -A`)
	return err
}

// Replace puts programs of the project in that folder in the place of those that are
// installed, as an upgrade or a downgrade does, and changes nothing else.
func (m *Machine) Replace(root string, programs ...string) error {
	for _, p := range programs {
		for _, at := range []string{"/usr/sbin/" + p, "/usr/bin/" + p} {
			if _, err := os.Stat(m.Path(at)); err != nil {
				continue
			}
			if err := os.Remove(m.Path(at)); err != nil { // it may be running
				return fmt.Errorf("replace %s: %w", p, err)
			}
			if err := m.CopyIn(filepath.Join(root, "build", p), at, 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// StartServer makes the realm and runs its server.
func (r *Realm) StartServer(ctx context.Context) error {
	if _, err := os.Stat(r.Path(ServerDir)); err != nil {
		if _, err := r.Run(ctx, "/usr/sbin/sallyport-server", "init", "--dir", ServerDir, "--realm", r.name(), "--listen", r.address()); err != nil {
			return err
		}
	}
	p, err := r.Start(ctx, "/usr/sbin/sallyport-server", "serve", "--dir", ServerDir)
	if err != nil {
		return err
	}
	r.Server = p
	return ready(ctx, p, "ready on")
}

// Admin runs an administrator's command on the server; secret goes to its
// standard input.
func (r *Realm) Admin(ctx context.Context, secret string, words ...string) (string, error) {
	if secret != "" {
		secret += "\n"
	}
	return r.RunInput(ctx, secret, "/usr/sbin/sallyport-server", append(words, "--dir", ServerDir)...)
}

// Join joins the machine to the realm.
func (r *Realm) Join(ctx context.Context) error {
	out, err := r.Admin(ctx, "", "machine", "add", "laptop", "--json")
	if err != nil {
		return err
	}
	code, fingerprint, err := joinCode(out)
	if err != nil {
		return err
	}
	r.Fingerprint = fingerprint
	_, err = r.Run(ctx, "/usr/bin/sallyport", r.JoinWords(ctx, code, fingerprint)...)
	return err
}

// JoinWords is how the installed program joins and leaves the host as it is. Earlier
// releases did that without being told.
func (r *Realm) JoinWords(ctx context.Context, code, fingerprint string) []string {
	words := []string{"join", "--server", r.URL(), "--code", code, "--fingerprint", fingerprint}
	if out, _ := r.Run(ctx, "/usr/bin/sallyport", "join", "--help"); strings.Contains(out, "-no-host") {
		words = append(words, "--yes", "--no-host")
	}
	return words
}

// AsDaemon is how the daemon runs without systemd: as its own user, with no
// capability left to gain.
func AsDaemon(words ...string) []string {
	return append([]string{
		"--reuid=sallyport", "--regid=sallyport", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
	}, words...)
}

// StartDaemon runs sallyportd and waits until it is online.
func (r *Realm) StartDaemon(ctx context.Context) error {
	if _, err := r.Script(ctx, `install -d -o sallyport -g sallyport /run/sallyport; install -d -o sallyport -g sallyport -m 0700 /run/sallyport/root`); err != nil {
		return err
	}
	p, err := r.Start(ctx, "/usr/bin/setpriv", AsDaemon("/usr/sbin/sallyportd", "--config", "/etc/sallyport/sallyportd.toml")...)
	if err != nil {
		return err
	}
	r.Daemon = p
	return ready(ctx, p, "sallyportd serves")
}

// StartSSHD runs the host's sshd on port 22 of the machine's own loopback.
func (r *Realm) StartSSHD(ctx context.Context) error {
	p, err := r.Start(ctx, "/usr/sbin/sshd", "-D", "-e", "-o", "ListenAddress=127.0.0.1")
	if err != nil {
		return err
	}
	r.SSHD = p
	return ready(ctx, p, "Server listening on")
}

// WaitOnline waits until the daemon has every account and says "online".
func (r *Realm) WaitOnline(ctx context.Context) error { return r.waitStatus(ctx, `"state": "online"`) }

// WaitOffline waits until the daemon has noticed that the server is gone.
func (r *Realm) WaitOffline(ctx context.Context) error {
	return r.waitStatus(ctx, `"state": "offline"`)
}

func (r *Realm) waitStatus(ctx context.Context, want string) error {
	return r.Eventually(ctx, func() error {
		// status also ends with 1 where somebody cannot log in, as without a server.
		out, err := r.Run(ctx, "/usr/bin/sallyport", "status", "--json")
		if err != nil && !strings.Contains(out, `"state"`) {
			return err
		}
		if !strings.Contains(out, want) {
			return fmt.Errorf("status lacks %s:\n%s", want, out)
		}
		return nil
	})
}

// Eventually asks again until there is no error or the person loses patience.
func (m *Machine) Eventually(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func ready(ctx context.Context, p *Process, text string) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	return p.Output.Wait(ctx, text)
}

// joinCode reads what "machine add --json" printed.
func joinCode(out string) (code, fingerprint string, err error) {
	var v struct {
		Code        string `json:"code"`
		Fingerprint string `json:"fingerprint"`
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		return "", "", fmt.Errorf("machine add: %w", err)
	}
	if v.Code == "" || v.Fingerprint == "" {
		return "", "", fmt.Errorf("machine add printed no code: %s", out)
	}
	return v.Code, v.Fingerprint, nil
}

// AddPerson makes an account with a password, a key and a group on the server.
func (r *Realm) AddPerson(ctx context.Context, name, password, keyFile, group string) error {
	key, err := os.ReadFile(r.Path(keyFile))
	if err != nil {
		return fmt.Errorf("add person: %w", err)
	}
	for _, c := range []struct {
		input string
		words []string
	}{
		{"", []string{"account", "add", name, "--full-name", "Ada Lovelace"}},
		{password, []string{"account", "set-password", name}},
		{strings.TrimSpace(string(key)), []string{"account", "add-key", name, "--tag", "laptop"}},
		{"", []string{"group", "add", group}},
		{"", []string{"group", "add-member", group, name}},
	} {
		if _, err := r.Admin(ctx, c.input, c.words...); err != nil {
			return err
		}
	}
	return nil
}
