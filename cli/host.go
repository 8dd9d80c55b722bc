package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/terminal"
)

const (
	defaultShare = "/usr/share/sallyport"
	// hostTimeout is for configure-host and for systemd to start or stop what it is told to.
	hostTimeout = 90 * time.Second
)

// units are what a joined machine runs, in the order in which they begin.
func units() []string {
	return []string{"sallyportd.socket", "sallyportd.service", "sallyport-subids.path"}
}

// hostFiles are the changes that configure-host would make.
type hostFiles struct {
	diff string
	list []string // one line each
	said []string // what stands in the way
}

// configureHost runs the script that is the one way to the host's own files.
func (a *App) configureHost(ctx context.Context, words ...string) (hostFiles, error) {
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	share := a.Share
	if share == "" {
		share = defaultShare
	}
	script := filepath.Join(share, "configure-host")
	var errs strings.Builder
	c := exec.CommandContext(ctx, script, words...) //nolint:gosec // the package's own script, with our words
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return hostFiles{}, fmt.Errorf("%s %s: %w\n%s", script, strings.Join(words, " "), err, strings.TrimSpace(errs.String()))
	}
	return readDiff(string(out)), nil
}

// readDiff takes apart what the script prints: differences, and lines of its own.
func readDiff(out string) hostFiles {
	const own = "configure-host: "
	var h hostFiles
	var name string
	var more, less int
	end := func() {
		if name != "" {
			h.list = append(h.list, fmt.Sprintf("%-40s +%d -%d lines", name, more, less))
		}
		name, more, less = "", 0, 0
	}
	var diff strings.Builder
	talking := false
	for line := range strings.Lines(out) {
		text := strings.TrimSuffix(line, "\n")
		said, its := strings.CutPrefix(text, own)
		if its || talking && strings.HasPrefix(text, "    ") {
			h.said = append(h.said, said)
			talking = true
			continue
		}
		talking = false
		diff.WriteString(line)
		switch {
		case strings.HasPrefix(text, "--- "):
			end()
			name, _, _ = strings.Cut(strings.TrimPrefix(text, "--- "), "\t")
		case strings.HasPrefix(text, "+++ "):
		case strings.HasPrefix(text, "+"):
			more++
		case strings.HasPrefix(text, "-"):
			less++
		}
	}
	end()
	h.diff = diff.String()
	return h
}

// systemdRuns tells whether systemd is this machine's first process.
func systemdRuns() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// systemctl runs one command of systemd's, which also works on the files alone.
func systemctl(ctx context.Context, words ...string) error {
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", words...).CombinedOutput() //nolint:gosec // our words
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// reloadSSH lets a running sshd read its settings anew, and says what is left to do. One
// that systemd starts for each connection reads them then. One whose socket is systemd's
// is started anew: by a reload it would lose the socket. Open sessions go on in any case.
func reloadSSH(ctx context.Context) string {
	if !systemdRuns() {
		return "If sshd runs, reload it: it read its settings when it began."
	}
	for _, name := range []string{"ssh", "sshd"} {
		if systemctl(ctx, "is-active", "--quiet", name+".service") != nil {
			continue
		}
		verb := "reload"
		if systemctl(ctx, "is-active", "--quiet", name+".socket") == nil {
			verb = "restart"
			// systemd counts starts, and would close the socket at the fifth within ten seconds.
			_ = systemctl(ctx, "reset-failed", name+".service")
		}
		if err := systemctl(ctx, verb, name+".service"); err != nil {
			return fmt.Sprintf("sshd goes by its old settings: %v\nTo have it read the new ones: sudo systemctl restart %s", err, name)
		}
		return ""
	}
	return ""
}

// changing is a command that changes the host: what it shows first, and how it asks.
type changing struct {
	yes, dryRun *bool
}

func changingFlags(in *invocation) changing {
	return changing{
		in.Bool("yes", false, "do it without asking"),
		in.Bool("dry-run", false, "show each line that would change, and change nothing"),
	}
}

// ready refuses before anything has happened: only root may do it, and it is not done
// where nobody can be asked and nobody has said yes.
func (c changing) ready(a *App, name string) error {
	if !*c.yes && !*c.dryRun && !terminal.Is(a.Stdin) {
		return command.Usage("%s changes this host and asks first, and here is no terminal to ask at. "+
			"Nothing was done. Look at the changes with --dry-run, then say --yes", name)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s: %w: it writes below /etc", name, report.ErrForbidden)
	}
	return nil
}

// agreed shows a plan and asks for a yes. No is no error, and nothing is done.
func (c changing) agreed(a *App, in *invocation, plan, diff string) (bool, error) {
	out := a.Stdout
	if *in.json {
		out = a.Stderr
	}
	fmt.Fprint(out, plan)
	if *c.dryRun {
		fmt.Fprintf(out, "\n%s\nNothing was changed.\n", strings.TrimRight(diff, "\n"))
		return false, nil
	}
	if *c.yes {
		return true, nil
	}
	fmt.Fprint(out, "Go on? [y/N] ")
	line, err := bufio.NewReader(io.LimitReader(a.Stdin, 256)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	if slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))) {
		return true, nil
	}
	fmt.Fprintln(out, "Nothing was changed.")
	return false, errSaid
}

// indented is one line each, and a heading if there are any.
func indented(heading string, lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return heading + "\n  " + strings.Join(lines, "\n  ") + "\n"
}
