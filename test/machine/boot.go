package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Booted is a machine whose first process is systemd, in a container of
// systemd-nspawn(1) with a network of its own.
type Booted struct {
	*Machine
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

// Extras are what a machine has beyond what systemd itself needs.
type Extras struct {
	Units  []string // to enable
	Nspawn []string // arguments of systemd-nspawn(1)
}

// Boot starts systemd and waits until it has no more jobs. From then on only
// [Booted.In] reaches the machine.
func (m *Machine) Boot(ctx context.Context) (*Booted, error) { return m.BootWith(ctx, Extras{}) }

// BootWith is Boot with more units and another container.
func (m *Machine) BootWith(ctx context.Context, extras Extras) (*Booted, error) {
	if err := m.WriteFile("/etc/machine-id", "uninitialized\n", 0o444); err != nil {
		return nil, err
	}
	// Only what systemd itself needs: what else the host has enabled is not the
	// question, and waiting for a network that is not there takes two minutes.
	// systemd 257 and later only enables what a preset says, and disables nothing.
	preset := "enable systemd-logind.service\n"
	for _, u := range extras.Units {
		preset += "enable " + u + "\n"
	}
	if err := m.WriteFile("/etc/systemd/system-preset/00-test.preset", preset+"disable *\n", 0o644); err != nil {
		return nil, err
	}
	if _, err := m.Script(ctx, "find /etc/systemd/system -path '*.wants/*' -delete"); err != nil {
		return nil, err
	}
	if err := os.Symlink("/dev/null", m.Path("/etc/systemd/system/systemd-networkd-wait-online.service")); err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	if err := m.handOver(); err != nil {
		return nil, err
	}
	arguments := append([]string{
		"-q", "--register=no", "--keep-unit", "-D", m.Root, "--boot", "--console=read-only", "--private-network",
		"--link-journal=no", "--machine=" + filepath.Base(m.base), // each its own: nspawn leaves mounts of that name behind
	}, extras.Nspawn...)
	c := exec.CommandContext(ctx, "systemd-nspawn", arguments...)
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
		if b.init, err = containerInit(c.Process.Pid); err != nil {
			return err
		}
		// "degraded" is an answer too: units of the host that no container can run.
		out, err := b.In(ctx, "systemctl is-system-running --wait || true")
		if state := strings.TrimSpace(out); err != nil || (state != "running" && state != "degraded") {
			return fmt.Errorf("systemd is %q (%w):\n%s", state, err, p.Output)
		}
		return nil
	})
	return b, err
}

// In runs lines of sh within the container, and stops at the first that fails.
func (b *Booted) In(ctx context.Context, lines string) (string, error) {
	out, err := b.command(ctx, lines).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", lines, err, out)
	}
	return string(out), nil
}

func (b *Booted) command(ctx context.Context, lines string) *exec.Cmd {
	c := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(b.init), "-m", "-p", "-u", "-i", "-n", "-r", "-w", "--", "/bin/sh", "-euc", lines)
	c.Env = environment()
	return c
}

// containerInit finds the container's systemd below nspawn: the one that is the first
// process of its namespace. While it sets up, nspawn has other children, too.
func containerInit(nspawn int) (int, error) {
	for queue := []int{nspawn}; len(queue) > 0; queue = queue[1:] {
		dir := filepath.Join("/proc", strconv.Itoa(queue[0]))
		comm, _ := os.ReadFile(filepath.Join(dir, "comm")) // a process that has just gone is not the one
		status, _ := os.ReadFile(filepath.Join(dir, "status"))
		if string(comm) == "systemd\n" && strings.Contains(string(status), "\t1\nNSpgid:") {
			return queue[0], nil
		}
		children, _ := os.ReadFile(filepath.Join(dir, "task", strconv.Itoa(queue[0]), "children"))
		for pid := range strings.FieldsSeq(string(children)) {
			if n, err := strconv.Atoi(pid); err == nil {
				queue = append(queue, n)
			}
		}
	}
	return 0, errors.New("systemd has not started yet")
}

// Console is what systemd printed while it started.
func (b *Booted) Console() string { return b.console.Output.String() }

// InNetwork runs f in the container's network, on a thread of its own.
func (b *Booted) InNetwork(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		network, err := os.Open(filepath.Join("/proc", strconv.Itoa(b.init), "ns", "net"))
		if err == nil {
			err = unix.Setns(int(network.Fd()), unix.CLONE_NEWNET)
			_ = network.Close()
		}
		if err != nil {
			done <- fmt.Errorf("enter the container's network: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}
