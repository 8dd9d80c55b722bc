// Command bench measures what Sallyport costs a host, on a throwaway machine,
// and prints one table in Markdown. Each figure stands beside its peer, which was
// measured in the same run: absolute times differ from machine to machine, the
// ratios are what to keep. Nothing here passes or fails by a time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/sallyport-auth/sallyport/test/machine"
)

func main() {
	runs := flag.Int("runs", 40, "how often each command is run; the median counts")
	only := flag.String("only", "", "measure only the parts whose title contains this")
	large := flag.Int("large", 10000, "accounts in the large realm")
	flag.Parse()
	if err := machine.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if err := run(context.Background(), *runs, *large, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, runs, large int, only string) error {
	m, err := machine.New()
	if err != nil {
		return err
	}
	defer m.Close()
	b := &bench{Realm: &machine.Realm{Machine: m}, runs: runs}
	for _, part := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"prepare", b.prepare},
		{"modules in a host program", b.modules},
		{"sudo and ssh", b.hosts},
		{"step-up", b.stepUps},
		{"ssh keys", b.keys},
		{"ssh for one hop", b.hops},
		{"ssh certificates", b.certificates},
		{"password logins", b.passwords},
		{"card logins", b.cardLogins},
		{"name service", b.lookups},
		{"a crowd logs in", b.bursts},
		{"server", b.throughput},
		{"kanidm", b.kanidm},
		{"sealing", b.sealing},
		{"applications", b.applications},
		{"memory", func(ctx context.Context) error { return b.memory(ctx, large) }},
	} {
		if part.title != "prepare" && !strings.Contains(part.title, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s …\n", part.title)
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.title, err)
		}
	}
	b.print(os.Stdout)
	return nil
}
