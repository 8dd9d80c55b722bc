package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	sallyportv1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// crowd is how many people log in at once, and crowdPass their password.
const (
	crowd     = 200
	crowdPass = "many hands light work"
)

// compile builds one of our C programs on the machine, with the modules' headers.
func (b *bench) compile(ctx context.Context, name string) (string, error) {
	root, err := machine.RepoRoot()
	if err != nil {
		return "", err
	}
	headers, err := filepath.Glob(filepath.Join(root, "wire/cwire/*.h"))
	if err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	source := filepath.Join(root, "test/bench/testdata", name+".c")
	for _, f := range append(headers, source) {
		if err := b.CopyIn(f, "/tmp/"+filepath.Base(f), 0o644); err != nil {
			return "", err
		}
	}
	program := "/tmp/" + name
	_, err = b.Run(ctx, "gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-I/tmp", "-o", program, program+".c", "-ldl")
	return program, err
}

// bursts lets a crowd log in at once and reads how late the daemon's first word
// came. The modules give it 50 ms before they call it hung.
func (b *bench) bursts(ctx context.Context) error {
	program, err := b.compile(ctx, "burst")
	if err != nil {
		return err
	}
	lookup, err := b.compile(ctx, "lookup")
	if err != nil {
		return err
	}
	if err := b.gather(ctx); err != nil {
		return err
	}
	for _, how := range []string{"first login of each: server's hash, then the machine's", "again: server's hash only"} {
		if err := b.burst(ctx, program, lookup, "online, "+how); err != nil {
			return err
		}
	}
	err = b.whileOffline(ctx, func() error { return b.burst(ctx, program, lookup, "offline") })
	if err != nil {
		return err
	}
	after, err := b.resident()
	b.row("daemon memory after the crowd", fmt.Sprintf("%.1f MB", after), "each hash fills 64 MiB")
	return err
}

