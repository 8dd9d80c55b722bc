// Package cli is the command sallyport: it asks the daemon and the host, and
// shows the answer to a person, or with --json to a program.
//
// Every command prints its answer on standard output and its troubles on
// standard error, and ends with one of the exit codes of package command,
// which are an interface (sallyport(1)). It decides nothing: rights are the daemon's to check.
//
// join and leave move a machine between three states. Each step may be done again, and
// a machine that stopped between two states lets its local accounts in.
//
//	state   what there is                              join                     leave
//	bare    nothing                                    asks, joins, sets up     nothing to give back
//	joined  sallyportd.toml, two keys                  without a code: sets up  removes keys and memory
//	set up  that, units, nsswitch, PAM, sshd, marker   changes nothing          gives back, removes
//
// The host's own files are changed by packaging/configure-host alone, which the package
// runs as well.
//
// How it speaks: one line that says what is so, then why, then what to do. No
// colour, no cursor tricks, nothing that a log could not keep. Secrets are read
// from a prompt or from standard input, never from an argument.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/doctor"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// App is one run of the command. Every field but Share must be set.
type App struct {
	Stdin          *os.File
	Stdout, Stderr io.Writer
	Version        string
	Now            func() time.Time
	// Share is where configure-host is; "" is /usr/share/sallyport.
	Share string
}

// verb is one command: the words after "sallyport".
type verb struct {
	name, args, help string
	run              func(ctx context.Context, a *App, in *invocation) error
}

// invocation is what was typed after the command.
type invocation struct {
	flags  *flag.FlagSet
	json   *bool
	config *string
	socket *string
	args   []string
	help   io.Writer // where -h prints
}

func commands() []verb {
	return []verb{
		{"status", "", "show the state of this machine and its daemon", status},
		{"doctor", "", "examine this host and say what to repair", examine},
		{"explain", "NAME [--service S]", "why this person may or may not log in here", explain},
		{"cache list", "", "accounts that this machine remembers", cacheList},
		{"cache forget", "NAME", "forget one account: its token and verifiers", cacheForget},
		{"cache clear", "", "forget every account", cacheClear},
		{"cache refresh", "[NAME]", "fetch one account anew, or all that is remembered", cacheRefresh},
		{"unlock", "NAME", "lift the lock that failures left", unlock},
		{"enrol totp", "", "get a one-time code generator for your own account", enrolTOTP},
		{"enrol piv", "[--generate] …", "make a smartcard yours", enrolPIV},
		{"enrol backup-codes", "", "get codes for the day your generator is lost", enrolBackupCodes},
		{"enrol", "--remove totp|piv|backup-codes [--card SHA256]", "give up what was enrolled", enrolRemove},
		{"card", "", "what is in the card readers, and what of it is yours", cards},
		{"whoami", "", "what this session has proved, and until when", whoami},
		{"subids", "[NAME]", "which subordinate ids an account has, for rootless containers", subIDs},
		{"drop", "[--session] [--user NAME]", "forget what was proved: the next sudo asks", drop},
		{"auth-test", "NAME [--service S]", "sign in through PAM, without opening a session", authTest},
		{"join", "--server URL --code CODE --fingerprint SHA256", "join this machine to a realm, and set the host up", join},
		{"leave", "", "take out what join put in", leave},
		{"trust", "--fingerprint SHA256", "trust the realm key with this fingerprint", trust},
		{"migrate kanidm-unixd", "[--dry-run]", "take over kanidm-unixd's configuration", migrateUnixd},
		{"version", "", "print the version", version},
	}
}

// errSaid ends a command whose answer has been printed already and is no.
var errSaid = errors.New("the answer is no")

// errUsage says that the words were wrong; its text says how.
var errUsage = errors.New("wrong usage")

// Run runs the command and returns its exit code.
func (a *App) Run(ctx context.Context, args []string) int {
	err := a.dispatch(ctx, args)
	switch {
	case err == nil:
		return command.ExitOK
	case errors.Is(err, flag.ErrHelp):
		return command.ExitOK
	case errors.Is(err, errSaid):
		return command.ExitNo
	}
	fmt.Fprintf(a.Stderr, "sallyport: %v\n", err)
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintf(a.Stderr, "usage: sallyport %s\nSee \"sallyport --help\" and sallyport(1).\n", usageOf(args))
		return command.ExitUsage
	case errors.Is(err, identity.ErrNotFound):
		return command.ExitNotFound
	case errors.Is(err, report.ErrForbidden):
		fmt.Fprintln(a.Stderr, "Run it with sudo, or ask about your own name.")
		return command.ExitForbidden
	case errors.Is(err, errServer):
		return command.ExitUnavailable
	case errors.Is(err, identity.ErrUnavailable):
		a.why(ctx, err)
		return command.ExitUnavailable
	default:
		return command.ExitFailed
	}
}

