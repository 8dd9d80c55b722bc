package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/doctor"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/report"
)

// onlinePatience is how long join waits for the daemon to reach its server.
const onlinePatience = 15 * time.Second

// joined is join for programs.
type joined struct {
	Machine string `json:"machine"`
	Realm   string `json:"realm"`
	Config  string `json:"config"`
	// Kept is a copy of the configuration that was there before.
	Kept string `json:"kept,omitempty"`
	// Host: nsswitch, PAM, sshd and the units are set up.
	Host     bool             `json:"host"`
	Findings []report.Finding `json:"findings,omitempty"`
}

// list collects a flag that may be given more than once.
type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// joining is one run of join.
type joining struct {
	a                 *App
	in                *invocation
	changing          changing
	servers           list
	code, fingerprint *string
	name, proxyURL    *string
	proxy             config.Proxy
	allow             list
	noHost            *bool
	was               member
	place             *place
	wrote             bool // a configuration or a key that a running daemon does not know
}

// join makes the machine's key, trades the code for a place in the realm, writes
// configuration, certificate and key, and sets the host up. What can go wrong on this
// machine is tried before the code is spent. Each step leaves local accounts alone, and
// may be done again: without a code, join goes on where it stopped.
func join(a *App, in *invocation) command.Action {
	j := &joining{a: a, in: in}
	in.Var(&j.servers, "server", "`URL` of the realm's server: https://HOST:PORT; of a realm with several, give it for each, the preferred one first")
	j.code = in.String("code", "", "one-time `code` from \"sallyport-server machine add\"")
	j.fingerprint = in.String("fingerprint", "", "`SHA256` of the realm's key and the server's, printed beside the code")
	j.name = in.String("name", "", "what this machine is called in the realm, for a code that many join with: `NAME`; default its host name")
	j.proxyURL = in.String("proxy", "", "`URL` of an HTTP proxy to reach the server by: http://HOST:PORT")
	in.Var(&j.allow, "allow", "`uuid` of a group that may log in here; may be given more than once; default everybody")
	j.noHost = in.Bool("no-host", false, "leave nsswitch.conf, PAM, sshd and the units as they are")
	j.changing = changingFlags(in)
	return func(ctx context.Context) error {
		j.place = placeAt(*in.config)
		j.was = membership(j.place.config)
		if err := j.check(); err != nil {
			return err
		}
		if err := j.changing.ready(a, "join"); err != nil {
			return err
		}
		plan, diff, err := j.plan(ctx)
		if err != nil {
			return fmt.Errorf("%w\nNothing was changed, and the code is still good. --no-host joins without touching these files", err)
		}
		if do, err := j.changing.agreed(a, in, plan, diff); !do {
			return err
		}
		return j.do(ctx)
	}
}

// finishing: this machine is in a realm, and only the host is set up.
func (j *joining) finishing() bool {
	return len(j.servers) == 0 && *j.code == "" && *j.fingerprint == "" && j.was.c != nil
}

func (j *joining) check() error {
	if j.finishing() {
		return nil
	}
	if len(j.servers) == 0 || *j.code == "" || *j.fingerprint == "" {
		return command.Usage("join takes --server, --code and --fingerprint, as \"sallyport-server machine add\" prints them")
	}
	if err := j.checkServers(); err != nil {
		return err
	}
	if *j.proxyURL != "" {
		if err := j.proxy.UnmarshalText([]byte(*j.proxyURL)); err != nil {
			return command.Usage("--proxy %w", err)
		}
	}
	if len(j.allow) == 0 {
		j.allow = list{"*"}
	}
	for _, g := range j.allow {
		if err := new(config.Allow).UnmarshalText([]byte(g)); err != nil {
			return command.Usage("--allow %w", err)
		}
	}
	return nil
}

