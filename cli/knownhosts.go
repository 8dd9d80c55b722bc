package cli

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/sshkeys/hop"
)

// defaultPatience is how long a login waits for others to approve it: sshd hangs up after
// 120 seconds (LoginGraceTime).
const defaultPatience = 90 * time.Second

// sshConfig prints what has plain ssh do as "sallyport ssh" does for some hosts. ssh runs
// the KnownHostsCommand of ssh_config(5) before it looks for an agent, and tells it the host,
// port and account; and %C of the agent's socket is each connection's own.
func sshConfig(a *App, in *invocation) command.Action {
	role := in.String("role", "", "`word` that the realm's rules know")
	forward := in.String("forward", "", "what may be asked to be forwarded: `local,remote,x11`")
	return func(ctx context.Context) error {
		patterns := strings.Fields(in.Name(0))
		for _, p := range patterns {
			if strings.Trim(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-*?!") != "" {
				return command.Usage("%q is no pattern of hosts: see PATTERNS in ssh_config(5)", p)
			}
		}
		if len(patterns) == 0 {
			return command.Usage("which hosts? For example: sallyport ssh-config '*.example.org web1'")
		}
		var more string
		if *role != "" {
			if !plainWord(*role) {
				return command.Usage("--role %q: a role is letters, digits, \"-\" and \"_\"", *role)
			}
			more += " --role " + *role
		}
		if *forward != "" {
			if _, err := forwarded(*forward); err != nil {
				return err
			}
			more += " --forward " + *forward
		}
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("ssh-config: %w", err)
		}
		switch err := checkSSH(ctx, sshProgram); {
		case errors.Is(err, errNoVersion):
			fmt.Fprintf(a.Stderr, "sallyport: %v\n", err)
		case err != nil:
			return err
		}
		text := snippet(program, strings.Join(patterns, " "), more)
		return a.show(in, map[string]string{"ssh_config": text}, func(w io.Writer) { fmt.Fprint(w, text) })
	}
}

func snippet(program, patterns, more string) string {
	const socket = "/run/user/%i/sallyport-ssh/%C"
	return `# Of "sallyport ssh-config", for OpenSSH 8.9 or later. Put it at the top of ~/.ssh/config: what comes first counts.
Host ` + patterns + `
	KnownHostsCommand ` + program + ` known-hosts --agent ` + socket + more + ` %I %H %h %p %r
	IdentityAgent ` + socket + `
	IdentityFile none
	IdentitiesOnly no
	PubkeyAuthentication yes
	ForwardAgent no
	AddKeysToAgent no
	UserKnownHostsFile none
	GlobalKnownHostsFile none
	StrictHostKeyChecking yes
	VerifyHostKeyDNS no
	CheckHostIP no
	UpdateHostKeys no
`
}

