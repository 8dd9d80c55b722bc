package cli

import (
	"context"
	"fmt"
	"io"
	"os/user"
	"path/filepath"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// subIDs asks for an account's range; the daemon gives one to root and to the account
// itself where there was none.
func subIDs(a *App, in *invocation) command.Action {
	return func(ctx context.Context) error {
		name := in.Name(0)
		if name == "" {
			u, err := user.Current()
			if err != nil {
				return fmt.Errorf("subids: %w", err)
			}
			name = u.Username
		}
		start, count, err := askSubIDs(ctx, filepath.Join(filepath.Dir(in.daemon().Path), "lookup.sock"), name)
		if err != nil {
			return fmt.Errorf("subids: %w", err)
		}
		return a.show(in, map[string]uint32{"start": start, "count": count}, func(w io.Writer) {
			fmt.Fprintf(w, "%s has %d user and group ids from %d.\n", spoken(name), count, start)
		})
	}
}

func askSubIDs(ctx context.Context, socket, name string) (start, count uint32, err error) {
	c, err := wire.Dial(ctx, socket)
	if err != nil {
		return 0, 0, &control.NoDaemonError{Err: err}
	}
	defer c.Close() //nolint:errcheck // read only
	if err := c.Send(ctx, wire.New(wire.GetSubIDs).AddString(wire.Name, name)); err != nil {
		return 0, 0, &control.NoDaemonError{Err: err}
	}
	for {
		m, err := c.Receive(ctx)
		if err != nil {
			return 0, 0, &control.NoDaemonError{Err: err}
		}
		switch m.Type {
		case wire.Working:
		case wire.SubIDs:
			return m.Number(wire.Start), m.Number(wire.Count), nil
		case wire.NotFound:
			return 0, 0, identity.ErrNotFound
		default:
			return 0, 0, fmt.Errorf("%w: the log of sallyportd says why", identity.ErrUnavailable)
		}
	}
}
