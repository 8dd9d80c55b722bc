package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/sshkeys/hop"
	"github.com/sallyport-auth/sallyport/terminal"
)

// sshProgram is the ssh that is run.
const sshProgram = "ssh"

// ExitError ends the program with that code: it is another program's, which has said why.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// sshFailed is ssh's own exit code for what went wrong before the command ran there.
const sshFailed = 255

// sshHop runs ssh with a key for this one time. What goes wrong before ssh runs ends with
// ssh's own code for that.
func sshHop(a *App, in *invocation) command.Action {
	reason := in.String("reason", os.Getenv("SALLYPORT_REASON"), "`text`: why, for those who may have to approve it")
	role := in.String("role", os.Getenv("SALLYPORT_ROLE"), "`word` that the realm's rules know")
	byCard := in.byCard()
	return func(ctx context.Context) error {
		c, end, err := a.prepareHop(ctx, in, *reason, *role, &prover{ask: terminalAsker, byCard: *byCard})
		if err != nil {
			fmt.Fprintf(a.Stderr, "sallyport ssh: %v\n", err)
			return ExitError(sshFailed)
		}
		defer end()
		c.Stdin, c.Stdout, c.Stderr = a.Stdin, a.Stdout, a.Stderr
		return a.through(c)
	}
}

// prepareHop asks for the way and makes ssh ready for it; end ends the key.
func (a *App) prepareHop(ctx context.Context, in *invocation, reason, role string, p *prover) (c *exec.Cmd, end func(), err error) {
	line, err := hop.Parse(in.Names())
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it says what it was about
	}
	route, err := hop.Plan(ctx, sshProgram, line)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it says what it was about
	}
	args := report.AskArgs{ID: uuid.NewString(), Reason: reason, Role: role, Forward: route.Forward}
	for _, h := range route.Hops {
		args.Hops = append(args.Hops, report.Hop{Host: h.Host, Port: h.Port, Account: h.User})
	}
	key, err := hop.NewKey(context.WithoutCancel(ctx))
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it says what it was about
	}
	end = func() { _ = key.Close() }
	args.PublicKey = key.Public.Marshal()
	admissions, hosts, err := a.admitted(ctx, in, p, args, 0)
	if err == nil {
		c, err = key.Command(context.WithoutCancel(ctx), sshProgram, line, route, admissions, hosts)
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return c, end, nil
}

// admitted asks until it is granted, and returns what lets the key in at each machine, and
// the keys that sign host certificates.
func (a *App) admitted(ctx context.Context, in *invocation, p *prover, args report.AskArgs, patience time.Duration) ([]hop.Admission, []ssh.PublicKey, error) {
	id, certified, err := a.granted(ctx, in, p, args, patience)
	if err != nil {
		return nil, nil, err
	}
	if certified == nil { // it was not granted at once, or by a server of before
		r, err := requested(ctx, in, p, report.VerbCertify, func(proof report.ProofArgs) any {
			return report.RequestArgs{ProofArgs: proof, ID: id, PublicKey: args.PublicKey}
		})
		if err != nil {
			return nil, nil, err
		}
		certified = r.Certified
	}
	if certified == nil {
		return nil, nil, errors.New("the server sent no certificate")
	}
	a.sayClocks(*certified)
	return admissions(*certified)
}

// granted asks, and waits until it is granted; for so long at most, unless that is 0.
func (a *App) granted(ctx context.Context, in *invocation, p *prover, args report.AskArgs, patience time.Duration) (string, *report.Certified, error) {
	ask := func(proof report.ProofArgs) any { args.ProofArgs = proof; return args }
	r, err := requested(ctx, in, p, report.VerbAsk, ask)
	if err == nil && r.Request != nil && r.Request.State == "asked" {
		fmt.Fprintln(a.Stderr, "sallyport: this takes a fresh proof of who you are.")
		fresh := *p
		fresh.now = true
		r, err = requested(ctx, in, &fresh, report.VerbAsk, ask)
	}
	if err != nil {
		return "", nil, err
	}
	q, err := awaited(ctx, in, p, r.Request, waiter{
		now: a.Now, patience: patience,
		waits: func(q report.Request) {
			how := "Ctrl-C withdraws it"
			if patience > 0 {
				how += fmt.Sprintf("; after %.0f seconds ssh ends, and the request stays", patience.Seconds())
			}
			fmt.Fprintf(a.Stderr, "sallyport: waiting: %s %s. The request is %s; %s.\n", q.Subject, waits(q, a.Now()), q.ID, how)
		},
		away: func() {
			fmt.Fprintln(a.Stderr, "sallyport: the realm's server does not answer now. The request goes on waiting there, and so does this command.")
		},
	})
	return q.ID, r.Certified, err
}

// admissions are certificates as ssh takes them, and the keys that sign host certificates.
func admissions(certified report.Certified) (list []hop.Admission, hosts []ssh.PublicKey, err error) {
	for _, h := range certified.Hops {
		k, err := ssh.ParsePublicKey(h.Certificate)
		c, is := k.(*ssh.Certificate)
		if err != nil || !is || strings.Trim(h.HostAlias, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
			return nil, nil, errors.New("the server sent no certificate that ssh could use")
		}
		keys, err := publicKeys(h.HostKeys)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, hop.Admission{Certificate: c, Alias: h.HostAlias, Keys: keys})
	}
	hosts, err = publicKeys(certified.Hosts)
	return list, hosts, err
}

// publicKeys are keys in ssh's wire form.
func publicKeys(wire [][]byte) (list []ssh.PublicKey, err error) {
	for _, b := range wire {
		k, err := ssh.ParsePublicKey(b)
		if err != nil {
			return nil, fmt.Errorf("the server sent a host key that is none: %w", err)
		}
		list = append(list, k)
	}
	return list, nil
}

// through runs a program in the place of this one: signals reach it, and its end is ours.
func (a *App) through(c *exec.Cmd) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := c.Start(); err != nil {
		fmt.Fprintf(a.Stderr, "sallyport ssh: %v\n", err)
		return ExitError(sshFailed)
	}
	ended := make(chan struct{})
	go func() {
		typed := terminal.Is(a.Stdin) // then the terminal has sent it to both
		for {
			select {
			case s := <-signals:
				if !typed || s != os.Interrupt && s != syscall.SIGQUIT {
					_ = c.Process.Signal(s)
				}
			case <-ended:
				return
			}
		}
	}()
	err := c.Wait()
	close(ended)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		fmt.Fprintf(a.Stderr, "sallyport ssh: %v\n", err)
		return ExitError(sshFailed)
	}
	if w, is := exit.Sys().(syscall.WaitStatus); is && w.Signal() > 0 { // -1: it exited
		return ExitError(128 + int(w.Signal()))
	}
	return ExitError(exit.ExitCode())
}