// gather makes the accounts of the crowd and waits until the machine knows them.
func (b *bench) gather(ctx context.Context) error {
	admin, closer, err := server.Admin(ctx, b.Path(machine.ServerDir), slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	defer closer.Close()
	var g errgroup.Group
	g.SetLimit(4)
	for i := range crowd {
		g.Go(func() error {
			name := fmt.Sprintf("crowd%d", i)
			if _, err := admin.AddAccount(ctx, &sallyportv1.AddAccountRequest{Name: name}); err != nil {
				return fmt.Errorf("add account: %w", err)
			}
			_, err := admin.SetPassword(ctx, &sallyportv1.SetPasswordRequest{Name: name, Password: []byte(crowdPass)})
			return err //nolint:wrapcheck // a measurement
		})
	}
	if err := g.Wait(); err != nil {
		return err //nolint:wrapcheck // said above
	}
	b.accounts += crowd
	return b.knows(ctx, b.accounts)
}

// burst runs one, with lookups of absent names beside it for as long as it lasts.
func (b *bench) burst(ctx context.Context, program, lookup, title string) error {
	beside, stop := context.WithCancel(ctx)
	defer stop()
	var slowest float64
	var g errgroup.Group
	g.Go(func() error {
		for beside.Err() == nil {
			t, err := b.lookup(ctx, lookup, "absent", "-", 200)
			if err != nil {
				return err
			}
			slowest = max(slowest, t.P99)
		}
		return nil
	})
	out, err := b.RunInput(ctx, crowdPass+"\n", program, "/run/sallyport/pam.sock", fmt.Sprint(crowd), "crowd")
	stop()
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	people, newcomers, err := answers(out)
	if err != nil {
		return err
	}
	b.row(fmt.Sprintf("%d password logins at once, %s: until the daemon's first word", crowd, title), people.first.String(), people.late())
	b.row("the same, for someone who comes while they are served", newcomers.first.String(), newcomers.late())
	b.row(fmt.Sprintf("the same %d: until the verdict (%d granted)", crowd, people.granted), people.verdict.String(),
		fmt.Sprintf("getent of absent names meanwhile, 99%%: %.1f ms", slowest/1e6))
	return nil
}

// tally is what came of many logins.
type tally struct {
	first, verdict  distribution
	granted, silent int
}

type distribution []time.Duration

// String is never asked of none: every burst has at least one answer, or fails.
func (d distribution) String() string {
	at := func(percent int) string { return ms(d[(len(d)-1)*percent/100]) }
	return fmt.Sprintf("median %s, 99%% %s, slowest %s", at(50), at(99), at(100))
}

func (t tally) late() string {
	n := 0
	for _, d := range t.first {
		if d > 50*time.Millisecond {
			n++
		}
	}
	return fmt.Sprintf("of %d: later than the 50 ms that the modules wait: %d; never answered: %d", len(t.first)+t.silent, n, t.silent)
}

// answers reads what burst printed.
func answers(out string) (people, newcomers tally, err error) {
	for line := range strings.Lines(out) {
		t := &people
		rest, newcomer := strings.CutPrefix(line, "newcomer")
		if newcomer {
			t = &newcomers
		}
		var first, verdict int64
		var code int
		if _, err := fmt.Sscan(rest, &first, &verdict, &code); err != nil {
			return people, newcomers, fmt.Errorf("burst: %w in %q", err, line)
		}
		if first < 0 || verdict < 0 {
			t.silent++
			continue
		}
		t.first = append(t.first, time.Duration(first)*time.Microsecond)
		t.verdict = append(t.verdict, time.Duration(verdict)*time.Microsecond)
		if code == 1 {
			t.granted++
		}
	}
	for _, t := range []tally{people, newcomers} {
		slices.Sort(t.first)
		slices.Sort(t.verdict)
		if len(t.first) == 0 {
			return people, newcomers, errors.New("burst: nobody got an answer")
		}
	}
	return people, newcomers, nil
}

type latency struct {
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
}

// lookup asks the name service, in a process of its own.
func (b *bench) lookup(ctx context.Context, program, kind, name string, n int) (latency, error) {
	var l latency
	out, err := b.Run(ctx, program, kind, name, fmt.Sprint(n))
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		return l, fmt.Errorf("lookup: %w", err)
	}
	return l, nil
}

// lookups measures the name service beside the files it follows: from the mapped
// file, and over lookup.sock when there is none.
func (b *bench) lookups(ctx context.Context) error {
	program, err := b.compile(ctx, "lookup")
	if err != nil {
		return err
	}
	const file = "/var/cache/sallyport/directory"
	if err := b.lookupsFrom(ctx, program, "from the mapped file"); err != nil {
		return err
	}
	if _, err := b.Run(ctx, "mv", file, file+".away"); err != nil {
		return err
	}
	if err := b.lookupsFrom(ctx, program, "over lookup.sock, when there is no file"); err != nil {
		return err
	}
	_, err = b.Run(ctx, "mv", file+".away", file)
	return err
}

func (b *bench) lookupsFrom(ctx context.Context, program, how string) error {
	for _, c := range []struct{ what, kind, ours, local string }{
		{"getpwnam", "passwd", ada, local},
		{"getgrnam", "group", "admins", "sudo"},
		{"group list of a user", "list", ada, "daemon"},
		{"unknown name", "absent", "-", ""},
	} {
		ours, err := b.lookup(ctx, program, c.kind, c.ours, 5000)
		if err != nil {
			return err
		}
		beside := ""
		if c.local != "" {
			files, err := b.lookup(ctx, program, c.kind, c.local, 5000)
			if err != nil {
				return err
			}
			beside = fmt.Sprintf("local account or group, from files: %.1f µs", files.Median/1000)
		}
		b.row(c.what+", "+how, fmt.Sprintf("median %.2f µs, 99%% %.2f µs", ours.Median/1000, ours.P99/1000), beside)
	}
	return nil
}
