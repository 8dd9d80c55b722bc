// Command sallyport-sessions tells or ends ssh sessions whose grant was withdrawn: see
// sallyport-sessions(8). It runs as root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/sessions"
)

const (
	// grace is how long a session may take to end before it is killed.
	grace = 5 * time.Second
	// patience is for one more command of systemctl(1).
	patience = 10 * time.Second
)

func main() {
	f := flag.NewFlagSet("sallyport-sessions", flag.ContinueOnError)
	list := f.String("list", "/var/lib/sallyport/ended-sessions", "the daemon's `file` of sessions")
	told := f.String("told", "/run/sallyport-sessions", "the `folder` that remembers who was told")
	if err := f.Parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		return
	} else if err != nil || f.NArg() > 0 {
		f.Usage()
		os.Exit(command.ExitUsage)
	}
	os.Exit(run(*list, sessions.Host{Told: *told, Stop: stop, Log: func(format string, args ...any) { fmt.Printf(format+"\n", args...) }}))
}

func run(path string, host sessions.Host) int {
	orders, err := sessions.Read(path)
	if err == nil {
		err = host.Do(context.Background(), orders)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sallyport-sessions:", err)
		return command.ExitFailed
	}
	return command.ExitOK
}

// stop asks systemd, not logind: that works without a message bus.
func stop(ctx context.Context, unit string) error {
	ending, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := exec.CommandContext(ending, "systemctl", "stop", unit).Run(); err == nil { //nolint:gosec // the name of a session's scope, in letters and digits
		return nil
	}
	killing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if out, err := exec.CommandContext(killing, "systemctl", "kill", "--signal=KILL", unit).CombinedOutput(); err != nil { //nolint:gosec // as above
		return fmt.Errorf("end %s: %w: %s", unit, err, out)
	}
	return nil
}