func plainWord(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// forwarded reads "local,remote,x11".
func forwarded(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	words := strings.Split(list, ",")
	for _, w := range words {
		if w != "local" && w != "remote" && w != "x11" {
			return nil, command.Usage("--forward %q: local, remote and x11 can be forwarded", w)
		}
	}
	return words, nil
}

// knownHosts answers ssh with the host keys of a machine, and has an agent ready for the
// login that follows. Where there is no way in it says why and fails, and so does ssh.
func knownHosts(a *App, in *invocation) command.Action {
	reason := in.String("reason", os.Getenv("SALLYPORT_REASON"), "`text`: why, for those who may have to approve it")
	role := in.String("role", os.Getenv("SALLYPORT_ROLE"), "`word` that the realm's rules know")
	forward := in.String("forward", "", "what is to be forwarded: `local,remote,x11`")
	socket := in.String("agent", "", "`path` of the socket that ssh looks for an agent at")
	patience := in.Duration("wait", defaultPatience, "for how `long` it waits for those who must approve it")
	serve := in.Bool("serve", false, "be the agent; standard input says whose")
	byCard := in.byCard()
	return func(ctx context.Context) error {
		if *serve {
			return a.serveOnce(ctx)
		}
		words, err := forwarded(*forward)
		if err != nil {
			return err
		}
		if len(in.Names()) != 5 {
			return errNotBySSH
		}
		l := login{why: in.Name(0), name: in.Name(1), socket: *socket, patience: max(*patience, time.Nanosecond)}
		l.ask = report.AskArgs{ID: uuid.NewString(), Reason: *reason, Role: *role, Forward: words}
		port, err := strconv.ParseUint(in.Name(3), 10, 16)
		if err != nil || port == 0 || l.socket == "" || !identity.PlainHost(in.Name(2)) || strings.Trim(l.name, knownName) != "" {
			return errNotBySSH
		}
		l.ask.Hops = []report.Hop{{Host: in.Name(2), Port: uint16(port), Account: in.Name(4)}}
		keys, err := a.ready(ctx, in, l, &prover{ask: terminalAsker, byCard: *byCard})
		if err != nil {
			return err
		}
		for _, k := range keys {
			fmt.Fprintf(a.Stdout, "%s %s", l.name, ssh.MarshalAuthorizedKey(k))
		}
		return nil
	}
}

// errNotBySSH says that the words are not those that ssh would give.
var errNotBySSH = fmt.Errorf("%w: ssh runs this, as \"sallyport ssh-config\" says", command.ErrUsage)

// knownName is what a name in known_hosts may have: nothing by which it would be a pattern.
const knownName = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-[]"

// login is one that ssh makes.
type login struct {
	why, name string // ssh's %I and %H
	socket    string
	ask       report.AskArgs
	patience  time.Duration
}

// ready makes an agent for a login, unless there is one, and returns the host keys of the
// machine. ssh asks twice: before it connects for good, and with the host's key.
func (a *App) ready(ctx context.Context, in *invocation, l login, p *prover) ([]ssh.PublicKey, error) {
	if keys, err := hop.Expect(ctx, l.socket, l.why != "ORDER"); err == nil {
		return keys, nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	l.ask.PublicKey = key.Marshal()
	admissions, _, err := a.admitted(ctx, in, p, l.ask, l.patience)
	if err != nil {
		return nil, err
	}
	if len(admissions) != 1 || len(admissions[0].Keys) == 0 {
		return nil, fmt.Errorf("the realm knows no host key of %s yet: its daemon tells them within minutes of its start", l.ask.Hops[0].Host)
	}
	o := hop.Once{Socket: l.socket, Seed: private.Seed(), Certificate: admissions[0].Certificate.Marshal(), Account: l.ask.Hops[0].Account}
	for _, k := range admissions[0].Keys {
		o.HostKeys = append(o.HostKeys, k.Marshal())
	}
	if err := startOnce(ctx, o); err != nil {
		return nil, err
	}
	return hop.Expect(ctx, l.socket, l.why != "ORDER") //nolint:wrapcheck // it says what it was about
}

// startOnce runs the agent in the background and returns once it can be reached.
func startOnce(ctx context.Context, o hop.Once) error {
	ctx = context.WithoutCancel(ctx)
	if _, err := os.Stat(filepath.Dir(filepath.Dir(o.Socket))); err != nil {
		return fmt.Errorf("no place for an agent, which a login session has: %w; \"sallyport ssh\" needs none", err)
	}
	told, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	c := exec.CommandContext(ctx, "/proc/self/exe", "known-hosts", "--serve", "-")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Dir = "/"
	c.Stdin = strings.NewReader(string(told))
	out, err := c.StdoutPipe()
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	said, err := io.ReadAll(io.LimitReader(out, 4096))
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if len(said) > 0 {
		return errors.New(string(said))
	}
	return nil
}

// serveOnce is the agent. It closes standard output once it can be reached, and before that
// says what kept it from that.
func (a *App) serveOnce(ctx context.Context) error {
	var o hop.Once
	err := json.NewDecoder(io.LimitReader(a.Stdin, 1<<20)).Decode(&o)
	if err == nil {
		err = o.Listen(ctx, func() { _ = os.Stdout.Close() })
	}
	if err != nil && !errors.Is(err, hop.ErrServed) {
		fmt.Fprint(a.Stdout, err)
	}
	return err //nolint:wrapcheck // said above
}