func (j *joining) checkServers() error {
	if len(j.servers) > identity.MaxServers {
		return command.Usage("--server: %d servers, at most %d", len(j.servers), identity.MaxServers)
	}
	var known config.URLs
	for _, s := range j.servers {
		var u config.URL
		if err := u.UnmarshalText([]byte(s)); err != nil {
			return command.Usage("--server %w", err)
		}
		if known.Has(s) {
			return command.Usage("--server %s is given twice", s)
		}
		known = append(known, u)
	}
	return nil
}

// plan says what will change, and each line of it.
func (j *joining) plan(ctx context.Context) (plan, diff string, err error) { //nolint:nonamedreturns // says which is which
	var b strings.Builder
	if j.was.there && !j.finishing() {
		fmt.Fprintf(&b, "This machine %s.\nIf the code is for another machine, %s is written anew,\nand the old one is kept beside it, with .old at the end of its name.\n", j.was, j.place.config)
	}
	var files []string
	if !j.finishing() {
		files = []string{j.place.key, j.place.ca, j.place.config}
	}
	var h hostFiles
	if !*j.noHost {
		if h, err = j.a.configureHost(ctx, "enable", "--dry-run"); err != nil {
			return "", "", err
		}
	}
	if *j.noHost {
		b.WriteString(indented("join writes:", files))
		return b.String(), "", nil
	}
	all := slices.Concat(files, h.list)
	all = append(all, strings.Join(units(), ", ")+": enabled and started", "sshd: reloaded, if it runs")
	b.WriteString(indented("join changes on this machine:", all))
	b.WriteString(indented("Note:", h.said))
	b.WriteString("Local accounts log in as before. \"sallyport join --dry-run\" shows each line, \"sallyport leave\" takes all of it out again.\n")
	return b.String(), h.diff, nil
}

// do joins and sets the host up.
func (j *joining) do(ctx context.Context) error {
	var out joined
	var told []string
	if j.finishing() {
		out = joined{Machine: j.was.c.Machine.ID.String(), Realm: j.was.realm.Realm, Config: j.place.config}
		told = append(told, fmt.Sprintf("This machine %s.", j.was))
	} else {
		var err error
		if out, told, err = j.enter(ctx); err != nil {
			return err
		}
	}
	if j.wrote {
		told = append(told, changeOver(ctx, *j.noHost))
	}
	if *j.noHost {
		told = append(told, "The host's own files are as they were. \"sudo sallyport join\" sets them up.")
		return j.a.show(j.in, out, func(w io.Writer) { printLines(w, told) })
	}
	more, err := j.setUp(ctx)
	if err != nil {
		return fmt.Errorf("%w\nThis machine has joined, and local accounts log in as before. \"sudo sallyport join\" goes on from here", err)
	}
	told = append(told, more...)
	j.waitOnline(ctx)
	out.Host = true
	out.Findings = (&doctor.Host{ConfigPath: *j.in.config, Now: j.a.Now}).Examine(ctx)
	worst := doctor.Worst(out.Findings)
	err = j.a.show(j.in, out, func(w io.Writer) {
		printLines(w, told)
		printFindings(w, troubles(out.Findings))
		if worst == report.Problem {
			fmt.Fprintln(w, "This machine has joined, and doctor finds what keeps people out: see above. \"sudo sallyport doctor\" looks again.")
			return
		}
		fmt.Fprintf(w, "Doctor finds nothing that keeps people of %s out. They can log in now; \"sallyport auth-test NAME\" tries it.\n", out.Realm)
	})
	if err == nil && worst == report.Problem {
		return errSaid
	}
	return err
}