// usageOf is one line: the command's own, where there is one.
func usageOf(args []string) string {
	for _, c := range commands() {
		if _, found := match(c.name, args); found {
			return strings.TrimSpace(c.name + " " + c.args)
		}
	}
	return "COMMAND [--json]"
}

// why says on standard error what keeps the daemon from answering.
func (a *App) why(ctx context.Context, err error) {
	var n *control.NoDaemonError
	if !errors.As(err, &n) {
		return // it was the server, and the error says so
	}
	printFindings(a.Stderr, (&doctor.Host{Now: a.Now}).Unreachable(ctx, err))
}

func (a *App) usage(w io.Writer) {
	fmt.Fprintln(w, "usage: sallyport COMMAND [--json]")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-58s %s\n", c.name+" "+c.args, c.help)
	}
}

func (a *App) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		a.usage(a.Stdout)
		return nil
	}
	if args[0] == "--version" {
		args = append([]string{"version"}, args[1:]...)
	}
	for _, c := range commands() {
		if rest, found := match(c.name, args); found {
			in := &invocation{flags: flag.NewFlagSet("sallyport "+c.name, flag.ContinueOnError), help: a.Stdout}
			in.flags.SetOutput(io.Discard) // Run says what was wrong, once
			in.json = in.flags.Bool("json", false, "print JSON, for programs")
			in.config = in.flags.String("config", "", "the daemon's configuration `file`")
			in.socket = in.flags.String("socket", "", "control.sock of the daemon")
			in.args = rest
			return c.run(ctx, a, in)
		}
	}
	known := []string{}
	for _, c := range commands() {
		known = append(known, c.name)
	}
	typed := args[0]
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") && slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, args[0]+" ") }) {
		typed += " " + args[1]
	}
	return fmt.Errorf("%w: %s", errUsage, command.Unknown(typed, known))
}

// match takes the words of a command's name off the front of args.
func match(name string, args []string) ([]string, bool) {
	for word := range splitWords(name) {
		if len(args) == 0 || args[0] != word {
			return nil, false
		}
		args = args[1:]
	}
	return args, true
}

// parse reads flags before, between and behind the words, and wants exactly n
// words.
func (in *invocation) parse(n int) ([]string, error) { return in.parseFrom(n, n) }

// parseFrom takes from least to most names.
func (in *invocation) parseFrom(least, most int) ([]string, error) {
	var words []string
	for args := in.args; ; {
		if err := in.flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprintf(in.help, "usage: sallyport %s\n", usageOf(strings.Fields(in.flags.Name())[1:]))
				in.flags.SetOutput(in.help)
				in.flags.PrintDefaults()
				return nil, flag.ErrHelp
			}
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		args = in.flags.Args()
		if len(args) == 0 {
			break
		}
		words, args = append(words, args[0]), args[1:]
	}
	if len(words) < least || len(words) > most {
		return nil, fmt.Errorf("%w: %s takes %d names, not %d", errUsage, in.flags.Name(), most, len(words))
	}
	return words, nil
}

// daemon finds the control socket that the flags or the configuration name.
func (in *invocation) daemon() control.Client {
	if *in.socket != "" {
		return control.Client{Path: *in.socket}
	}
	return control.Client{Path: controlPath(*in.config)}
}

// show prints v as JSON when asked to, and else through people.
func (a *App) show(in *invocation, v any, people func(io.Writer)) error {
	if !*in.json {
		people(a.Stdout)
		return nil
	}
	e := json.NewEncoder(a.Stdout)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func version(_ context.Context, a *App, in *invocation) error {
	if _, err := in.parse(0); err != nil {
		return err
	}
	return a.show(in, map[string]string{"version": a.Version}, func(w io.Writer) { fmt.Fprintln(w, "sallyport", a.Version) })
}
