package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/doctor"
	"github.com/sallyport-auth/sallyport/report"
)

func explain(a *App, in *invocation) command.Action {
	service := in.String("service", "", "the PAM `service` that is asked, such as sshd")
	return func(ctx context.Context) error {
		e, err := control.One[report.Explanation](ctx, in.daemon(), report.VerbExplain, report.ExplainArgs{Name: in.Name(0), Service: *service})
		if err != nil {
			return fmt.Errorf("explain %s: %w", spoken(in.Name(0)), err)
		}
		a.explainHere(ctx, in, &e)
		if err := a.show(in, e, func(w io.Writer) { printExplanation(w, e, a.Now()) }); err != nil {
			return err
		}
		if !e.MayLogin {
			return errSaid
		}
		return nil
	}
}

// explainHere adds what the daemon cannot see of this host, and what keeps the person out
// all the same.
func (a *App) explainHere(ctx context.Context, in *invocation, e *report.Explanation) {
	if e.Account == nil || *in.socket != "" {
		return
	}
	here := a.host(in).Person(ctx, *e.Account, e.Service)
	if len(here) == 0 {
		here = []report.Finding{{Check: "this host", Severity: report.OK, Detail: "home, shell, PAM and sshd have nothing against it"}}
	}
	e.Steps = append(e.Steps, here...)
	if doctor.Worst(here) == report.Problem {
		e.MayLogin = false
	}
}

func printExplanation(w io.Writer, e report.Explanation, now time.Time) {
	verdict := "may log in here"
	if !e.MayLogin {
		verdict = "may NOT log in here"
	}
	fmt.Fprintf(w, "%s %s\n", spoken(e.Name), verdict)
	if acc := e.Account; acc != nil {
		fmt.Fprintf(w, "  %s, uid %d, gid %d, %s, %s\n", acc.Name, acc.UID, acc.GID, acc.Home, acc.Shell)
		names := make([]string, len(acc.Groups))
		for i, g := range acc.Groups {
			names[i] = string(g)
		}
		keys := fmt.Sprint(acc.Keys)
		if e.CertificatesOnly && acc.Keys > 0 {
			keys += ", not accepted here"
		}
		fmt.Fprintf(w, "  groups: %s; ssh keys: %s\n", strings.Join(names, " "), keys)
	}
	for _, f := range e.Steps {
		fmt.Fprintf(w, "%s  %s: %s\n", mark(f.Severity), f.Check, f.Detail)
		if f.Mend != "" {
			fmt.Fprintf(w, "         do: %s\n", f.Mend)
		}
	}
	if len(e.Factors) > 0 {
		fmt.Fprintf(w, "it is asked for: %s\n", strings.Join(e.Factors, ", then "))
	}
	printPassword(w, e.Password)
	printStepUp(w, e.Service, e.StepUp)
	if o := e.Offline; o != nil {
		switch {
		case o.Possible && o.Left != "":
			fmt.Fprintf(w, "offline: works for %s\n", o.Left)
		case o.Possible && o.Until != nil: // of a daemon that does not say how long
			fmt.Fprintf(w, "offline: works for %s more\n", span(o.Until.Sub(now)))
		case o.Possible:
			fmt.Fprintln(w, "offline: works")
		default:
			fmt.Fprintf(w, "offline: does not work: %s\n", o.Reason)
		}
		if o.Failures > 0 {
			fmt.Fprintf(w, "wrong attempts offline: %d\n", o.Failures)
		}
		if o.CodeFailures > 0 {
			fmt.Fprintf(w, "wrong one-time codes offline: %d\n", o.CodeFailures)
		}
		if o.PINFailures > 0 {
			fmt.Fprintf(w, "wrong PINs:     %d\n", o.PINFailures)
		}
	}
	for _, l := range e.Limits {
		fmt.Fprintf(w, "note: %s\n", l)
	}
	for _, l := range e.Locks {
		fmt.Fprintf(w, "locked for %s more: %s, %s\n", span(l.Until.Sub(now)), lockedFactor(l.Factor), report.From(l.Origin))
	}
	if len(e.Locks) > 0 {
		fmt.Fprintf(w, "\"sudo sallyport unlock %s\" lifts it\n", spoken(e.Name))
	}
}

// printPassword says when a login by password asks for a new one.
func printPassword(w io.Writer, p *report.PasswordLife) {
	switch {
	case p == nil:
	case p.ChangeBy == nil:
		fmt.Fprintln(w, "password: must be changed at the next login by it; the administrator asked for that")
	case p.Due:
		fmt.Fprintf(w, "password: too old since %s; the next login by it asks for a new one\n", p.ChangeBy.Local().Format(time.DateOnly))
	default:
		fmt.Fprintf(w, "password: good until %s\n", p.ChangeBy.Local().Format(time.DateOnly))
	}
	if p == nil {
		return
	}
	switch p.WithoutIt {
	case "ask":
		fmt.Fprintln(w, "password: a login without it, such as by ssh key, asks for a new one as well")
	case "refuse":
		fmt.Fprintln(w, "password: a login without it, such as by ssh key, is refused until it is changed")
	}
}

func lockedFactor(kind string) string {
	switch kind {
	case "totp":
		return "one-time codes"
	case "piv":
		return "cards"
	case "pin":
		return "PINs of cards"
	case "locker":
		return "programs without root's rights, such as screen lockers"
	default:
		return "passwords"
	}
}
