package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// throughput runs the Go benchmarks of the provider against a real server over
// TLS, in one process, with more clients than processors. They are what one machine
// with client and server on it reaches; the server alone does more.
func (b *bench) throughput(ctx context.Context) error {
	root, err := machine.RepoRoot()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "IDTokenFetch|SteppedAuthentication|Argon2", "-benchtime", "5s", "./provider/sallyport")
	c.Dir = root
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test: %w\n%s", err, out)
	}
	per := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "ns/op" {
			continue
		}
		name, _, _ := strings.Cut(f[0], "-")
		if per[name], err = strconv.ParseFloat(f[2], 64); err != nil {
			return fmt.Errorf("go test: %w in %q", err, line)
		}
	}
	fetch, step, argon := per["BenchmarkIDTokenFetch"], per["BenchmarkSteppedAuthentication"], per["BenchmarkArgon2"]
	if fetch == 0 || step == 0 || argon == 0 {
		return fmt.Errorf("go test: a benchmark is missing in\n%s", out)
	}
	b.row("ID tokens fetched and verified, client and server on one machine", fmt.Sprintf("%.0f /s", 1e9/fetch), "")
	b.row("stepped authentications, the same way", fmt.Sprintf("%.0f /s (%.1f ms of all processors each)", 1e9/step, step/1e6),
		fmt.Sprintf("the server's Argon2 alone: %.0f /s (%.1f ms)", 1e9/argon, argon/1e6))
	return nil
}
