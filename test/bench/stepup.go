package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const configFile = "/etc/sallyport/sallyportd.toml"

// withoutStepUp lets sudo through as the other services, so that its account and
// session phases are measured as they were before there was a step-up.
func (b *bench) withoutStepUp(context.Context) error {
	text, err := os.ReadFile(b.Path(configFile))
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	return b.WriteFile(configFile, string(text)+"\n[service.sudo]\nstep_up = false\n", 0o644)
}

// stepUps measures sudo with a proof that is valid, beside sudo's own timestamp and
// pam_unix: "sudo -n" on one terminal, after one that asked.
func (b *bench) stepUps(ctx context.Context) error {
	before, err := os.ReadFile(b.Path(configFile))
	if err != nil {
		return fmt.Errorf("step-up: %w", err)
	}
	rules := "%s ALL=(ALL) ALL\nDefaults:%s noninteractive_auth\n"
	if err := b.WriteFile("/etc/sudoers.d/bench", fmt.Sprintf(rules, ada, ada)+fmt.Sprintf("%s ALL=(ALL) ALL\n", local), 0o440); err != nil {
		return err
	}
	if err := b.restartWith(ctx, strings.Replace(string(before), "step_up = false", "step_up = true\nmax_age = \"1h\"", 1)); err != nil {
		return err
	}
	alone, err := b.again(ctx, local, localPass)
	if err != nil {
		return err
	}
	proof, err := b.again(ctx, ada, adaPass)
	if err != nil {
		return err
	}
	b.row("`sudo -n true` with a valid proof (its account phase)", fmt.Sprintf("%s (%+.1f ms)", ms(proof), float64((proof-alone).Microseconds())/1000),
		"pam_unix with sudo's own timestamp "+ms(alone))
	// Without sudo's own timestamp the authentication finds the proof, too.
	rules += "Defaults:%s timestamp_timeout=0\n"
	if err := b.WriteFile("/etc/sudoers.d/bench", fmt.Sprintf(rules, ada, ada, ada)+fmt.Sprintf("%s ALL=(ALL) ALL\n", local), 0o440); err != nil {
		return err
	}
	both, err := b.again(ctx, ada, adaPass)
	if err != nil {
		return err
	}
	b.row("`sudo -n true` with a valid proof (authentication and account phase)",
		fmt.Sprintf("%s (%+.1f ms)", ms(both), float64((both-alone).Microseconds())/1000), "pam_unix with sudo's own timestamp "+ms(alone))
	nopasswd := fmt.Sprintf("%s ALL=(ALL) NOPASSWD: ALL\n%s ALL=(ALL) NOPASSWD: ALL\n", ada, local)
	if err := b.WriteFile("/etc/sudoers.d/bench", nopasswd, 0o440); err != nil {
		return err
	}
	return b.restartWith(ctx, string(before))
}

func (b *bench) restartWith(ctx context.Context, text string) error {
	if err := b.Daemon.Stop(ctx); err != nil {
		return err
	}
	if err := b.WriteFile(configFile, text, 0o644); err != nil {
		return err
	}
	if err := b.StartDaemon(ctx); err != nil {
		return err
	}
	return b.WaitOnline(ctx)
}

// again proves who someone is once, on a terminal, and returns the median of the
// sudos after it, as that terminal's own shell measures them.
func (b *bench) again(ctx context.Context, name, password string) (time.Duration, error) {
	c, err := b.Console(ctx, "/usr/sbin/runuser", "-u", name, "--", "/bin/bash", "--norc")
	if err != nil {
		return 0, err
	}
	defer c.Hangup()
	if err := c.Send("cd /; sudo true && echo now $((40 + 2))"); err != nil {
		return 0, err
	}
	if err := c.Talk(ctx, "password for "+name+": ", password, "now 42"); err != nil {
		return 0, err
	}
	var all []time.Duration
	for range b.runs {
		// The terminal shows what is typed, so what is waited for is not typed as it is.
		if err := c.Send("a=$EPOCHREALTIME; sudo -n true && echo to''ok $((${EPOCHREALTIME/./} - ${a/./})) us"); err != nil {
			return 0, err
		}
		if _, err := c.Expect(ctx, "took "); err != nil {
			return 0, err
		}
		seen, err := c.Expect(ctx, " us")
		if err != nil {
			return 0, err
		}
		d, err := time.ParseDuration(strings.TrimSpace(seen[:len(seen)-len(" us")]) + "us")
		if err != nil {
			return 0, fmt.Errorf("step-up: %w in %q", err, seen)
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}
