// Command benchnss measures name lookups through glibc: ours beside nscd's shared cache,
// SSSD with an LDAP server behind it, and libnss-cache, filled with the same people, and
// beside a floor that does nothing but one hash probe and one copy. It prints one table in Markdown. Absolute
// times differ from machine to machine, the ratios of one run are what to keep.
// Nothing here passes or fails by a time.
//
// nscd, SSSD, slapd and libnss-cache come from Debian, and are installed on the throwaway
// machine only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// firsts is how many processes make their first lookup.
const firsts = 50

// debs names the folder of downloaded packages to the program inside the namespaces,
// where there is no network.
const debs = "SALLYPORT_BENCH_DEBS"

func main() {
	sizes := flag.String("sizes", "1000,10000,100000", "numbers of `users`")
	lookups := flag.Int("n", 300000, "`lookups` in each measurement, or one second")
	runs := flag.Int("runs", 5, "how often each is measured; the median counts")
	patience := flag.Duration("patience", 3*time.Minute, "how long a peer may take to load")
	only := flag.String("only", "", "measure only the services with these `names`, with commas")
	flag.Parse()
	if os.Getenv(debs) == "" {
		dir, err := download()
		if err == nil {
			err = os.Setenv(debs, dir)
		}
		fail(err)
	}
	fail(machine.Enter())
	head(os.Stdout)
	b := &bench{lookups: *lookups, runs: *runs, patience: *patience, only: *only}
	defer os.RemoveAll(os.Getenv(debs))
	for s := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err == nil {
			err = b.size(context.Background(), n)
		}
		fail(err)
		b.print(os.Stdout)
		b.rows = nil
	}
}

func fail(err error) {
	if err != nil {
		_ = os.RemoveAll(os.Getenv(debs))
		fmt.Fprintln(os.Stderr, "benchnss:", err)
		os.Exit(1)
	}
}

// download fetches the peers' packages and what they need and the host has not.
func download() (string, error) {
	dir, err := os.MkdirTemp("/var/tmp", "sallyport-bench-")
	if err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "partial"), 0o755); err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	c := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "--download-only", "-o", "Dir::Cache::archives="+dir,
		"-o", "APT::Sandbox::User=root", "nscd", "sssd-ldap", "libnss-sss", "slapd", "libnss-cache")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("download the peers: %w\n%s", err, out)
	}
	return dir, nil
}

// bench collects the table.
type bench struct {
	lookups, runs int
	patience      time.Duration
	only          string
	rows          []row
}

// service is one column.
type service struct {
	name string // its column
	nss  string // as nsswitch.conf(5) names it; "-": what is in that file
	// start fills it with n users; the error is for its cells.
	start func(ctx context.Context, m *machine.Machine, n int) (*running, error)
}

// running is a service that was filled.
type running struct {
	// warm: has each entry asked for once, for a cache that fills by use.
	warm bool
	// floor: it knows accounts only.
	floor bool
	// facts are figures besides the lookups.
	facts map[string]figure
	// halt stops its daemon without ending it; nil: it has none.
	halt func(ctx context.Context) error
}

// size measures every service with n users, each on a machine of its own.
func (b *bench) size(ctx context.Context, n int) error {
	columns := map[string]map[string]figure{}
	for _, s := range services {
		if b.only != "" && !strings.Contains(","+b.only+",", ","+s.name+",") {
			continue
		}
		fmt.Fprintf(os.Stderr, "benchnss: %s with %d users …\n", s.name, n)
		got, err := b.service(ctx, s, n)
		if err != nil {
			return fmt.Errorf("%s with %d users: %w", s.name, n, err)
		}
		columns[s.name] = got
	}
	b.rows = append(b.rows, row{n, columns})
	return nil
}

func (b *bench) service(ctx context.Context, s service, n int) (map[string]figure, error) {
	m, err := machine.New()
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := prepare(ctx, m); err != nil {
		return nil, err
	}
	started, cancel := context.WithTimeout(ctx, b.patience)
	defer cancel()
	r, err := s.start(started, m, n)
	if err != nil && started.Err() != nil {
		return map[string]figure{"": {text: fmt.Sprintf("not up after %s", b.patience)}}, nil
	}
	if err != nil {
		return nil, err
	}
	// What a package does: else each process would search folders for the library.
	if _, err := m.Run(ctx, "/usr/sbin/ldconfig"); err != nil {
		return nil, err
	}
	got := r.facts
	if got == nil {
		got = map[string]figure{}
	}
	if r.warm {
		begin := time.Now()
		if _, err := b.ask(started, m, s.nss, n, "warm"); err != nil {
			return map[string]figure{"": {text: fmt.Sprintf("does not know everybody after %s", b.patience)}}, nil
		}
		got["warm"] = figure{value: time.Since(begin).Seconds(), ok: true}
	}
	if err := b.lookupsOf(ctx, m, s, r, n, got); err != nil {
		return nil, err
	}
	return got, b.stopped(ctx, m, s, r, n, got)
}

func (b *bench) lookupsOf(ctx context.Context, m *machine.Machine, s service, r *running, n int, got map[string]figure) error {
	mode := ""
	if r.floor {
		mode = "floor"
	}
	series := map[string][]float64{}
	for range b.runs {
		f, err := b.ask(ctx, m, s.nss, n, mode)
		if err != nil {
			return err
		}
		for k, v := range f {
			series[k] = append(series[k], v)
		}
	}
	for range firsts {
		f, err := b.ask(ctx, m, s.nss, n, "first")
		if err != nil {
			return err
		}
		series["first"] = append(series["first"], f["first"])
	}
	for k, v := range series {
		got[k] = figure{value: median(v), ok: true}
	}
	f, err := b.ask(ctx, m, s.nss, n, "threads")
	for k, v := range f {
		if k != "first" {
			got[k] = figure{value: v, ok: true}
		}
	}
	return err
}

// stopped measures with the daemon stopped (SIGSTOP), which is how one that hangs looks.
func (b *bench) stopped(ctx context.Context, m *machine.Machine, s service, r *running, n int, got map[string]figure) error {
	if r.halt == nil {
		return nil
	}
	if err := r.halt(ctx); err != nil {
		return err
	}
	f, err := b.ask(ctx, m, s.nss, n, "hit")
	if err != nil {
		got["stopped_hit"] = figure{text: "no answer"}
		return nil
	}
	got["stopped_hit"] = figure{value: f["getpwnam"], ok: true}
	limit, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	begin := time.Now()
	_, err = m.Run(limit, "/usr/local/bin/one", s.nss, "nosuch")
	switch {
	case limit.Err() != nil:
		got["stopped_unknown"] = figure{text: "more than 20 s"}
	case err != nil:
		return err
	default:
		got["stopped_unknown"] = figure{text: time.Since(begin).Round(time.Millisecond).String()}
	}
	return nil
}
