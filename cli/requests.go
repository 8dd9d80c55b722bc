package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/report"
)

// proving is the prover of a command that a person types.
func (a *App) proving(byCard *bool, now bool) *prover {
	return &prover{ask: func() (*asker, error) { return newAsker(a.Stdin, a.Stderr), nil }, byCard: *byCard, now: now}
}

func requests(a *App, in *invocation) command.Action {
	byCard := in.byCard()
	watch := in.Bool("watch", false, "go on, and show what comes for you to decide")
	program := in.String("exec", "", "with --watch, a `program` that is run for each request that waits for you")
	notify := in.Bool("notify", false, "with --watch, show each request that waits for you on the desktop")
	return func(ctx context.Context) error {
		if !*watch && (*program != "" || *notify) {
			return command.Usage("--exec and --notify go with --watch")
		}
		n := &announcer{program: *program, notify: *notify, said: a.Stderr}
		if err := n.check(); err != nil {
			return err
		}
		defer n.stop()
		list := func() (report.Requested, error) {
			p, asked := a.proving(byCard, false), false
			ask := p.ask
			p.ask = func() (*asker, error) { asked = true; return ask() }
			r, err := requested(ctx, in, p, report.VerbRequests, func(p report.ProofArgs) any { return report.RequestArgs{ProofArgs: p} })
			if err != nil {
				err = fmt.Errorf("requests: %w", err)
			}
			if err != nil && !asked && !errors.Is(err, report.ErrForbidden) {
				err = passingError{err}
			}
			return r, err
		}
		r, err := list()
		if err != nil {
			return err
		}
		if err := a.show(in, r, func(w io.Writer) { printRequests(w, r, a.Now()) }); err != nil || !*watch {
			return err
		}
		return a.watchRequests(ctx, in, r, list, n)
	}
}

// passingError is one that passes: the daemon or the server is away, and nobody was asked.
type passingError struct{ error }

func (e passingError) Unwrap() error { return e.error }

// watchEvery is how often it is looked whether something new waits.
const watchEvery = 2 * time.Second

