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
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/application/message"
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

// invocation is what was typed after the command.
type invocation struct {
	*command.Flags
	json           *bool
	config, socket *string
}

// row makes a command of one that has the options which all have.
func (a *App) row(name, args, help string, prepare func(*App, *invocation) command.Action) command.Row {
	return command.Row{Name: name, Args: args, Help: help, Prepare: func(f *command.Flags) command.Action {
		in := &invocation{
			Flags: f, json: f.Bool("json", false, "print JSON, for programs"),
			config: f.String("config", "", "the daemon's configuration `file`"), socket: f.String("socket", "", "`path` of the daemon's control.sock"),
		}
		return prepare(a, in)
	}}
}

func (a *App) table() command.Table {
	logout := a.row("logout", "", "forget what was proved: the next sudo asks", drop)
	logout.Old = "drop"
	return command.Table{Program: "sallyport", Manual: "sallyport(1)", Rows: slices.Concat([]command.Row{
		a.row("status", "", "show the state of this machine and its daemon", status),
		a.row("doctor", "", "examine this host and say what to repair", examine),
		a.row("explain", "NAME", "why this person may or may not log in here", explain),
		a.row("cache list", "", "accounts that this machine remembers", cacheList),
		a.row("cache forget", "NAME", "forget one account: its token and verifiers", cacheForget),
		a.row("cache clear", "", "forget every account", cacheClear),
		a.row("cache refresh", "[NAME]", "fetch one account anew, or all that is remembered", cacheRefresh),
		a.row("unlock", "NAME", "lift the lock that failures left", unlock),
		a.row("enrol totp", "", "get a one-time code generator for your own account", enrolTOTP),
		a.row("enrol piv", "", "make a smartcard yours", enrolPIV),
		a.row("enrol backup-codes", "", "get codes for the day your generator is lost", enrolBackupCodes),
		a.row("enrol", "", "give up what was enrolled, with --remove", enrolRemove),
		a.row("card", "", "what is in the card readers, and what of it is yours", cards),
		a.row("whoami", "", "what this session has proved, and until when", whoami),
		a.row("subids", "[NAME]", "which subordinate ids an account has, for rootless containers", subIDs),
		logout,
		rest(a.row("ssh", "SSH-ARGUMENTS", "log in to a machine of the realm with a key for this one time", sshHop)),
		a.row("ssh-config", "PATTERNS", "print what has plain ssh do so for some hosts", sshConfig),
		rest(a.row("known-hosts", "TOKENS", "what ssh runs then (KnownHostsCommand)", knownHosts)),
		a.row("requests", "", "what you asked for, and what waits for you to decide", requests),
		a.row("approve", "ID", "approve what somebody asked for", decide(true)),
		a.row("deny", "ID", "deny what somebody asked for", decide(false)),
		a.row("withdraw", "ID", "take a request back, or end its grant", withdraw),
		a.row("identity register", "", "set a password that other services know you by, with an administrator's code", identityRegister),
		a.row("identity login", "", "log in to the identity service with its password or a wallet, which gives a token", identityLogin),
		a.row("identity token", "", "print the token of this device, for other programs", identityToken),
		a.row("identity verify", "USER DEVICE", "tell whether a token, read from standard input, is good", identityVerify),
		a.row("identity devices", "", "your devices with a token", identityDevices),
		a.row("identity revoke", "[DEVICE]", "end the token of a device, this one where none is named", identityRevoke),
		a.row("verify", "[PERSON]", "make sure of somebody over the telephone, and they of you", verifyPerson),
	}, a.appRows(), []command.Row{
		a.row("auth-test", "NAME", "sign in through PAM, without opening a session", authTest),
		a.row("join", "", "join this machine to a realm, and set the host up", join),
		a.row("leave", "", "take out what join put in", leave),
		a.row("trust", "", "trust the realm key with this fingerprint", trust),
		a.row("migrate kanidm-unixd", "", "take over kanidm-unixd's configuration", migrateUnixd),
		a.row("version", "", "print the version", version),
	})}
}

// rest makes a command take all words behind its own options as they are.
func rest(r command.Row) command.Row {
	r.Rest = true
	return r
}

// errSaid ends a command whose answer has been printed already and is no.
var errSaid = errors.New("the answer is no")

// Run runs the command and returns its exit code.
func (a *App) Run(ctx context.Context, args []string) int {
	t := a.table()
	err := t.Run(ctx, args, a.Stdout)
	var exit ExitError
	switch {
	case err == nil:
		return command.ExitOK
	case errors.Is(err, errSaid):
		return command.ExitNo
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, command.ErrUsage):
		t.Fail(a.Stderr, args, err)
		return command.ExitUsage
	}
	fmt.Fprintf(a.Stderr, "sallyport: %v\n", err)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return command.ExitNotFound
	case errors.Is(err, report.ErrForbidden):
		fmt.Fprintln(a.Stderr, "Run it with sudo, or ask about your own name.")
		return command.ExitForbidden
	case errors.Is(err, errWrongPassword), errors.Is(err, errNotSigned), errors.As(err, &refusedError{}), errors.Is(err, message.ErrPassphrase):
		return command.ExitNo
	case errors.Is(err, errServer), errors.Is(err, report.ErrAway):
		return command.ExitUnavailable
	case errors.Is(err, identity.ErrUnavailable):
		a.why(ctx, err)
		return command.ExitUnavailable
	default:
		return command.ExitFailed
	}
}

// why says on standard error what keeps the daemon from answering.
func (a *App) why(ctx context.Context, err error) {
	var n *control.NoDaemonError
	if !errors.As(err, &n) {
		return // it was the server, and the error says so
	}
	printFindings(a.Stderr, (&doctor.Host{Now: a.Now}).Unreachable(ctx, err))
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

func version(a *App, in *invocation) command.Action {
	return func(context.Context) error {
		return a.show(in, map[string]string{"version": a.Version}, func(w io.Writer) { fmt.Fprintln(w, "sallyport", a.Version) })
	}
}
