package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/test/bench/fill"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// askPatience is for one question to a peer that may not be up yet.
const askPatience = 10 * time.Second

// wait lets a moment pass between two looks.
func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("not up: %w", ctx.Err())
	case <-time.After(200 * time.Millisecond):
		return nil
	}
}

// startOurs installs the project and starts its daemon with a cache that knows
// everybody and a server that is not there.
func startOurs(ctx context.Context, m *machine.Machine, n int) (*running, error) {
	if err := m.Install(ctx); err != nil {
		return nil, err
	}
	f, err := fill.Fill(ctx, m.Path("/srv/fill"), realm(n))
	if err != nil {
		return nil, err
	}
	if err := moveIn(m, f); err != nil {
		return nil, err
	}
	r := &machine.Realm{Machine: m}
	if err := r.StartDaemon(ctx); err != nil {
		return nil, err
	}
	d, err := published(ctx, m, n)
	if err != nil {
		return nil, err
	}
	memory, err := m.Script(ctx, "awk '/^VmRSS/ {print $2 * 1024}' /proc/$(pidof sallyportd)/status")
	if err != nil {
		return nil, err
	}
	return &running{
		facts: map[string]figure{
			"disk": mb(float64(d.Size)), "memory": parsed(memory),
			"publish": {value: d.TookMillis, ok: true},
		},
		halt: func(context.Context) error { return r.Daemon.Signal(syscall.SIGSTOP) },
	}, nil
}

// moveIn makes the paths of the configuration those that it has on the machine.
func moveIn(m *machine.Machine, f fill.Folder) error {
	b, err := os.ReadFile(f.Config())
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	text := strings.NewReplacer(f.Run(), "/run/sallyport", f.Directory(), "/var/cache/sallyport", m.Root, "").Replace(string(b))
	if err := m.WriteFile("/etc/sallyport/sallyportd.toml", text, 0o644); err != nil {
		return err
	}
	_, err = m.Script(context.Background(), "chown -R sallyport: /srv/fill")
	return err
}

// published waits until the file in force has everybody.
func published(ctx context.Context, m *machine.Machine, n int) (report.Directory, error) {
	for {
		out, _ := m.Run(ctx, "/usr/bin/sallyport", "status", "--json")
		var s report.Status // it ends with 1: the server is not there
		if json.Unmarshal([]byte(out), &s) == nil && s.Directory != nil && s.Directory.Accounts == n {
			return *s.Directory, nil
		}
		if err := wait(ctx); err != nil {
			return report.Directory{}, fmt.Errorf("%w: %s", err, out)
		}
	}
}
