package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	sallyportv1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// memory fills the realm and reads the daemon's resident memory once it knows
// everybody, and again after a restart, when it has read them from its cache.
func (b *bench) memory(ctx context.Context, large int) error {
	for _, n := range []int{1000, large} {
		begin := time.Now()
		if err := b.fill(ctx, b.accounts, n); err != nil {
			return err
		}
		b.accounts = n
		if err := b.knows(ctx, n); err != nil {
			return err
		}
		b.row(fmt.Sprintf("%d accounts made on the server and known to a connected machine", n), time.Since(begin).Round(time.Second).String(), "")
		live, err := b.resident()
		if err != nil {
			return err
		}
		if err := b.Daemon.Stop(ctx); err != nil {
			return err
		}
		begin = time.Now()
		if err := b.StartDaemon(ctx); err != nil {
			return err
		}
		ready := time.Since(begin)
		if err := b.WaitOnline(ctx); err != nil {
			return err
		}
		fresh, err := b.resident()
		if err != nil {
			return err
		}
		if err := b.visible(ctx, n); err != nil {
			return err
		}
		listed, err := b.listed(ctx, b.accounts)
		if err != nil {
			return err
		}
		b.row(fmt.Sprintf("daemon memory with %d accounts", n), fmt.Sprintf("%.1f MB after a restart", fresh),
			fmt.Sprintf("%.1f MB after learning them one by one, %.1f MB after reading the whole list", live, listed))
		b.row(fmt.Sprintf("daemon start with %d accounts remembered, each signature checked", n), ms(ready), "")
	}
	return nil
}

// changes is how many new accounts a program waits for.
const changes = 15

// visible measures how long after the server has a new account a program that runs
// sees it.
func (b *bench) visible(ctx context.Context, n int) error {
	program, err := b.compile(ctx, "watch")
	if err != nil {
		return err
	}
	prefix := fmt.Sprintf("new%dx", n)
	p, err := b.Start(ctx, program, prefix, strconv.Itoa(changes))
	if err != nil {
		return err
	}
	admin, closer, err := server.Admin(ctx, b.Path(machine.ServerDir), slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	defer closer.Close()
	var took []float64
	for i := range changes {
		name := prefix + strconv.Itoa(i)
		if _, err := admin.AddAccount(ctx, &sallyportv1.AddAccountRequest{Name: name}); err != nil {
			return fmt.Errorf("add account: %w", err)
		}
		there := time.Now()
		if err := p.Output.Wait(ctx, name+" "); err != nil {
			return err
		}
		var seen int64
		if _, err := fmt.Sscanf(lineOf(p.Output.String(), name), name+" %d", &seen); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		took = append(took, float64(seen-there.UnixNano())/1e6)
	}
	slices.Sort(took)
	b.accounts += changes
	b.row(fmt.Sprintf("a new account among %d is seen by a program that runs, after the server has it", n),
		fmt.Sprintf("median %.0f ms, slowest %.0f ms", took[len(took)/2], took[len(took)-1]), "aim: 200 ms from the daemon on")
	return nil
}

func lineOf(text, prefix string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix+" ") {
			return line
		}
	}
	return ""
}

// listed clears the daemon's cache, lets it read the realm anew, and returns its
// memory after that.
func (b *bench) listed(ctx context.Context, n int) (float64, error) {
	if _, err := b.Run(ctx, "/usr/bin/sallyport", "cache", "clear"); err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := b.knows(ctx, n); err != nil {
		return 0, err
	}
	b.row(fmt.Sprintf("the whole list of %d accounts read, verified and stored", n), time.Since(begin).Round(100*time.Millisecond).String(), "")
	return b.resident()
}

// fill adds accounts, each in one of 100 groups.
func (b *bench) fill(ctx context.Context, from, to int) error {
	admin, closer, err := server.Admin(ctx, b.Path(machine.ServerDir), slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	defer closer.Close()
	var g errgroup.Group
	g.SetLimit(8)
	for i := range 100 {
		_, err := admin.AddGroup(ctx, &sallyportv1.AddGroupRequest{Name: fmt.Sprintf("team%d", i)})
		if err != nil && connect.CodeOf(err) != connect.CodeAlreadyExists {
			return fmt.Errorf("add group: %w", err)
		}
	}
	for i := from; i < to; i++ {
		g.Go(func() error {
			name := fmt.Sprintf("user%d", i)
			if _, err := admin.AddAccount(ctx, &sallyportv1.AddAccountRequest{Name: name, FullName: "Person " + name}); err != nil {
				return fmt.Errorf("add account: %w", err)
			}
			_, err := admin.AddMember(ctx, &sallyportv1.MemberRequest{Group: fmt.Sprintf("team%d", i%100), Member: name})
			return err //nolint:wrapcheck // a measurement
		})
	}
	return g.Wait()
}

func (b *bench) knows(ctx context.Context, n int) error {
	want := fmt.Sprintf(`"accounts": %d`, n)
	for {
		out, err := b.Run(ctx, "/usr/bin/sallyport", "status", "--json")
		if err != nil && !strings.Contains(out, `"state"`) { // it ends with 1 on any problem
			return err
		}
		if strings.Contains(out, want) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the daemon does not learn: %w\n%s", ctx.Err(), out)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// resident is the daemon's memory in MB (VmRSS).
func (b *bench) resident() (float64, error) {
	out, err := b.Script(context.Background(), "grep VmRSS /proc/$(pidof sallyportd)/status")
	if err != nil {
		return 0, err
	}
	kib, err := strconv.ParseFloat(strings.Fields(out)[1], 64)
	if err != nil {
		return 0, fmt.Errorf("VmRSS: %w", err)
	}
	return kib / 1024, nil
}