// enter spends the code.
func (j *joining) enter(ctx context.Context) (joined, []string, error) {
	p, err := preparePlace(*j.in.config)
	if err != nil {
		return joined{}, nil, err
	}
	got, err := sallyport.Join(ctx, j.to(), *j.code, *j.fingerprint)
	if errors.Is(err, sallyport.ErrCode) && slices.ContainsFunc(j.servers, j.was.of) {
		return joined{Machine: j.was.c.Machine.ID.String(), Realm: j.was.realm.Realm, Config: p.config},
			[]string{fmt.Sprintf("The code is spent or expired, and this machine %s: its place there stays as it is.", j.was)}, nil
	}
	if err != nil {
		return joined{}, nil, explainJoin(strings.Join(j.servers, ", "), err)
	}
	kept, err := p.write(got, config.Joined{URL: j.servers[0], Others: j.servers[1:], Proxy: j.proxy.String(), Allow: j.allow})
	if err != nil {
		return joined{}, nil, fmt.Errorf("%w (the code is spent: get a new one with \"sallyport-server machine add\")", err)
	}
	j.wrote = true
	out := joined{Machine: got.MachineID.String(), Realm: got.Realm, Config: p.config, Kept: kept}
	told := []string{fmt.Sprintf("This machine is %s in realm %s; its configuration is %s.", got.MachineName, got.Realm, p.config)}
	if kept != "" {
		told = append(told, fmt.Sprintf("What was there before is kept as %s: take over from it what is yours.", kept))
		told = append(told, j.was.leftBehind()...)
	}
	return out, told, nil
}

// to are the servers to join at: the first that answers.
func (j *joining) to() sallyport.Server {
	return sallyport.Server{URL: j.servers[0], Others: j.servers[1:], Proxy: j.proxy.String(), Machine: j.machineName()}
}

// machineName is what a code of many machines has this one be called.
func (j *joining) machineName() string {
	if *j.name != "" {
		return *j.name
	}
	host, err := os.Hostname()
	if err != nil {
		return "" // a code of one machine needs none
	}
	short, _, _ := strings.Cut(strings.ToLower(host), ".")
	return short
}

// leftBehind says what a server still has of this machine.
func (m member) leftBehind() []string {
	if !m.joined() {
		return nil
	}
	return []string{
		fmt.Sprintf("The server %s still has an entry of this machine, %s. To remove it, type there:", m.realm.URL.String(), m.c.Machine.ID),
		"    sallyport-server machine list            (it shows the name)",
		"    sallyport-server machine remove NAME",
	}
}

// setUp does what is left to do on the host: the daemon first, and only then what asks it.
func (j *joining) setUp(ctx context.Context) ([]string, error) {
	words := []string{"enable"}
	if systemdRuns() {
		words = append(words, "--now")
	}
	if err := systemctl(ctx, append(words, units()...)...); err != nil {
		return nil, err
	}
	h, err := j.a.configureHost(ctx, "enable")
	if err != nil {
		return nil, err
	}
	told := append([]string{"nsswitch.conf, PAM, sshd and the units are set up."}, h.said...)
	if !systemdRuns() {
		told = append(told, "systemd does not run here: start sallyportd yourself.")
	}
	return append(told, reloadSSH(ctx)), nil
}

// waitOnline gives the daemon time for its first contact; doctor says what became of it.
func (j *joining) waitOnline(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, onlinePatience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := control.One[report.Status](ctx, j.in.daemon(), report.VerbStatus, nil)
		if err == nil && !slices.ContainsFunc(s.Providers, func(p report.Provider) bool { return p.State != "online" }) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// troubles are the findings that ask for something.
func troubles(all []report.Finding) []report.Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f report.Finding) bool { return f.Severity == report.OK || f.Severity == report.Note })
}

func printLines(w io.Writer, lines []string) {
	for _, l := range lines {
		if l != "" {
			fmt.Fprintln(w, l)
		}
	}
}

// errServer says that the server, and not the daemon, does not answer.
var errServer = errors.New("nobody answers as a server")

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
	case errors.Is(err, sallyport.ErrCodeSent):
		return fmt.Errorf("%w. Type the same again; if the code is spent by now, \"sallyport-server machine rejoin NAME\" on the server gives another", err)
	case errors.Is(err, provider.ErrOffline):
		var why *connect.Error
		cause := err.Error()
		if errors.As(err, &why) {
			cause = why.Message()
		}
		return fmt.Errorf("%w at %s: %s. Look whether the address is right, the server runs and nothing on the way keeps you from it. The code is still good", errServer, server, cause)
	default:
		return err
	}
}
