package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/report"
)

// announcer tells others than this terminal of a request that waits for the person: a
// program of theirs, their desktop, or both.
type announcer struct {
	program string // run for each; "": none
	notify  bool
	said    io.Writer // what they print, and what is wrong with them
	running sync.WaitGroup
}

// check finds what is to be run.
func (n *announcer) check() error {
	for what, program := range map[string]string{"--exec": n.program, "--notify": map[bool]string{true: "busctl"}[n.notify]} {
		if program == "" {
			continue
		}
		if _, err := exec.LookPath(program); err != nil {
			return command.Usage("%s: %w", what, err)
		}
	}
	return nil
}

// announce begins to tell and does not wait. What it runs ends with ctx.
func (n *announcer) announce(ctx context.Context, q report.Request) {
	if n.program != "" {
		n.run(ctx, exec.CommandContext(ctx, n.program), "--exec "+n.program, told(q)) //nolint:gosec // the person's own word, and no shell
	}
	if n.notify {
		n.run(ctx, notice(ctx, q), "--notify", nil)
	}
}

// stop waits for what was begun.
func (n *announcer) stop() { n.running.Wait() }

func (n *announcer) run(ctx context.Context, c *exec.Cmd, what string, env []string) {
	c.Env = append(os.Environ(), env...)
	c.Stderr = n.said
	c.WaitDelay = time.Second
	if env != nil {
		c.Stdout = n.said
	}
	if err := c.Start(); err != nil {
		fmt.Fprintf(n.said, "sallyport: %s: %v\n", what, err)
		return
	}
	n.running.Go(func() {
		if err := c.Wait(); err != nil && ctx.Err() == nil {
			fmt.Fprintf(n.said, "sallyport: %s: %v\n", what, err)
		}
	})
}

// told are the words of a request in a program's environment: nothing of them is an
// argument, and no shell reads them.
func told(q report.Request) []string {
	var env []string
	for _, word := range [][2]string{
		{"ID", q.ID},
		{"KIND", q.Kind},
		{"SUBJECT", q.Subject},
		{"ACCOUNT", q.Account},
		{"MACHINE", q.Machine},
		{"ORIGIN", q.Origin},
		{"REASON", q.Reason},
		{"ROLE", q.Role},
		{"UNTIL", q.Until.UTC().Format(time.RFC3339)},
	} {
		env = append(env, "SALLYPORT_REQUEST_"+word[0]+"="+word[1])
	}
	return env
}

// notice shows a request on the desktop, by the Notify method of the Desktop Notifications
// Specification. The body of a notice is markup there, and what somebody wrote is none.
func notice(ctx context.Context, q report.Request) *exec.Cmd {
	const service, path = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
	body := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(strings.Join(append(about(q), "To decide: sallyport approve "+q.ID), "\n"))
	return exec.CommandContext(ctx, "busctl", "--user", "--quiet", "--", "call", service, path, service, "Notify", "susssasa{sv}i", //nolint:gosec // words, not a shell's
		"sallyport", "0", "", "Approval needed: "+q.Subject, body, "0", "0", "-1")
}
