package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/config"
)

// left is leave for programs.
type left struct {
	Machine string `json:"machine,omitempty"`
	Realm   string `json:"realm,omitempty"`
	// Kept is where the configuration is now.
	Kept    string   `json:"kept,omitempty"`
	Removed []string `json:"removed"`
}

// leave takes out what join put in. The host's own files come first: when they cannot be
// given back, nothing else is done, and people of the realm go on to log in.
func leave(a *App, in *invocation) command.Action {
	c := changingFlags(in)
	return func(ctx context.Context) error {
		if err := c.ready(a, "leave"); err != nil {
			return err
		}
		p := placeAt(*in.config)
		was := membership(p.config)
		h, err := a.configureHost(ctx, "disable", "--dry-run")
		if err != nil {
			return fmt.Errorf("%w\nNothing was changed", err)
		}
		remove, spared := leftovers(p, was)
		plan := leavePlan(p, was, h, remove, spared)
		if do, err := c.agreed(a, in, plan, h.diff); !do {
			return err
		}
		h, err = a.configureHost(ctx, "disable")
		if err != nil {
			return fmt.Errorf("%w\nThis machine is still in its realm", err)
		}
		told, err := stopUnits(ctx)
		if err != nil {
			return fmt.Errorf("%w\nnsswitch.conf, PAM and sshd are as before joining; \"sudo sallyport leave\" goes on from here", err)
		}
		out := left{Removed: remove}
		if was.c != nil {
			out.Machine, out.Realm = was.c.Machine.ID.String(), was.realm.Realm
		}
		if out.Kept, err = forget(p, was, remove); err != nil {
			return fmt.Errorf("%w\nnsswitch.conf, PAM and sshd are as before joining; \"sudo sallyport leave\" goes on from here", err)
		}
		return a.show(in, out, func(w io.Writer) {
			printLines(w, h.said)
			printLines(w, told)
			fmt.Fprintln(w, "This machine is in no realm. nsswitch.conf, PAM and sshd are as before joining; homes stay.")
			if out.Kept != "" {
				fmt.Fprintf(w, "Its configuration is kept as %s.\n", out.Kept)
			}
			printLines(w, was.leftBehind())
		})
	}
}

func leavePlan(p *place, was member, h hostFiles, remove, spared []string) string {
	var b strings.Builder
	if was.there {
		fmt.Fprintf(&b, "This machine %s.\n", strings.TrimSuffix(was.String(), " already"))
	} else {
		b.WriteString("This machine is in no realm.\n")
	}
	b.WriteString(indented("leave gives back:", append(slices.Clone(h.list),
		strings.Join(units(), ", ")+": disabled and stopped", "sshd: reloaded, if it runs")))
	b.WriteString(indented("Note:", h.said))
	b.WriteString(indented("leave removes, with all that this machine remembers of people:", remove))
	if was.there {
		fmt.Fprintf(&b, "%s is kept, with .old at the end of its name.\n", p.config)
	}
	b.WriteString(indented("These stay; remove them by hand if nothing needs them:", spared))
	b.WriteString("Homes, and the lines of /etc/subuid and /etc/subgid, stay: files on disk belong to those ids.\n")
	return b.String()
}

// leftovers are the machine's key, what it trusts the server by, and what it remembers.
// Folders that an administrator chose are the administrator's to empty.
func leftovers(p *place, was member) (remove, spared []string) { //nolint:nonamedreturns // says which is which
	state, key := filepath.Dir(p.key), p.key
	usual := config.Defaults().Paths
	folders := []string{usual.State, usual.Directory}
	if was.c != nil {
		key = was.c.Machine.Key
		folders = []string{was.c.Paths.State, was.c.Paths.Directory}
	}
	for _, dir := range folders {
		if dir != usual.State && dir != usual.Directory {
			spared = append(spared, dir)
			continue
		}
		entries, _ := os.ReadDir(dir) // what is not there need not be removed
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "host-configured") { // configure-host's
				remove = append(remove, filepath.Join(dir, e.Name()))
			}
		}
	}
	for _, f := range []string{key, p.ca} {
		if _, err := os.Lstat(f); err == nil && filepath.Dir(f) != state {
			remove = append(remove, f)
		}
	}
	return remove, spared
}

func stopUnits(ctx context.Context) ([]string, error) {
	words := []string{"disable"}
	if systemdRuns() {
		words = append(words, "--now")
	}
	all := units()
	slices.Reverse(all) // whoever asks goes before who answers
	if err := systemctl(ctx, append(words, all...)...); err != nil {
		return nil, err
	}
	told := []string{reloadSSH(ctx)}
	if !systemdRuns() {
		told = append(told, "systemd does not run here: stop sallyportd yourself.")
	}
	return told, nil
}

// forget removes files, and the configuration last: without it this machine is in no realm.
func forget(p *place, was member, remove []string) (string, error) {
	for _, f := range remove {
		if err := os.RemoveAll(f); err != nil {
			return "", fmt.Errorf("leave: %w", err)
		}
	}
	if !was.there {
		return "", nil
	}
	kept, err := freeName(p.config)
	if err != nil {
		return "", err
	}
	if err := os.Rename(p.config, kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("leave: %w", err)
	}
	return kept, nil
}
