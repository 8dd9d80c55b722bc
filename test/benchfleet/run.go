package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// settle is how long a server is left alone before it is measured.
const settle = 5 * time.Second

func run(ctx context.Context, o options) error {
	work, err := os.MkdirTemp("", "benchfleet-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	fmt.Printf("%d processors, %s\n\n| what | measured | beside it |\n|---|---|---|\n", runtime.NumCPU(), runtime.Version())
	if o.memory > 0 {
		if err := memories(ctx, o, filepath.Join(work, "memory")); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}
	if o.accounts > 0 {
		if err := crowd(ctx, o, filepath.Join(work, "crowd")); err != nil {
			return fmt.Errorf("accounts: %w", err)
		}
	}
	argon := 0.0
	if o.load > 0 {
		argon = hashes(o.load)
	}
	lite, err := whole(ctx, o, filepath.Join(work, "sqlite"), "", "SQLite", argon)
	if err != nil || !o.postgres {
		return err
	}
	db, err := postgres.Start(ctx)
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	address, err := db.Schema(ctx)
	if err != nil {
		return errors.Join(err, db.Stop())
	}
	pg, err := whole(ctx, o, filepath.Join(work, "postgres"), address, "PostgreSQL", argon)
	var two rates
	if err == nil && o.load > 0 {
		two, err = both(ctx, o, filepath.Join(work, "postgres"), address, argon)
	}
	if err := errors.Join(err, db.Stop()); err != nil {
		return err
	}
	if o.load > 0 {
		row("two servers beside one, each on PostgreSQL", fmt.Sprintf("ID tokens %.2f, stepped authentications less Argon2 %.2f", two.tokens/pg.tokens, two.steps/pg.steps),
			"aim: 1.7, on enough processors for servers, database and machines")
		row("PostgreSQL beside SQLite", fmt.Sprintf("ID tokens %.2f, stepped authentications less Argon2 %.2f", pg.tokens/lite.tokens, pg.steps/lite.steps), "aim: 0.8")
	}
	return nil
}

func row(what, got, beside string) { fmt.Printf("| %s | %s | %s |\n", what, got, beside) }

// memories measures what one connection takes in a server of each kind.
func memories(ctx context.Context, o options, folder string) error {
	if err := makeRealm(ctx, folder, "127.0.0.1:0", "", o.memory); err != nil {
		return err
	}
	each := map[string]float64{}
	for _, kind := range []struct{ role, do, what string }{
		{"tls", "tls", "a bare TLS connection"}, {"h2", "h2", "with an idle stream of HTTP/2"}, {"sallyport", "watch", "with a change stream of Sallyport"},
	} {
		s, err := self(ctx, kind.role, "", folder)
		if err != nil {
			return err
		}
		var addr string
		var took time.Duration
		var before, after memory
		if err := s.ask("where", &addr); err != nil {
			return err
		}
		m, err := self(ctx, "machines", "https://"+addr, folder)
		if err != nil {
			return err
		}
		if err := errors.Join(s.ask("memory", &before), m.ask(fmt.Sprintf("%s %d", kind.do, o.memory), &took)); err != nil {
			return err
		}
		time.Sleep(settle)
		if err := s.ask("memory", &after); err != nil {
			return err
		}
		n := float64(o.memory)
		each[kind.role] = float64(after.Heap+after.Stacks-before.Heap-before.Stacks) / n
		beside := ""
		if kind.role != "tls" {
			beside = fmt.Sprintf("%.1f KB beyond TLS, %.2f times bare HTTP/2", (each[kind.role]-each["tls"])/1e3, each[kind.role]/each["h2"])
		}
		row("memory of "+kind.what, fmt.Sprintf("%.1f KB (heap %.1f, stacks %.1f, %.1f goroutines)", each[kind.role]/1e3,
			float64(after.Heap-before.Heap)/n/1e3, float64(after.Stacks-before.Stacks)/n/1e3, float64(after.Goroutines-before.Goroutines)/n), beside)
		m.stop()
		s.stop()
	}
	return nil
}

type rates struct{ tokens, steps, verified float64 }

// whole measures one real server with all machines connected to it.
func whole(ctx context.Context, o options, folder, database, name string, argon float64) (rates, error) {
	var r rates
	addr, err := freePort(ctx)
	if err != nil {
		return r, err
	}
	if err := makeRealm(ctx, folder, addr, database, max(o.machines, askers)); err != nil {
		return r, err
	}
	s, err := start(ctx, o.binary, "serve", "--dir", folder)
	if err != nil {
		return r, err
	}
	defer s.stop()
	if err := up(ctx, addr); err != nil {
		return r, err
	}
	m, err := self(ctx, "machines", "https://"+addr, folder)
	if err != nil {
		return r, err
	}
	defer m.stop()
	if o.load > 0 {
		if r, err = loaded(o, name, argon, m); err != nil {
			return r, err
		}
		bare, err := bareReads(ctx, cmp.Or(database, filepath.Join(folder, "sallyport.db")), o.load)
		if err != nil {
			return r, err
		}
		row(name+": tokens of the identity service verified", fmt.Sprintf("%.0f /s", r.verified), fmt.Sprintf("account and token read from the database alone %.0f /s; aim: 10,000", bare))
	}
	if o.machines > 0 {
		err = connected(ctx, o, s, m, folder, name)
	}
	return r, err
}

// loaded makes requests by all these processes at once.
func loaded(o options, name string, argon float64, by ...*process) (rates, error) {
	var r rates
	for kind, rate := range map[string]*float64{"tokens": &r.tokens, "steps": &r.steps, "verified": &r.verified} {
		each := make([]float64, len(by))
		var g errgroup.Group
		for i, m := range by {
			g.Go(func() error { return m.ask(fmt.Sprintf("load %s %d", kind, int(o.load.Seconds())), &each[i]) })
		}
		if err := g.Wait(); err != nil {
			return r, err //nolint:wrapcheck // by ask
		}
		for _, n := range each {
			*rate += n
		}
	}
	row(name+": ID tokens", fmt.Sprintf("%.0f /s", r.tokens), "")
	less := 1 / (1/r.steps - 1/argon)
	row(name+": stepped authentications", fmt.Sprintf("%.1f /s, less Argon2 %.0f /s", r.steps, less), fmt.Sprintf("Argon2 alone %.1f /s", argon))
	r.steps = less
	return r, nil
}

// both measures two servers of the realm that one has measured.
func both(ctx context.Context, o options, first, database string, argon float64) (rates, error) {
	var by []*process
	for _, folder := range []string{first, first + "-another"} {
		addr, err := freePort(ctx)
		if err != nil {
			return rates{}, err
		}
		if folder != first {
			err = realm.InitAnother(ctx, realm.InitOptions{Dir: folder, Realm: "example.org", Listen: addr, Database: database, SealKey: filepath.Join(first, "seal.key")})
		}
		if err != nil {
			return rates{}, err
		}
		s, err := start(ctx, o.binary, "serve", "--dir", folder, "--listen", addr)
		if err != nil {
			return rates{}, err
		}
		defer s.stop()
		if err := up(ctx, addr); err != nil {
			return rates{}, err
		}
		m, err := self(ctx, "machines", "https://"+addr, first)
		if err != nil {
			return rates{}, err
		}
		defer m.stop()
		by = append(by, m)
	}
	return loaded(o, "two servers on PostgreSQL", argon, by...)
}

// connected measures a server with machines connected to it.
func connected(ctx context.Context, o options, s, m *process, folder, name string) error {
	var took time.Duration
	empty, err := s.resident()
	if err != nil {
		return err
	}
	before, err := s.cpu()
	if err != nil {
		return err
	}
	if err := m.ask(fmt.Sprintf("watch %d", o.machines), &took); err != nil {
		return err
	}
	after, err := s.cpu()
	if err != nil {
		return err
	}
	row(fmt.Sprintf("%s: %d machines list and connect", name, o.machines), took.Round(100*time.Millisecond).String(), fmt.Sprintf("%.2f ms of a processor each", (after-before).Seconds()*1e3/float64(o.machines)))
	time.Sleep(settle)
	if before, err = s.cpu(); err != nil {
		return err
	}
	time.Sleep(o.idle)
	if after, err = s.cpu(); err != nil {
		return err
	}
	full, err := s.resident()
	if err != nil {
		return err
	}
	row(name+": processor use while nothing changes", fmt.Sprintf("%.1f %% of one", 100*(after-before).Seconds()/o.idle.Seconds()), "")
	row(name+": resident memory", fmt.Sprintf("%.0f MB", full/1e6), fmt.Sprintf("%.1f KB a machine", (full-empty)/1e3/float64(o.machines)))
	return changed(ctx, o, s, m, folder, name)
}

// changed measures the way of a change to all machines.
func changed(ctx context.Context, o options, s, m *process, folder, name string) error {
	admin, closer, err := server.Admin(ctx, folder, slog.New(slog.DiscardHandler))
	if err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	defer func() { _ = closer.Close() }()
	var median, last, cpu []float64
	for i := range o.changes {
		var ended int64
		if err := m.ask("clear", &ended); err != nil {
			return err
		}
		before, err := s.cpu()
		if err != nil {
			return err
		}
		began := time.Now().UnixNano()
		if _, err := admin.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: "u0", Disabled: i%2 == 0}); err != nil {
			return err //nolint:wrapcheck // it says what it is about
		}
		var heard []int64
		if err := m.ask(fmt.Sprintf("heard %d", o.machines), &heard); err != nil {
			return err
		}
		after, err := s.cpu()
		if err != nil {
			return err
		}
		median = append(median, float64(heard[len(heard)/2]-began)/1e6)
		last = append(last, float64(heard[len(heard)-1]-began)/1e6)
		cpu = append(cpu, (after - before).Seconds())
		time.Sleep(time.Second)
	}
	row(name+": a change at all machines", fmt.Sprintf("half of them after %.0f ms, the last after %.0f ms (slowest of %d changes: %.0f ms)", middle(median), middle(last), o.changes, biggest(last)),
		fmt.Sprintf("%.2f s of a processor", middle(cpu)))
	return nil
}

// freePort is an address that nobody listens at.
func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	return l.Addr().String(), l.Close() //nolint:wrapcheck // of a listener
}

// up waits until somebody listens there.
func up(ctx context.Context, addr string) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close() //nolint:wrapcheck // of a connection
		}
		if time.Now().After(end) {
			return fmt.Errorf("the server is not there: %w", err)
		}
	}
}
