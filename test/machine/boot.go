package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Booted is a machine whose first process is systemd, in a container of
// systemd-nspawn(1) with a network of its own.
type Booted struct {
	*Machine
	init    int // systemd, as this PID namespace numbers it
	console *Process
}

// handOver unmounts all but the disk: a container mounts its own.
func (m *Machine) handOver() error {
	for len(m.mounts) > 2 { // all but the tmpfs and the overlay
		last := m.mounts[len(m.mounts)-1]
		if err := syscall.Unmount(last, syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", last, err)
		}
		m.mounts = m.mounts[:len(m.mounts)-1]
	}
	return nil
}

// Boot starts systemd and waits until it has no more jobs. From then on only
// [Booted.In] reaches the machine.
func (m *Machine) Boot(ctx context.Context) (*Booted, error) {
	if err := m.handOver(); err != nil {
		return nil, err
	}
	if err := m.WriteFile("/etc/machine-id", "uninitialized\n", 0o444); err != nil {
		return nil, err
	}
	// Only what systemd itself needs: what else the host has enabled is not the
	// question, and waiting for a network that is not there takes two minutes.
	if err := m.WriteFile("/etc/systemd/system-preset/00-test.preset", "enable systemd-logind.service\ndisable *\n", 0o644); err != nil {
		return nil, err
	}
	if err := os.Symlink("/dev/null", m.Path("/etc/systemd/system/systemd-networkd-wait-online.service")); err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	c := exec.CommandContext(ctx, "systemd-nspawn", "-q", "--register=no", "--keep-unit", "-D", m.Root, "--boot", //nolint:gosec // constants
		"--console=read-only", "--private-network", "--link-journal=no", "--machine=sallyport-test")
	c.Env = environment()
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p, err := m.keep(c)
	if err != nil {
		return nil, fmt.Errorf("systemd-nspawn: %w", err)
	}
	b := &Booted{Machine: m, console: p}
	err = m.Eventually(ctx, func() error {
		select {
		case <-p.Done():
			return fmt.Errorf("systemd-nspawn ended:\n%s", p.Output)
		default:
		}
		if b.init, err = grandchild(c.Process.Pid); err != nil {
			return err
		}
		// "degraded" is an answer too: units of the host that no container can run.
		out, err := b.In(ctx, "systemctl is-system-running --wait || true")
		if err != nil || (!strings.Contains(out, "running") && !strings.Contains(out, "degraded")) {
			return fmt.Errorf("systemd is %q (%w):\n%s", strings.TrimSpace(out), err, p.Output)
		}
		return nil
	})
	return b, err
}

// In runs lines of sh within the container, and stops at the first that fails.
func (b *Booted) In(ctx context.Context, lines string) (string, error) {
	c := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(b.init), "-m", "-p", "-u", "-i", "-n", "--", "/bin/sh", "-euc", lines) //nolint:gosec // tests name their programs
	c.Env = environment()
	out, err := c.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", lines, err, out)
	}
	return string(out), nil
}

// grandchild finds systemd below nspawn, whose child only keeps its namespaces.
func grandchild(pid int) (int, error) {
	for range 2 {
		path := filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(pid), "children")
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, fmt.Errorf("children of nspawn: %w", err)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
		if pid, err = strconv.Atoi(first); err != nil {
			return 0, fmt.Errorf("children of nspawn: none yet: %w", err)
		}
	}
	return pid, nil
}

// Console is what systemd printed while it started.
func (b *Booted) Console() string { return b.console.Output.String() }