// watchRequests shows each request that comes for the person to decide, until ctx ends.
func (a *App) watchRequests(ctx context.Context, in *invocation, r report.Requested, list func() (report.Requested, error), n *announcer) error {
	seen, down := map[string]bool{}, false
	for first := true; ; first = false {
		for _, q := range r.Others {
			if q.State != "waiting" || seen[q.ID] {
				continue
			}
			seen[q.ID] = true
			n.announce(ctx, q)
			if first {
				continue // it was shown with the rest
			}
			if err := a.show(in, q, func(w io.Writer) {
				fmt.Fprintf(w, "%s  %s  %s\n", q.ID, q.Subject, waits(q, a.Now()))
				for _, line := range about(q) {
					fmt.Fprintf(w, "    %s\n", line)
				}
			}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
		var err error
		var passes passingError
		switch r, err = list(); {
		case err == nil || ctx.Err() != nil:
			down = false
		case !errors.As(err, &passes):
			return err
		case !down: // a restart is no end
			down = true
			fmt.Fprintf(a.Stderr, "sallyport: %v; it goes on once there is an answer\n", err)
		}
	}
}

func printRequests(w io.Writer, r report.Requested, now time.Time) {
	list := func(title, none string, all []report.Request) {
		if len(all) == 0 {
			fmt.Fprintln(w, none)
			return
		}
		fmt.Fprintln(w, title)
		var table strings.Builder
		t := tabwriter.NewWriter(&table, 2, 0, 2, ' ', 0)
		for _, q := range all {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", q.ID, q.State, q.Subject, waits(q, now))
			for _, line := range about(q) {
				fmt.Fprintf(t, "  \t\t%s\n", line)
			}
		}
		_ = t.Flush()
		for line := range strings.Lines(table.String()) {
			fmt.Fprintln(w, strings.TrimRight(line, " \n"))
		}
	}
	list("Yours:", "You have asked for nothing.", r.Own)
	list("Of others, for you to decide:", "Nothing waits for you to decide.", r.Others)
}

// about are lines on who asks and why.
func about(q report.Request) []string {
	lines := []string{fmt.Sprintf("asked by %s at %s (%s)", q.Account, q.Machine, q.Origin)}
	if q.Reason != "" {
		lines = append(lines, "reason: "+q.Reason)
	}
	for _, d := range q.Decisions {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s by %s %s", map[bool]string{true: "approved", false: "denied"}[d.Approved], d.Account, d.Reason)))
	}
	if q.Why != "" {
		lines = append(lines, q.Why)
	}
	return lines
}

// waits says what a request waits for, or until when it is good.
func waits(q report.Request, now time.Time) string {
	left := ""
	if !q.Until.IsZero() && q.Until.After(now) {
		left = " for " + span(q.Until.Sub(now))
	}
	switch q.State {
	case "waiting":
		var needs []string
		for _, n := range q.Needs {
			needs = append(needs, fmt.Sprintf("%d of %s", n.Count, n.Group))
		}
		return "needs " + strings.Join(needs, " and ") + left
	case "granted", "used":
		return "may be used" + left
	case "asked":
		return "needs a fresh proof of yours" + left
	default:
		return ""
	}
}

// decide approves or denies what somebody asked for.
func decide(approve bool) func(a *App, in *invocation) command.Action {
	return func(a *App, in *invocation) command.Action {
		byCard := in.byCard()
		reason := in.String("reason", "", "`text`: why; who asked can read it")
		return func(ctx context.Context) error {
			if !approve && *reason == "" {
				return command.Usage("--reason TEXT is missing: who asked is told why")
			}
			r, err := requested(ctx, in, a.proving(byCard, true), report.VerbDecide, func(p report.ProofArgs) any {
				return report.RequestArgs{ProofArgs: p, ID: in.Name(0), Approve: approve, Reason: *reason}
			})
			if err != nil {
				return fmt.Errorf("%s: %w", map[bool]string{true: "approve", false: "deny"}[approve], err)
			}
			return a.show(in, r.Request, func(w io.Writer) { printOutcome(w, r.Request, a.Now()) })
		}
	}
}

func withdraw(a *App, in *invocation) command.Action {
	byCard := in.byCard()
	reason := in.String("reason", "", "`text`: why")
	return func(ctx context.Context) error {
		r, err := requested(ctx, in, a.proving(byCard, false), report.VerbWithdraw, func(p report.ProofArgs) any {
			return report.RequestArgs{ProofArgs: p, ID: in.Name(0), Reason: *reason}
		})
		if err != nil {
			return fmt.Errorf("withdraw: %w", err)
		}
		return a.show(in, r.Request, func(w io.Writer) { printOutcome(w, r.Request, a.Now()) })
	}
}

func printOutcome(w io.Writer, q *report.Request, now time.Time) {
	if q == nil {
		return
	}
	fmt.Fprintf(w, "%s: %s", q.Subject, q.State)
	if more := waits(*q, now); more != "" {
		fmt.Fprintf(w, " (%s)", more)
	}
	fmt.Fprintln(w)
}

// errNotGranted ends what was asked for in vain.
var errNotGranted = errors.New("it was not granted")

// errStillWaiting says that nobody has decided yet.
var errStillWaiting = errors.New("nobody has decided yet")

// maxWait is how long one question waits for a decision, and askAgain how long a server is left
// alone that does not answer.
const (
	maxWait  = 20 * time.Second
	askAgain = 2 * time.Second
)

// waiter says what a person who waits for a request reads: once that it waits, and each time
// that the server does not answer any more.
type waiter struct {
	now      func() time.Time
	patience time.Duration // how long it waits at most, unless that is 0
	waits    func(report.Request)
	away     func()
}

// awaited waits until a request is granted, also while the server is away: the request goes
// on waiting there. Where ctx ends first the request is withdrawn.
func awaited(ctx context.Context, in *invocation, p *prover, q *report.Request, told waiter) (report.Request, error) {
	first, away, patience := true, false, told.patience
	until := time.Now().Add(patience)
	for q != nil {
		switch q.State {
		case "granted", "used":
			return *q, nil
		case "waiting":
		default:
			why := q.Why
			if why == "" {
				why = "it is " + q.State
			}
			return *q, fmt.Errorf("%w: %s", errNotGranted, why)
		}
		if first {
			told.waits(*q)
			first = false
		}
		wait := maxWait
		if patience > 0 {
			wait = max(time.Second, min(wait, time.Until(until)))
		}
		if patience > 0 && !time.Now().Before(until) {
			return *q, fmt.Errorf("%w: the request %s stays open. Run the same again once \"sallyport requests\" says that it may be used", errStillWaiting, q.ID)
		}
		r, err := requested(ctx, in, p, report.VerbRequest, func(report.ProofArgs) any {
			return report.RequestArgs{ID: q.ID, State: q.State, WaitSeconds: uint32(wait / time.Second)} //nolint:gosec // 1 to 20
		})
		if ctx.Err() != nil {
			return *q, takenBack(ctx, in, p, q.ID)
		}
		if errors.Is(err, report.ErrAway) && told.now().Before(q.Until) {
			if !away {
				told.away()
			}
			away = true
			select {
			case <-ctx.Done():
				return *q, takenBack(ctx, in, p, q.ID)
			case <-time.After(askAgain):
			}
			continue
		}
		away = false
		if err != nil {
			return *q, err
		}
		q = r.Request
	}
	return report.Request{}, errNotGranted
}

// takenBack withdraws a request that nobody waits for any more.
func takenBack(ctx context.Context, in *invocation, p *prover, id string) error {
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, err := requested(after, in, p, report.VerbWithdraw, func(proof report.ProofArgs) any {
		return report.RequestArgs{ProofArgs: proof, ID: id, Reason: "no longer waited for"}
	})
	if err != nil {
		return fmt.Errorf("interrupted; the request %s could not be withdrawn and expires by itself: %w", id, err)
	}
	return errors.New("interrupted; the request is withdrawn")
}
