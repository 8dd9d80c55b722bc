package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
)

// systemRoots is where Debian keeps the authorities that everybody trusts.
const systemRoots = "/etc/ssl/certs/ca-certificates.crt"

// migration is migrate for programs.
type migration struct {
	Moved  []moved `json:"moved"`
	Config string  `json:"config"`
	Text   string  `json:"text"`
	DryRun bool    `json:"dry_run"`
}

// migrateUnixd reads kanidm-unixd's files, asks its server for the uuids of the
// groups that they name, and writes a configuration and a machine key of ours. It
// changes nothing of kanidm-unixd's.
func migrateUnixd(a *App, in *invocation) command.Action {
	daemonFile := in.String("unixd", "/etc/kanidm/unixd", "kanidm-unixd's configuration `file`")
	clientFile := in.String("client", "/etc/kanidm/config", "kanidm's client configuration `file`")
	ca := in.String("ca", "", "PEM `file` of the authority that vouches for the server; default: ca_path of the client's, or the system's")
	realm := in.String("realm", "", "the realm's `name`; default: the domain of the server's groups, or its host")
	dry := in.Bool("dry-run", false, "say what would be written, and write nothing")
	return func(ctx context.Context) error {
		s, root, err := readMigration(*daemonFile, *clientFile, *ca)
		if err != nil {
			return err
		}
		var p *place
		if !*dry {
			if p, err = preparePlace(*in.config); err != nil {
				return err
			}
			if _, err := os.Stat(p.config); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is there already: move it away first, or see with --dry-run what would stand in it", p.config)
			}
			s.provider.CA = p.ca
		}
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return fmt.Errorf("make machine key: %w", err)
		}
		s.provider.Machine = uuid.New()
		s.provider.IDs = config.AnyID
		s.provider.IDsWhy = "Every id that kanidm-unixd took. Narrow it to the ids of your realm: an id that a local user may get is that user's."
		token, err := s.readToken()
		if err != nil {
			return err
		}
		defer token.Wipe()
		if err := s.lookGroupsUp(ctx, root, key, token, *realm); err != nil {
			return err
		}
		if !*dry && s.provider.Token != "" {
			s.provider.Token = filepath.Join(filepath.Dir(p.config), "kanidm.token")
		}
		out := migration{Moved: s.moved, Text: string(s.provider.Text()), DryRun: *dry}
		if !*dry {
			out.Config = p.config
			if err := p.writeToken(s.provider.Token, token); err != nil {
				return err
			}
			if err := p.writeAll(key, root, s.provider); err != nil {
				return err
			}
		}
		return a.show(in, out, func(w io.Writer) { printMigration(w, out) })
	}
}

func readMigration(daemonFile, clientFile, ca string) (*unixdSettings, []byte, error) {
	daemon, err := os.ReadFile(daemonFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read kanidm-unixd's configuration: %w", err)
	}
	client, err := os.ReadFile(clientFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read kanidm's client configuration: %w", err)
	}
	s, err := readUnixd(daemon, client)
	if err != nil {
		return nil, nil, err
	}
	if ca != "" {
		s.provider.CA = ca
	}
	if s.provider.CA == "" {
		s.provider.CA = systemRoots
	}
	root, err := os.ReadFile(s.provider.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority that vouches for the server: %w", err)
	}
	return s, root, nil
}

// readToken reads the service account's token, if there is one.
func (s *unixdSettings) readToken() (identity.Secret, error) {
	if s.provider.Token == "" {
		return identity.Secret{}, nil
	}
	text, err := os.ReadFile(s.provider.Token)
	if err != nil {
		return identity.Secret{}, fmt.Errorf("read the service account's token: %w", err)
	}
	return identity.NewSecret(bytes.TrimSpace(text)), nil
}

// writeToken gives the daemon a token of its own: kanidm-unixd's is another user's.
func (p *place) writeToken(path string, token identity.Secret) error {
	if path == "" {
		return nil
	}
	return writeOwned(path, token.Reveal(), 0o600, p.uid, p.gid)
}

// lookGroupsUp fills in who may log in and which local groups follow which of the
// realm's, by uuid.
func (s *unixdSettings) lookGroupsUp(ctx context.Context, root []byte, key ed25519.PrivateKey, token identity.Secret, realm string) error {
	j := &s.provider
	o := kanidm.Options{URL: j.URL, Realm: "migrate", RootPEM: root, MachineKey: key, MachineID: j.Machine, Memory: provider.Forgetful{}, Token: token, Dial: 5 * time.Second}
	server, err := kanidm.New(o)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer server.Close() //nolint:errcheck // nothing is under way
	qualified := j.UserName == config.SPN || j.GroupName == config.SPN
	find := func(name string) (uuid.UUID, error) {
		g, domain, err := server.Group(ctx, name)
		switch {
		case errors.Is(err, provider.ErrNotFound):
			return uuid.Nil, fmt.Errorf("the server has no POSIX group %q: take it out of the file, or make it one there (%w)", name, err)
		case err != nil:
			return uuid.Nil, fmt.Errorf("%w: %w", errServer, err)
		}
		if realm == "" {
			realm = domain
		}
		if qualified && realm != domain {
			return uuid.Nil, fmt.Errorf("the server's domain is %q: names that end in it (uid_attr_map or gid_attr_map = \"spn\") need --realm %[1]s", domain)
		}
		return g.UUID, nil
	}
	for _, name := range s.groups {
		id, err := find(name)
		if err != nil {
			return err
		}
		if !slices.Contains(j.Allow, id.String()) {
			j.Allow = append(j.Allow, id.String())
		}
	}
	for _, m := range s.local {
		id, err := find(m.With)
		if err != nil {
			return err
		}
		if j.Local == nil {
			j.Local = make(map[string]uuid.UUID)
		}
		j.Local[m.Local] = id
	}
	if realm == "" && qualified {
		return errors.New("the server's domain is not known, because the file names no group, and names end in it: say it with --realm")
	}
	if j.Realm = realm; j.Realm == "" {
		j.Realm, _, _ = strings.Cut(strings.TrimPrefix(j.URL, "https://"), ":")
	}
	if _, err := config.Parse("what would be written", j.Text()); err != nil {
		return fmt.Errorf("kanidm-unixd's settings come to none of ours: %w", err)
	}
	return nil
}

func printMigration(w io.Writer, m migration) {
	for _, k := range m.Moved {
		ours := k.Ours
		if ours == "" {
			ours = "-"
		}
		fmt.Fprintf(w, "%-30s %-34s %s\n", k.Key+" = "+spoken(k.Value), ours, k.Why)
	}
	if m.DryRun {
		fmt.Fprintf(w, "\nThis would be written:\n\n%s", m.Text)
		return
	}
	fmt.Fprintf(w, "\n%s is written; look through it.\n", m.Config)
	fmt.Fprintln(w, "Next: sudo systemctl disable --now kanidm-unixd kanidm-unixd-tasks")
	fmt.Fprintln(w, "then: take \"kanidm\" out of /etc/nsswitch.conf, pam_kanidm out of /etc/pam.d,")
	fmt.Fprintln(w, "      and kanidm_ssh_authorizedkeys out of /etc/ssh/sshd_config")
	fmt.Fprintln(w, "then: sudo sallyport join   (starts the daemon, sets the host up, and ends with doctor)")
	fmt.Fprintln(w, "Everybody must sign in once while the server can be reached before they can without it.")
}
