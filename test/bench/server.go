package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// goBench runs Go benchmarks of a package and returns the nanoseconds of each that is
// wanted, by name without "Benchmark".
func goBench(ctx context.Context, folder, span string, wanted ...string) (map[string]float64, error) {
	root, err := machine.RepoRoot()
	if err != nil {
		return nil, err
	}
	var heads []string
	for _, w := range wanted {
		head, _, _ := strings.Cut(w, "/")
		heads = append(heads, "^Benchmark"+head+"$")
	}
	c := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", strings.Join(heads, "|"), "-benchtime", span, folder)
	c.Dir = root
	out, err := c.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test: %w\n%s", err, out)
	}
	per := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "ns/op" {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		name = name[:max(strings.LastIndexByte(name, '-'), 0)]
		if per[name], err = strconv.ParseFloat(f[2], 64); err != nil {
			return nil, fmt.Errorf("go test: %w in %q", err, line)
		}
	}
	for _, w := range wanted {
		if per[w] == 0 {
			return nil, fmt.Errorf("go test: no benchmark %s in\n%s", w, out)
		}
	}
	return per, nil
}

// throughput runs the Go benchmarks of the provider against a real server over
// TLS, in one process, with more clients than processors. They are what one machine
// with client and server on it reaches; the server alone does more.
func (b *bench) throughput(ctx context.Context) error {
	per, err := goBench(ctx, "./provider/sallyport", "5s", "IDTokenFetch", "SteppedAuthentication", "Argon2")
	if err != nil {
		return err
	}
	fetch, step, argon := per["IDTokenFetch"], per["SteppedAuthentication"], per["Argon2"]
	b.row("ID tokens fetched and verified, client and server on one machine", fmt.Sprintf("%.0f /s", 1e9/fetch), "")
	b.row("stepped authentications, the same way", fmt.Sprintf("%.0f /s (%.1f ms of all processors each)", 1e9/step, step/1e6),
		fmt.Sprintf("the server's Argon2 alone: %.0f /s (%.1f ms)", 1e9/argon, argon/1e6))
	return b.identities(ctx)
}

// identities measures registrations and logins of the identity service, one after the other,
// with a client that leaves Argon2id out, on PostgreSQL.
func (b *bench) identities(ctx context.Context) error {
	per, err := goBench(ctx, "./server/identityservice", "3s", "Registration", "Login", "Library/Registration", "Library/Login")
	if err != nil {
		return err
	}
	for _, what := range []string{"Registration", "Login"} {
		b.row("identity service: "+strings.ToLower(what)+" by OPAQUE, less the client's Argon2, client and server on one machine, PostgreSQL",
			fmt.Sprintf("%.0f /s (%.2f ms)", 1e9/per[what], per[what]/1e6), fmt.Sprintf("both ends in the library alone %.0f /s (%.2f ms)", 1e9/per["Library/"+what], per["Library/"+what]/1e6))
	}
	return nil
}

// kanidm measures lookups where the accounts are a Kanidm server's, which cannot list
// them: the resolver in process, beside a double that takes 50 ms for each request.
func (b *bench) kanidm(ctx context.Context) error {
	per, err := goBench(ctx, "./provider/kanidm", "2s", "Lookup/Warm", "Lookup/WarmGroup", "Lookup/Cold", "Lookup/ColdGroup",
		"Lookup/ColdHundred", "StepUp/Again", "StepUp/Whole",
		"SomebodyNew/Alone", "SomebodyNew/BehindAnotherGroups1", "SomebodyNew/BehindAnotherGroups20")
	if err != nil {
		return err
	}
	const server = "a Kanidm server that takes 50 ms"
	b.row("account of a Kanidm server, remembered", fmt.Sprintf("%.0f /s (%s)", 1e9/per["Lookup/Warm"], us(per["Lookup/Warm"])), "asks nobody")
	b.row("group of a Kanidm server, remembered", fmt.Sprintf("%.0f /s (%s)", 1e9/per["Lookup/WarmGroup"], us(per["Lookup/WarmGroup"])), "asks nobody")
	b.row("unknown name, "+server+", one at a time", fmt.Sprintf("%.1f ms each", per["Lookup/Cold"]/1e6), "50 ms at least")
	b.row("unknown group, the same way", fmt.Sprintf("%.1f ms each", per["Lookup/ColdGroup"]/1e6), "50 ms at least")
	b.row("unknown names, "+server+", a hundred at a time", fmt.Sprintf("%.0f /s", 1e9/per["Lookup/ColdHundred"]), "2000 /s at most")
	b.row("step-up by password and code, the same server", fmt.Sprintf("%.0f ms", per["StepUp/Again"]/1e6),
		fmt.Sprintf("a whole sign-in %.0f ms", per["StepUp/Whole"]/1e6))
	b.row("somebody new with a group, behind another realm with such a server", fmt.Sprintf("%.0f ms", per["SomebodyNew/BehindAnotherGroups1"]/1e6),
		fmt.Sprintf("with 20 groups %.0f ms, alone %.0f ms", per["SomebodyNew/BehindAnotherGroups20"]/1e6, per["SomebodyNew/Alone"]/1e6))
	return nil
}

// sealing measures what binds secrets to a machine. The TPM is one in software: it
// shows what we and the protocol cost, and a chip takes its own time on top.
func (b *bench) sealing(ctx context.Context) error {
	per, err := goBench(ctx, "./seal", "2s", "Seal/HMAC/file", "Seal/Open/file", "Seal/HMAC/tpm", "Seal/Open/tpm", "SealTo")
	if err != nil {
		return err
	}
	b.row("a secret sealed to a machine, on the server", us(per["SealTo"]), "")
	b.row("unsealed, with the key in a file", us(per["Seal/Open/file"]), "with a TPM in software: "+us(per["Seal/Open/tpm"]))
	b.row("a verifier's MAC, with the key in a file", us(per["Seal/HMAC/file"]), "with a TPM in software: "+us(per["Seal/HMAC/tpm"]))
	return nil
}

func us(ns float64) string { return fmt.Sprintf("%.1f µs", ns/1000) }
